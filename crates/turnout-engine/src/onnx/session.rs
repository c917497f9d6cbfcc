//! A loaded model.

use std::ffi::{CString, c_char};
use std::ptr::NonNull;

use ort_sys::{OrtSession, OrtSessionOptions, OrtValue};
use smallvec::SmallVec;
use turnout_core::{Error, Result, Shape, Signature, Tensor, TensorSpec, Values};

use super::api::Runtime;
use super::handle::Owned;
use super::signature::Graph;
use super::status::{Doing, check, create};
use super::values::{Input, read_tensor};
use crate::artifact::Source;
use crate::{Artifact, LoadOptions, Model, Threads};

/// Inputs or outputs of most models; more go to the heap.
const FEW: usize = 4;

/// A session and the signatures that it answers to.
#[derive(Debug)]
pub(super) struct OnnxModel {
    runtime: &'static Runtime,
    session: Owned<OrtSession>,
    signatures: Vec<Signature>,
    names: Vec<Names>,
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
    pub(super) fn load(
        runtime: &'static Runtime,
        artifact: &Artifact,
        options: &LoadOptions,
    ) -> Result<Self> {
        let session = create_session(runtime, artifact, options.threads)?;
        let graph = Graph::read(runtime, &session)?;
        let signatures = if options.signatures.is_empty() {
            vec![graph.signature()?]
        } else {
            options.signatures.clone()
        };
        let names = signatures.iter().map(Names::new).collect::<Result<_>>()?;
        Ok(Self {
            runtime,
            session,
            signatures,
            names,
        })
    }
}

impl Model for OnnxModel {
    fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    fn run(&self, signature: usize, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let names = self
            .names
            .get(signature)
            .ok_or_else(|| Error::internal("bug: no such signature"))?;
        if inputs.len() != names.inputs.pointers.len() {
            return Err(Error::internal(
                "bug: another number of inputs than the signature's",
            ));
        }
        // Declared before the values that borrow it, so dropped after them.
        let mut parts: SmallVec<[(Shape, Values); FEW]> =
            inputs.into_iter().map(Tensor::into_parts).collect();
        let values = parts
            .iter_mut()
            .map(|(shape, values)| Input::new(self.runtime, shape, values));
        let values: SmallVec<[Input<'_>; FEW]> = values.collect::<Result<_>>()?;
        let outputs = self.call(names, &values)?;
        outputs
            .iter()
            .map(|output| read_tensor(self.runtime.api, output))
            .collect()
    }
}

impl OnnxModel {
    fn call(
        &self,
        names: &Names,
        inputs: &[Input<'_>],
    ) -> Result<SmallVec<[Owned<OrtValue>; FEW]>> {
        let api = self.runtime.api;
        let inputs: SmallVec<[*const OrtValue; FEW]> = inputs
            .iter()
            .map(|input| input.value.as_ptr().cast_const())
            .collect();
        let mut outputs: SmallVec<[*mut OrtValue; FEW]> =
            SmallVec::from_elem(std::ptr::null_mut(), names.outputs.pointers.len());
        // SAFETY: names and values are alive and as many as is said; null outputs are allocated by ONNX Runtime.
        let status = unsafe {
            (api.Run)(
                self.session.as_ptr(),
                std::ptr::null(),
                names.inputs.pointers.as_ptr(),
                inputs.as_ptr(),
                inputs.len(),
                names.outputs.pointers.as_ptr(),
                outputs.len(),
                outputs.as_mut_ptr(),
            )
        };
        // Taken over before the status is looked at: a failed call may have made some of them.
        let outputs: SmallVec<[Option<Owned<OrtValue>>; FEW]> = outputs
            .into_iter()
            // SAFETY: a value that is not null was made for the caller.
            .map(|output| {
                NonNull::new(output).map(|output| unsafe { Owned::new(output, api.ReleaseValue) })
            })
            .collect();
        check(api, status, Doing::Running)?;
        let missing = || Error::execution_failed("the model gave no value for an output");
        outputs
            .into_iter()
            .map(|output| output.ok_or_else(missing))
            .collect()
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
) -> Result<Owned<OrtSession>> {
    let api = runtime.api;
    let options = session_options(runtime, threads)?;
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
    unsafe { create(api, Doing::Loading, api.ReleaseSession, create_session) }
}

fn session_options(runtime: &Runtime, threads: Threads) -> Result<Owned<OrtSessionOptions>> {
    let api = runtime.api;
    // SAFETY: the function makes an object for its caller.
    let options = unsafe {
        create(api, Doing::Loading, api.ReleaseSessionOptions, |options| {
            (api.CreateSessionOptions)(options)
        })?
    };
    // SAFETY: the options are alive, here and below.
    let status = unsafe {
        match threads {
            Threads::Caller => (api.SetIntraOpNumThreads)(options.as_ptr(), 1),
            Threads::SharedPool => (api.DisablePerSessionThreads)(options.as_ptr()),
            Threads::Own(count) => (api.SetIntraOpNumThreads)(
                options.as_ptr(),
                i32::try_from(count).unwrap_or(i32::MAX),
            ),
        }
    };
    check(api, status, Doing::Loading)?;
    // SAFETY: the options are alive and the strings static. Threads that spin would take from the event loops.
    let status = unsafe {
        let (key, off) = (c"session.intra_op.allow_spinning", c"0");
        (api.AddSessionConfigEntry)(options.as_ptr(), key.as_ptr(), off.as_ptr())
    };
    check(api, status, Doing::Loading)?;
    Ok(options)
}
