//! A loaded model.

use std::ffi::{CStr, CString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use smallvec::SmallVec;
use turnout_core::{Error, ErrorCode, Result, Signature, Tensor, TensorSpec};

use super::api::{self, Api, Buffer, Graph, Output, Session, SessionOptions, TfTensor, count};
use super::config::{has_xla, session_config};
use super::defaults::{self, Defaults};
use super::log;
use super::meta_graph::MetaGraph;
use super::signature;
use super::state::{Operators, find_change};
use super::status::Outcome;
use super::tags;
use super::values::{TfTensors, dtype_of_value, make_tensor, own, read_tensor};
use crate::artifact::{Held, Source};
use crate::handle::Owned;
use crate::memory::GiveBack;
use crate::{Artifact, LoadOptions, Model};

/// `RunOptions` with `trace_level: SOFTWARE_TRACE`.
const TRACED: [u8; 2] = [0x08, 0x01];

/// TensorFlow, opened. It lives as long as the process.
#[derive(Debug)]
pub(super) struct Runtime {
    api: &'static Api,
    operators: Operators,
    pub(super) version: String,
}

impl Runtime {
    /// # Errors
    /// `runtime_missing`, with the loader's own words.
    pub(super) fn open(library: &Path) -> Result<Self> {
        let api: &'static Api = Box::leak(Box::new(api::open(library)?));
        // SAFETY: the function has no requirements, and the listener is a static function.
        unsafe { (api.register_log_listener)(log::receive) };
        // SAFETY: the function takes nothing and returns a static string.
        let version = unsafe { CStr::from_ptr((api.version)()) };
        // SAFETY: the function makes a buffer for its caller.
        let operators = own_buffer(api, unsafe { (api.get_all_op_list)() });
        Ok(Self {
            api,
            operators: Operators::read(bytes_of(&operators))?,
            version: version.to_string_lossy().into_owned(),
        })
    }
}

pub(super) fn own_buffer(api: &'static Api, buffer: *mut Buffer) -> Owned<Buffer> {
    let buffer = NonNull::new(buffer).expect("bug: TensorFlow gave no buffer");
    // SAFETY: the buffer is the caller's, and this is the function that deletes it.
    unsafe { Owned::new(buffer, api.delete_buffer) }
}

pub(super) fn bytes_of(buffer: &Owned<Buffer>) -> &[u8] {
    // SAFETY: the buffer is alive and tells where its bytes are, and how many.
    unsafe {
        let buffer = &*buffer.as_ptr();
        crate::raw::slice(buffer.data.cast(), buffer.length)
    }
}

/// A session, its graph, and the signatures that it answers to.
#[derive(Debug)]
pub(super) struct SavedModel {
    session: OwnedSession,
    /// Behind the session, which uses it; keeps the operators alive that `calls` points to.
    _graph: Owned<Graph>,
    signatures: Vec<Signature>,
    signature_defs: Vec<(String, Vec<u8>)>,
    calls: Vec<Call>,
    has_xla: bool,
    /// Where the private copy is or was: not a client's business.
    folder: CString,
    /// For models with files of their own, which operators may open at any time.
    _files: Option<Held>,
    /// Behind the session, which it follows.
    _freed: GiveBack,
}

/// A signature as TensorFlow takes it.
#[derive(Debug)]
struct Call {
    feeds: Vec<Output>,
    fetches: Vec<Output>,
    defaults: Defaults,
    state_change: Option<String>,
}

// SAFETY: a session may be run from many threads at once, and neither graph nor calls are changed after construction.
unsafe impl Send for SavedModel {}
// SAFETY: as above.
unsafe impl Sync for SavedModel {}

impl SavedModel {
    /// # Errors
    /// `load_failed` with TensorFlow's words, `artifact_invalid` for what is not a SavedModel's folder.
    pub(super) fn load(
        runtime: &'static Runtime,
        artifact: &Artifact,
        options: &LoadOptions,
        warn: &dyn Fn(&str),
    ) -> Result<Self> {
        let api = runtime.api;
        let graph = new_graph(api);
        let folder = folder_of(artifact)?;
        let (session, description) = load_session(api, &folder, options, &graph)
            .map_err(|error| tags::explain(without_folder(&error, &folder), &folder))?;
        let meta = MetaGraph::read(bytes_of(&description))?;
        let signatures = match options.signatures.as_slice() {
            [] => signature::read(&meta, warn)?,
            given => given.iter().cloned().map(with_any_shape).collect(),
        };
        let calls = signatures
            .iter()
            .map(|signature| Call::find(runtime, &graph, &meta, signature))
            .collect::<Result<_>>()?;
        let described = meta.signatures.iter();
        Ok(Self {
            session,
            _graph: graph,
            signatures,
            signature_defs: described
                .map(|(name, message)| ((*name).to_owned(), message.to_vec()))
                .collect(),
            calls,
            has_xla: has_xla(&options.savedmodel.session_config)?,
            folder,
            _files: artifact.hold().filter(|_| meta.has_assets),
            _freed: GiveBack::after(artifact.size_bytes()),
        })
    }
}

/// A manifest does not say that shapes are the graph's business.
fn with_any_shape(mut signature: Signature) -> Signature {
    let specs = signature.inputs.iter_mut().chain(&mut signature.outputs);
    specs.for_each(|spec| spec.any_shape = true);
    signature
}

impl Model for SavedModel {
    fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    fn signature_defs(&self) -> &[(String, Vec<u8>)] {
        &self.signature_defs
    }

    fn state_change(&self, signature: usize) -> Option<&str> {
        self.calls.get(signature)?.state_change.as_deref()
    }

    fn default_input(&self, signature: usize, input: usize) -> Option<&Tensor> {
        self.calls.get(signature)?.defaults.get(input)?.as_ref()
    }

    fn compiles_shapes(&self) -> bool {
        self.has_xla
    }

    fn parses_examples(&self) -> bool {
        true
    }

    fn run(&self, signature: usize, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        self.run_with(signature, inputs, None)
    }

    /// What several signatures fetch is fetched once.
    fn run_together(&self, signatures: &[usize], inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let calls: Vec<&Call> = signatures
            .iter()
            .map(|signature| self.call(*signature))
            .collect::<Result<_>>()?;
        let first = calls
            .first()
            .ok_or_else(|| Error::internal("bug: no signature to run"))?;
        let mut fetches: Vec<Output> = Vec::new();
        let mut places = Vec::new();
        for fetch in calls.iter().flat_map(|call| &call.fetches) {
            let known = fetches.iter().position(|other| other == fetch);
            places.push(known.unwrap_or(fetches.len()));
            if known.is_none() {
                fetches.push(*fetch);
            }
        }
        let outputs = self.run_call(&first.feeds, &fetches, inputs, None)?;
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

impl SavedModel {
    /// Executes one call; with `trace` TensorFlow notes there what it did, as a `RunMetadata`.
    pub(super) fn run_with(
        &self,
        signature: usize,
        inputs: Vec<Tensor>,
        trace: Option<&Owned<Buffer>>,
    ) -> Result<Vec<Tensor>> {
        let call = self.call(signature)?;
        self.run_call(&call.feeds, &call.fetches, inputs, trace)
    }

    fn call(&self, signature: usize) -> Result<&Call> {
        let call = self.calls.get(signature);
        call.ok_or_else(|| Error::internal("bug: no such signature"))
    }

    fn run_call(
        &self,
        feeds: &[Output],
        fetches: &[Output],
        inputs: Vec<Tensor>,
        trace: Option<&Owned<Buffer>>,
    ) -> Result<Vec<Tensor>> {
        if inputs.len() != feeds.len() {
            return Err(Error::internal(
                "bug: another number of inputs than the signature's",
            ));
        }
        let api = self.session.api;
        let inputs = inputs
            .into_iter()
            .map(|input| make_tensor(api, input))
            .collect::<Result<TfTensors>>()?;
        let outputs = self.session.run(feeds, fetches, &inputs, trace);
        let outputs = outputs.map_err(|error| without_folder(&error, &self.folder))?;
        outputs
            .iter()
            .map(|output| read_tensor(api, output))
            .collect()
    }

    pub(super) fn api(&self) -> &'static Api {
        self.session.api
    }
}

impl Call {
    fn find(
        runtime: &Runtime,
        graph: &Owned<Graph>,
        meta: &MetaGraph<'_>,
        signature: &Signature,
    ) -> Result<Self> {
        Ok(Self {
            feeds: find_all(runtime.api, graph, &signature.inputs)?,
            fetches: find_all(runtime.api, graph, &signature.outputs)?,
            defaults: defaults::read(runtime.api, meta, signature)?,
            state_change: find_change(
                meta,
                &runtime.operators,
                &tensor_names(&signature.inputs),
                &tensor_names(&signature.outputs),
            ),
        })
    }
}

fn tensor_names(specs: &[TensorSpec]) -> Vec<&str> {
    specs.iter().map(|spec| spec.tensor.as_str()).collect()
}

fn find_all(api: &Api, graph: &Owned<Graph>, specs: &[TensorSpec]) -> Result<Vec<Output>> {
    specs
        .iter()
        .map(|spec| find_output(api, graph, spec))
        .collect()
}

/// The tensor `name:index` of the graph.
fn find_output(api: &Api, graph: &Owned<Graph>, spec: &TensorSpec) -> Result<Output> {
    let missing = || {
        Error::load_failed(format!(
            "the graph has no tensor for `{}` of the signature: `{}`",
            spec.name, spec.tensor
        ))
    };
    let (name, index) = spec.tensor.rsplit_once(':').unwrap_or((&spec.tensor, "0"));
    let index: c_int = index.parse().map_err(|_| missing())?;
    let name = CString::new(name).map_err(|_| missing())?;
    // SAFETY: graph and name are alive.
    let operation = unsafe { (api.graph_operation_by_name)(graph.as_ptr(), name.as_ptr()) };
    if operation.is_null() {
        return Err(missing());
    }
    // SAFETY: the operator is alive as long as its graph is.
    let outputs = unsafe { (api.operation_num_outputs)(operation) };
    if !(0..outputs).contains(&index) {
        return Err(missing());
    }
    let output = Output { operation, index };
    // SAFETY: the operator has an output of this index.
    let number = unsafe { (api.operation_output_type)(output) };
    let dtype = dtype_of_value(number);
    if dtype == Some(spec.dtype) {
        return Ok(output);
    }
    let got = dtype.map_or_else(|| number.to_string(), |dtype| dtype.to_string());
    Err(Error::load_failed(format!(
        "the graph's tensor for `{}` has another dtype than the signature: got {got}, expected {}",
        spec.name, spec.dtype
    )))
}

fn new_graph(api: &'static Api) -> Owned<Graph> {
    // SAFETY: the function has no requirements.
    let graph = NonNull::new(unsafe { (api.new_graph)() }).expect("bug: TensorFlow gave no graph");
    // SAFETY: the graph is ours, and this is the function that deletes it, once its session has gone.
    unsafe { Owned::new(graph, api.delete_graph) }
}

/// Reads variables into memory and runs what initialises tables; returns the serialized `MetaGraphDef`, too.
fn load_session(
    api: &'static Api,
    folder: &CStr,
    load: &LoadOptions,
    graph: &Owned<Graph>,
) -> Result<(OwnedSession, Owned<Buffer>)> {
    let options = session_options(api, &session_config(load.threads, &load.savedmodel))?;
    // SAFETY: the function has no requirements.
    let description = own_buffer(api, unsafe { (api.new_buffer)() });
    let outcome = Outcome::new(api);
    let tags = tags::to_c(&load.savedmodel.tags)?;
    let tag_pointers: Vec<*const c_char> = tags.iter().map(|tag| tag.as_ptr()).collect();
    // SAFETY: all arguments are alive, the graph is new, and the buffer empty.
    let session = unsafe {
        (api.load_session_from_saved_model)(
            options.as_ptr(),
            std::ptr::null(),
            folder.as_ptr(),
            tag_pointers.as_ptr(),
            count(tag_pointers.len()),
            graph.as_ptr(),
            description.as_ptr(),
            outcome.as_ptr(),
        )
    };
    outcome.check(ErrorCode::LoadFailed)?;
    let session =
        NonNull::new(session).ok_or_else(|| Error::internal("bug: no session and no reason"))?;
    Ok((OwnedSession { api, session }, description))
}

fn session_options(api: &'static Api, config: &[u8]) -> Result<Owned<SessionOptions>> {
    // SAFETY: the function has no requirements.
    let options = NonNull::new(unsafe { (api.new_session_options)() })
        .ok_or_else(|| Error::internal("bug: TensorFlow gave no session options"))?;
    // SAFETY: the options are ours, and this is the function that deletes them.
    let options = unsafe { Owned::new(options, api.delete_session_options) };
    let outcome = Outcome::new(api);
    // SAFETY: the options are alive, and the bytes are only read during the call.
    unsafe {
        let (bytes, length) = (config.as_ptr().cast(), config.len());
        (api.set_config)(options.as_ptr(), bytes, length, outcome.as_ptr());
    }
    outcome.check(ErrorCode::LoadFailed)?;
    Ok(options)
}

/// The folder that holds copies of all files of the SavedModel.
fn folder_of(artifact: &Artifact) -> Result<CString> {
    let Source::File(entry) = artifact.source() else {
        return Err(Error::artifact_invalid(
            "a SavedModel is a folder, which its engine opens by a private copy",
        ));
    };
    let entry = Path::new(std::ffi::OsStr::from_bytes(entry.to_bytes()));
    let folder = entry.parent().unwrap_or(Path::new("."));
    CString::new(folder.as_os_str().as_bytes())
        .map_err(|error| Error::artifact_invalid("the path has a zero byte").with_source(error))
}

/// Takes the private copy's path out of TensorFlow's words: clients and the status show them.
fn without_folder(error: &Error, folder: &CStr) -> Error {
    let folder = folder.to_string_lossy();
    let message = error
        .message()
        .replace(folder.as_ref(), "the version's folder");
    Error::new(error.code(), message)
}

/// A session, closed and deleted once.
#[derive(Debug)]
struct OwnedSession {
    api: &'static Api,
    session: NonNull<Session>,
}

impl OwnedSession {
    fn run(
        &self,
        feeds: &[Output],
        fetches: &[Output],
        inputs: &TfTensors,
        trace: Option<&Owned<Buffer>>,
    ) -> Result<TfTensors> {
        let api = self.api;
        let traced = Buffer::of(&TRACED);
        let run_options = trace.map_or(std::ptr::null(), |_| &raw const traced);
        let outcome = Outcome::new(api);
        let inputs: SmallVec<[*mut TfTensor; 4]> = inputs.iter().map(Owned::as_ptr).collect();
        let mut outputs: SmallVec<[*mut TfTensor; 4]> =
            SmallVec::from_elem(std::ptr::null_mut(), fetches.len());
        // SAFETY: session, tensors and operators are alive, and as many as is said. Outputs are made for us, all or none.
        unsafe {
            (api.session_run)(
                self.session.as_ptr(),
                run_options,
                feeds.as_ptr(),
                inputs.as_ptr(),
                count(inputs.len()),
                fetches.as_ptr(),
                outputs.as_mut_ptr(),
                count(outputs.len()),
                std::ptr::null(),
                0,
                trace.map_or(std::ptr::null_mut(), Owned::as_ptr),
                outcome.as_ptr(),
            );
        }
        outcome.check(ErrorCode::ExecutionFailed)?;
        outputs.into_iter().map(|output| own(api, output)).collect()
    }
}

impl Drop for OwnedSession {
    fn drop(&mut self) {
        // What fails here is not to be mended, and the session is freed all the same.
        let outcome = Outcome::new(self.api);
        // SAFETY: the session is alive, and nobody uses it after this.
        unsafe {
            (self.api.close_session)(self.session.as_ptr(), outcome.as_ptr());
            (self.api.delete_session)(self.session.as_ptr(), outcome.as_ptr());
        }
    }
}
