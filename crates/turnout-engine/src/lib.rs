//! Engines: what executes a model. Synchronous and small; threads, queues and time belong to the caller.

pub mod artifact;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod handle;
mod log;
pub mod memory;
pub mod onnx;
pub mod priority;
pub mod profile;
mod raw;
pub mod savedmodel;
pub mod tflite;
pub mod warmup;

use std::path::Path;
use std::sync::Arc;

use turnout_core::event::LogLevel;
use turnout_core::snapshot::{EngineSpec, SavedModelSettings};
use turnout_core::{Error, Result, Signature, Tensor};

pub use artifact::Artifact;
pub use profile::Profiler;

/// A runtime, opened once per process and library.
///
/// `Send + Sync`: loads may run on several threads at once.
pub trait Engine: Send + Sync {
    /// The runtime's own version, for `doctor`, status and manifests.
    fn version(&self) -> &str;

    /// Turns an artifact into a model. May take seconds; runs on a low-priority thread.
    ///
    /// # Errors
    /// `load_failed`, `artifact_invalid` or `unsupported`, with the runtime's own words as the evidence.
    fn load(&self, artifact: &Artifact, options: &LoadOptions) -> Result<Box<dyn Model>>;

    /// Loads a model to measure its operators. `folder` is an empty one for the runtime's own records.
    ///
    /// # Errors
    /// Those of `load`; `unsupported` for an engine whose runtime does not tell.
    fn profiler(
        &self,
        _artifact: &Artifact,
        _options: &LoadOptions,
        _folder: &Path,
    ) -> Result<Box<dyn Profiler>> {
        Err(Error::unsupported(
            "this engine cannot tell how long operators take",
        ))
    }

    /// Whether such a load makes threads that execute requests later. They inherit the priority of the caller of `load`.
    fn makes_threads(&self, threads: Threads) -> bool {
        matches!(threads, Threads::Own(_))
    }

    /// Whether [`Threads::SharedPool`] means more than the calling thread.
    fn has_shared_pool(&self) -> bool {
        true
    }
}

/// How a model is to be loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    pub threads: Threads,
    /// Signatures of the manifest; empty takes what the artifact says of itself.
    pub signatures: Vec<Signature>,
    pub savedmodel: SavedModelSettings,
    /// The most interpreters that a model may have whose runtime's serve one call each.
    pub interpreters: usize,
}

/// Where operators run that can use more than one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// In the calling thread alone: right for work far below a millisecond.
    Caller,
    /// In the process's one pool, shared by all models.
    SharedPool,
    /// In a pool of this model's own.
    Own(usize),
}

/// A loaded version. Dropping it unloads it and may take long: drop it on the reaper's thread.
///
/// `run` may be called from many threads at once and must not keep a lock while it computes.
pub trait Model: Send + Sync {
    /// The default signature first; never empty.
    fn signatures(&self) -> &[Signature];

    /// What the artifact says of its own signatures, those included that nobody can call: serialized `SignatureDef`s of
    /// TensorFlow by name. Empty where it has none.
    fn signature_defs(&self) -> &[(String, Vec<u8>)] {
        &[]
    }

    /// What in a signature may change the model's own state, so that one call shows in the answers of the next: such a
    /// signature is neither run before clients ask nor merged. None where nothing does.
    fn state_change(&self, _signature: usize) -> Option<&str> {
        None
    }

    /// What an input is where a request leaves it out, by its index in the signature. None where it has to be there.
    fn default_input(&self, _signature: usize, _input: usize) -> Option<&Tensor> {
        None
    }

    /// Whether the model is compiled anew for each shape of its inputs: then it is warmed up at one row alone, and never
    /// merged, which would make a shape of almost every batch.
    fn compiles_shapes(&self) -> bool {
        false
    }

    /// Whether graphs of this engine parse serialized Examples, so that they are handed over as they came.
    fn parses_examples(&self) -> bool {
        false
    }

    /// Executes one call.
    ///
    /// `inputs` are in the order of the signature's inputs and already fit its dtypes and, unless a spec takes any shape,
    /// its ranks and fixed dimensions ([`turnout_core::TensorSpec::fit`]). The outputs are in the order of the signature's outputs.
    ///
    /// # Errors
    /// `execution_failed` with the runtime's own words; the model stays usable.
    fn run(&self, signature: usize, inputs: Vec<Tensor>) -> Result<Vec<Tensor>>;

    /// Executes several signatures on the same inputs: all of them take the first one's, from the same tensors. An engine
    /// that can makes one call of it. The outputs of the first signature come first, then those of the second, and so on.
    ///
    /// # Errors
    /// As of [`Self::run`].
    fn run_together(&self, signatures: &[usize], inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let mut outputs = Vec::new();
        for signature in signatures {
            outputs.extend(self.run(*signature, inputs.clone())?);
        }
        Ok(outputs)
    }
}

/// Receives what a runtime logs: level and line. Process-wide, as runtimes are: every sink that is kept hears every line.
pub type LogSink = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;

/// Opens the runtime that `spec` names, or returns the one that is open.
///
/// `log` is held weakly: it hears the runtime as long as the caller keeps it.
///
/// # Errors
/// `runtime_missing` when the library cannot be opened, `unsupported` for an unknown kind.
pub fn open(spec: &EngineSpec, log: &LogSink) -> Result<Arc<dyn Engine>> {
    match spec.kind.as_str() {
        "onnx" => onnx::open(Path::new(&spec.library), log),
        "savedmodel" => savedmodel::open(Path::new(&spec.library), log),
        "tflite" => tflite::open(Path::new(&spec.library), log),
        other => Err(Error::unsupported(format!("unknown engine: `{other}`"))),
    }
}
