//! The facts that the data plane reports. See `docs/concepts/seam.md`.

use serde::Serialize;

use crate::Signature;

/// One fact, serialized with its kind under `event`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Loaded(Loaded),
    LoadFailed {
        servable: u64,
        code: &'static str,
        message: String,
        hint: Option<String>,
    },
    Unloaded {
        servable: u64,
        drain_ms: u64,
    },
    Log(LogRecord),
    Command(Command),
}

/// Something that a client asks of the control plane, which answers it by its `id` within the time.
#[derive(Clone, Debug, Serialize)]
pub struct Command {
    pub id: u64,
    pub kind: &'static str,
    pub timeout_ms: u64,
    /// The message's bytes in hexadecimal.
    pub message: String,
}

/// A servable is warm and may be routed to.
#[derive(Clone, Debug, Serialize)]
pub struct Loaded {
    pub servable: u64,
    pub signatures: Vec<Signature>,
    pub load_ms: u64,
    pub warmup_ms: u64,
    pub mergeable: bool,
    pub merge_reason: String,
    pub intra_op_threads: usize,
    /// Measured microseconds of one row, or null when the warm-up could not run the model.
    pub row_us: Option<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

/// A line for Python's logging.
#[derive(Clone, Debug, Serialize)]
pub struct LogRecord {
    pub level: LogLevel,
    pub target: &'static str,
    pub message: String,
    pub fields: serde_json::Map<String, serde_json::Value>,
}
