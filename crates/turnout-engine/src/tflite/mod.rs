//! TensorFlow Lite models, executed by LiteRT's C interface, which is opened at run time from the installed wheel.
//!
//! | file | holds |
//! |---|---|
//! | `api.rs` | the library, and the functions of it that are called |
//! | `status.rs` | LiteRT's failures as errors of the catalogue |
//! | `runtime.rs` | the opened library and its one environment |
//! | `flatbuffer.rs` | tables of a flatbuffer, read with every offset checked |
//! | `schema.rs` | what a file says of itself, with every index checked |
//! | `quantization.rs` | how a tensor's integers stand for real numbers, checked |
//! | `reshapes.rs` | reshapes to a size that the model computes, as reshapes to a known one |
//! | `signature.rs` | its signatures as ours |
//! | `sizes.rs` | which operators know the sizes of what they make before the model runs |
//! | `buffer.rs` | memory that LiteRT reads from and writes to |
//! | `options.rs` | how a model is to be compiled |
//! | `interpreter.rs` | a compiled model, for one call at a time |
//! | `pool.rs` | the interpreters of one model |
//! | `model.rs` | a loaded model |

mod api;
mod buffer;
mod flatbuffer;
mod interpreter;
mod model;
mod options;
mod pool;
mod quantization;
mod reshapes;
mod runtime;
mod schema;
mod signature;
mod sizes;
mod status;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use turnout_core::event::LogLevel;
use turnout_core::{Error, Result};

use crate::{Artifact, Engine, LoadOptions, LogSink, Model};

/// The library that this process has opened. It is never closed.
static OPENED: Mutex<Option<&'static Opened>> = Mutex::new(None);

#[derive(Debug)]
struct Opened {
    library: PathBuf,
    runtime: runtime::Runtime,
}

/// A [`LogSink`] that its owner may let go.
type WeakSink = Weak<dyn Fn(LogLevel, &str) + Send + Sync>;

struct TfliteEngine {
    runtime: &'static runtime::Runtime,
    log: WeakSink,
}

impl Engine for TfliteEngine {
    fn version(&self) -> &str {
        &self.runtime.version
    }

    fn load(&self, artifact: &Artifact, options: &LoadOptions) -> Result<Box<dyn Model>> {
        let warn = |line: &str| {
            if let Some(log) = self.log.upgrade() {
                log(LogLevel::Warning, line);
            }
        };
        let model = model::TfliteModel::load(self.runtime, artifact, options, &warn)?;
        Ok(Box::new(model))
    }

    fn has_shared_pool(&self) -> bool {
        false
    }
}

/// Opens the library at `library`, or returns the engine of the one that is open.
///
/// # Errors
/// `runtime_missing` when it cannot be opened or is of a release that cannot be called, `unsupported` when this process
/// has opened another one.
pub fn open(library: &Path, log: &LogSink) -> Result<Arc<dyn Engine>> {
    Ok(Arc::new(TfliteEngine {
        runtime: &opened(library)?.runtime,
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
    let runtime = runtime::Runtime::open(&library)?;
    let open: &'static Opened = Box::leak(Box::new(Opened { library, runtime }));
    *opened = Some(open);
    Ok(open)
}

fn second_library(asked: &Path, open: &Path) -> Error {
    Error::unsupported(format!(
        "one process opens one LiteRT: got `{}`, already open: `{}`",
        asked.display(),
        open.display()
    ))
    .with_hint("name one library for all models, or start another process")
}
