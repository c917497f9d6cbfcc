//! TensorFlow SavedModels, executed by TensorFlow's C interface, which is opened at run time from the installed wheel.
//!
//! | file | holds |
//! |---|---|
//! | `api.rs` | the libraries, and the functions of theirs that are called |
//! | `status.rs` | TensorFlow's failures as errors of the catalogue |
//! | `wire.rs` | fields of a protobuf message |
//! | `meta_graph.rs` | the parts of a `MetaGraphDef` that are of interest |
//! | `signature.rs` | its signatures as ours |
//! | `state.rs` | which signatures may change the model's own state |
//! | `config.rs` | how a session is to be made |
//! | `log.rs` | what models print, into our log |
//! | `tags.rs` | which of its graphs is meant |
//! | `session.rs` | a loaded model |
//! | `trace.rs` | how long each operator takes |
//! | `values.rs` | tensors to TensorFlow's and back |

mod api;
mod config;
mod defaults;
mod log;
mod meta_graph;
mod session;
mod signature;
mod state;
mod status;
mod tags;
mod trace;
mod values;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use turnout_core::event::LogLevel;
use turnout_core::{Error, Result};

use crate::{Artifact, Engine, LoadOptions, LogSink, Model, Profiler, Threads};

/// The library that this process has opened. It is never closed: its threads and its operators cannot be taken back.
static OPENED: Mutex<Option<&'static Opened>> = Mutex::new(None);

#[derive(Debug)]
struct Opened {
    library: PathBuf,
    runtime: session::Runtime,
}

/// A [`LogSink`] that its owner may let go.
type WeakSink = Weak<dyn Fn(LogLevel, &str) + Send + Sync>;

struct SavedModelEngine {
    runtime: &'static session::Runtime,
    log: WeakSink,
}

impl Engine for SavedModelEngine {
    fn version(&self) -> &str {
        &self.runtime.version
    }

    fn load(&self, artifact: &Artifact, options: &LoadOptions) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.load_model(artifact, options)?))
    }

    fn profiler(
        &self,
        artifact: &Artifact,
        options: &LoadOptions,
        _folder: &Path,
    ) -> Result<Box<dyn Profiler>> {
        let model = self.load_model(artifact, options)?;
        Ok(Box::new(trace::SavedModelProfiler::new(model)))
    }

    fn makes_threads(&self, _threads: Threads) -> bool {
        true
    }
}

impl SavedModelEngine {
    fn load_model(
        &self,
        artifact: &Artifact,
        options: &LoadOptions,
    ) -> Result<session::SavedModel> {
        let warn = |line: &str| {
            if let Some(log) = self.log.upgrade() {
                log(LogLevel::Warning, line);
            }
        };
        session::SavedModel::load(self.runtime, artifact, options, &warn)
    }
}

/// Opens the library at `library`, or returns the engine of the one that is open.
///
/// # Errors
/// `runtime_missing` when it cannot be opened or is too old, `unsupported` when this process has opened another one.
pub fn open(library: &Path, log: &LogSink) -> Result<Arc<dyn Engine>> {
    let opened = opened(library)?;
    log::add_sink(log);
    Ok(Arc::new(SavedModelEngine {
        runtime: &opened.runtime,
        log: Arc::downgrade(log),
    }))
}

fn opened(library: &Path) -> Result<&'static Opened> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let library = api::resolve(library)?;
    if let Some(open) = *opened {
        return if open.library == library {
            Ok(open)
        } else {
            Err(second_library(&library, &open.library))
        };
    }
    let runtime = session::Runtime::open(&library)?;
    let open: &'static Opened = Box::leak(Box::new(Opened { library, runtime }));
    *opened = Some(open);
    Ok(open)
}

fn second_library(asked: &Path, open: &Path) -> Error {
    Error::unsupported(format!(
        "one process opens one TensorFlow: got `{}`, already open: `{}`",
        asked.display(),
        open.display()
    ))
    .with_hint("name one library for all models, or start another process")
}
