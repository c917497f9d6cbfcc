//! A loaded model.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ort_sys::OrtSession;
use smallvec::SmallVec;
use turnout_core::{Error, Result, Shape, Signature, Tensor, TensorSpec, Values};

use super::api::Runtime;
use super::options::SessionOptions;
use super::signature::Graph;
use super::status::{Doing, check, create};
use super::values::{OwnedValues, make_inputs, read_tensor};
use crate::artifact::Source;
use crate::handle::Owned;
use crate::memory::GiveBack;
use crate::{Artifact, LoadOptions, Model, Threads};

/// How ONNX Runtime begins to complain of a file beside the model.
const OTHER_FILE: &str = "External";

/// Inputs or outputs of most models; more go to the heap.
const FEW: usize = 4;

/// A session and the signatures that it answers to.
#[derive(Debug)]
pub(super) struct OnnxModel {
    runtime: &'static Runtime,
    session: Owned<OrtSession>,
    signatures: Vec<Signature>,
    names: Vec<Names>,
    /// Behind the session, which it follows.
    _freed: GiveBack,
}

/// The tensor names of one signature, as the C interface wants them.
#[derive(Debug)]
struct Names {
    inputs: NameList,
    outputs: NameList,
}

#[derive(Debug)]
struct NameList {
    pointers: Vec<*const c_char>,
    /// Owns what `pointers` point to.
    _owners: Vec<CString>,
}

// SAFETY: `Run` may be called on one session from many threads at once; the names are not changed after construction.
unsafe impl Send for OnnxModel {}
// SAFETY: as above.
unsafe impl Sync for OnnxModel {}

impl OnnxModel {
    /// With `record` the runs are recorded in a file whose name begins so.
    pub(super) fn load(
        runtime: &'static Runtime,
        artifact: &Artifact,
        options: &LoadOptions,
        record: Option<&CStr>,
    ) -> Result<Self> {
        let session = create_session(runtime, artifact, options.threads, record)?;
        let graph = Graph::read(runtime, &session)?;
        let signatures = match options.signatures.as_slice() {
            [] => vec![graph.signature()?],
            given => given.to_vec(),
        };
        signatures
            .iter()
            .try_for_each(|signature| graph.check(signature))?;
        let names = signatures.iter().map(Names::new).collect::<Result<_>>()?;
        Ok(Self {
            runtime,
            session,
            signatures,
            names,
            _freed: GiveBack::after(artifact.size_bytes()),
        })
    }
}

impl Model for OnnxModel {
    fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    fn run(&self, signature: usize, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let names = self.names(signature)?;
        self.run_names(&names.inputs.pointers, &names.outputs.pointers, inputs)
    }

    /// What several signatures ask for is computed once.
    fn run_together(&self, signatures: &[usize], inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let mut wanted: Vec<*const c_char> = Vec::new();
        let mut places = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for signature in signatures {
            let names = self.names(*signature)?;
            let outputs = &self.signatures[*signature].outputs;
            for (spec, pointer) in outputs.iter().zip(&names.outputs.pointers) {
                places.push(*known.entry(&spec.tensor).or_insert_with(|| {
                    wanted.push(*pointer);
                    wanted.len() - 1
                }));
            }
        }
        let first = signatures
            .first()
            .ok_or_else(|| Error::internal("bug: no signature to run"))?;
        let inputs_of = &self.names(*first)?.inputs.pointers;
        let outputs = self.run_names(inputs_of, &wanted, inputs)?;
        if outputs.len() == places.len() {
            // Nothing is wanted twice, and so all is in order.
            return Ok(outputs);
        }
        Ok(places
            .into_iter()
            .map(|place| outputs[place].clone())
            .collect())
    }
}

impl OnnxModel {
    fn names(&self, signature: usize) -> Result<&Names> {
        let names = self.names.get(signature);
        names.ok_or_else(|| Error::internal("bug: no such signature"))
    }

    fn run_names(
        &self,
        input_names: &[*const c_char],
        output_names: &[*const c_char],
        inputs: Vec<Tensor>,
    ) -> Result<Vec<Tensor>> {
        if inputs.len() != input_names.len() {
            return Err(Error::internal(
                "bug: another number of inputs than the signature's",
            ));
        }
        // Declared before the values over their buffers, so dropped after them.
        let mut parts: SmallVec<[(Shape, Values); FEW]> =
            inputs.into_iter().map(Tensor::into_parts).collect();
        let inputs = make_inputs(self.runtime, &mut parts)?;
        let outputs = self.call(input_names, output_names, &inputs)?;
        let mut tensors = Vec::with_capacity(outputs.as_slice().len());
        for output in outputs.as_slice() {
            tensors.push(read_tensor(self.runtime.api, *output)?);
        }
        Ok(tensors)
    }
}

impl OnnxModel {
    /// Ends the record of the runs and returns its path.
    pub(super) fn end_record(&self) -> Result<PathBuf> {
        let (api, allocator) = (self.runtime.api, self.runtime.allocator);
        let mut path = std::ptr::null_mut();
        // SAFETY: the session is alive, and the path is made for us to free.
        let status =
            unsafe { (api.SessionEndProfiling)(self.session.as_ptr(), allocator, &raw mut path) };
        check(api, status, Doing::Running)?;
        // SAFETY: the path is a string, which nobody has freed yet.
        let text = unsafe { CStr::from_ptr(path) };
        let found = PathBuf::from(OsStr::from_bytes(text.to_bytes()));
        // SAFETY: the path came from this allocator, and is not used any more.
        let status = unsafe { (api.AllocatorFree)(allocator, path.cast()) };
        check(api, status, Doing::Running)?;
        Ok(found)
    }

    fn call(
        &self,
        input_names: &[*const c_char],
        output_names: &[*const c_char],
        inputs: &OwnedValues<'_>,
    ) -> Result<OwnedValues<'static>> {
        let api = self.runtime.api;
        let mut outputs = OwnedValues::nulls(api, output_names.len());
        // SAFETY: names and values are alive and as many as is said. Null outputs are made by ONNX Runtime, for us to
        // release: also those of a call that failed halfway.
        let status = unsafe {
            (api.Run)(
                self.session.as_ptr(),
                std::ptr::null(),
                input_names.as_ptr(),
                inputs.as_ptr(),
                inputs.as_slice().len(),
                output_names.as_ptr(),
                output_names.len(),
                outputs.as_mut_ptr(),
            )
        };
        check(api, status, Doing::Running)?;
        if outputs.as_slice().iter().any(|output| output.is_null()) {
            return Err(Error::execution_failed(
                "the model gave no value for an output",
            ));
        }
        Ok(outputs)
    }
}

impl Names {
    fn new(signature: &Signature) -> Result<Self> {
        Ok(Self {
            inputs: NameList::new(&signature.inputs)?,
            outputs: NameList::new(&signature.outputs)?,
        })
    }
}

impl NameList {
    fn new(specs: &[TensorSpec]) -> Result<Self> {
        let owners: Vec<CString> = specs
            .iter()
            .map(|spec| CString::new(spec.tensor.as_str()))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| {
                Error::load_failed("a tensor's name has a zero byte").with_source(error)
            })?;
        Ok(Self {
            pointers: owners.iter().map(|name| name.as_ptr()).collect(),
            _owners: owners,
        })
    }
}

fn create_session(
    runtime: &Runtime,
    artifact: &Artifact,
    threads: Threads,
    record: Option<&CStr>,
) -> Result<Owned<OrtSession>> {
    let api = runtime.api;
    let options = SessionOptions::new(runtime)?;
    if let Some(prefix) = record {
        options.record_runs(prefix)?;
    }
    options.set_threads(threads)?;
    options.bound_memory()?;
    options.confine(artifact)?;
    let create_session = |session| match artifact.source() {
        // SAFETY: environment and options are alive, and the bytes are only read during the call.
        Source::Memory(bytes) => unsafe {
            let (env, data) = (runtime.env.as_ptr(), bytes.as_ptr().cast());
            (api.CreateSessionFromArray)(env, data, bytes.len(), options.as_ptr(), session)
        },
        // SAFETY: environment, options and path are alive.
        Source::File(path) => unsafe {
            (api.CreateSession)(
                runtime.env.as_ptr(),
                path.as_ptr(),
                options.as_ptr(),
                session,
            )
        },
    };
    // SAFETY: the function makes a session for its caller.
    let session = unsafe { create(api, Doing::Loading, api.ReleaseSession, create_session) };
    session.map_err(|error| with_hint(error, artifact))
}

/// Advice where the reason is a file beside the model.
fn with_hint(error: Error, artifact: &Artifact) -> Error {
    if !error.message().contains(OTHER_FILE) {
        return error;
    }
    error.with_hint(match artifact.source() {
        Source::Memory(_) => {
            "the model keeps weights in other files: publish them in the same folder, and name a private copy"
        }
        Source::File(_) => "publish all files that the model names, in the same folder and unchanged",
    })
}
