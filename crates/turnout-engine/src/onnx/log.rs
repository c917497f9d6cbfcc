//! ONNX Runtime's log, rate-limited, into the data plane's.

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use ort_sys::OrtLoggingLevel;
use turnout_core::event::LogLevel;

use crate::LogSink;

static SINK: RwLock<Option<LogSink>> = RwLock::new(None);

/// Sends what is logged from now on to `sink`: the library is one per process, and so is its log.
pub(super) fn replace_sink(sink: &LogSink) {
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = Some(sink.clone());
}

/// The function that ONNX Runtime calls for each line, from any of its threads.
pub(super) unsafe extern "system" fn receive(
    _parameter: *mut c_void,
    severity: OrtLoggingLevel,
    _category: *const c_char,
    _log_id: *const c_char,
    _code_location: *const c_char,
    message: *const c_char,
) {
    // SAFETY: ONNX Runtime passes a string that lives for this call.
    let message = unsafe { CStr::from_ptr(message) };
    // A panic in the receiver ends here: unwinding through C++ frames is undefined.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        pass_on(severity, &message.to_string_lossy())
    }));
}

fn pass_on(severity: OrtLoggingLevel, message: &str) {
    let sink = SINK.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(sink) = sink {
        sink(level(severity), message);
    }
}

fn level(severity: OrtLoggingLevel) -> LogLevel {
    match severity {
        OrtLoggingLevel::ORT_LOGGING_LEVEL_VERBOSE => LogLevel::Debug,
        OrtLoggingLevel::ORT_LOGGING_LEVEL_INFO => LogLevel::Info,
        OrtLoggingLevel::ORT_LOGGING_LEVEL_WARNING => LogLevel::Warning,
        OrtLoggingLevel::ORT_LOGGING_LEVEL_ERROR | OrtLoggingLevel::ORT_LOGGING_LEVEL_FATAL => {
            LogLevel::Error
        }
    }
}
