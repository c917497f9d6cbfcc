//! ONNX Runtime, opened at run time from the installed wheel and called through its C interface.
//!
//! | file | holds |
//! |---|---|
//! | `api.rs` | the library, its function table and its one environment |
//! | `status.rs` | its failures in words fit for a client |
//! | `log.rs` | its log, rate-limited, into ours |
//! | `signature.rs` | inputs and outputs of a graph as a signature |
//! | `options.rs` | how a session is to be made |
//! | `session.rs` | a loaded model |
//! | `record.rs` | how long each operator takes |
//! | `values.rs` | tensors to its values and back |
//! | `words.rs` | its sentences without its developers' parts |

mod api;
mod log;
mod options;
mod record;
mod session;
mod signature;
mod status;
mod values;
mod words;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use turnout_core::{Error, Result};

use crate::{Artifact, Engine, LoadOptions, LogSink, Model, Profiler};

/// The runtime that this process has opened. It is never closed: sessions of every data plane share it.
static OPENED: Mutex<Option<Arc<OnnxEngine>>> = Mutex::new(None);

#[derive(Debug)]
struct OnnxEngine {
    library: PathBuf,
    runtime: &'static api::Runtime,
}

impl Engine for OnnxEngine {
    fn version(&self) -> &str {
        &self.runtime.version
    }

    fn load(&self, artifact: &Artifact, options: &LoadOptions) -> Result<Box<dyn Model>> {
        Ok(Box::new(session::OnnxModel::load(
            self.runtime,
            artifact,
            options,
            None,
        )?))
    }

    fn profiler(
        &self,
        artifact: &Artifact,
        options: &LoadOptions,
        folder: &Path,
    ) -> Result<Box<dyn Profiler>> {
        let profiler = record::OnnxProfiler::new(self.runtime, artifact, options, folder)?;
        Ok(Box::new(profiler))
    }
}

/// Opens the library at `library`, or returns the engine when that one is open. `log` hears the runtime as long as
/// the caller keeps it, beside those of other data planes.
///
/// # Errors
/// `runtime_missing` when it cannot be opened or is too old, `unsupported` when this process has opened another one.
pub fn open(library: &Path, log: &LogSink) -> Result<Arc<dyn Engine>> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let path = api::resolve(library)?;
    if let Some(engine) = opened.as_ref() {
        if engine.library != path {
            return Err(second_library(&path, &engine.library));
        }
        log::add_sink(log);
        return Ok(engine.clone());
    }
    log::add_sink(log);
    let runtime = Box::leak(Box::new(api::Runtime::open(&path)?));
    let engine = Arc::new(OnnxEngine {
        library: path,
        runtime,
    });
    *opened = Some(engine.clone());
    Ok(engine)
}

fn second_library(asked: &Path, open: &Path) -> Error {
    Error::unsupported(format!(
        "one process opens one ONNX Runtime: got `{}`, already open: `{}`",
        asked.display(),
        open.display()
    ))
    .with_hint("name one library for all models, or start another process")
}
