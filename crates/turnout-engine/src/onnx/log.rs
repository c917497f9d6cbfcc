//! ONNX Runtime's log, rate-limited, into the data plane's.

mod limit;

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ort_sys::OrtLoggingLevel;
use turnout_core::event::LogLevel;

use super::words::clean;
use crate::LogSink;
use limit::{RateLimit, Verdict};

/// Who hears the log, and how much of it. One per process, as the library is.
static RECEIVER: Mutex<Option<Receiver>> = Mutex::new(None);

struct Receiver {
    sink: LogSink,
    limit: RateLimit,
}

/// Sends what is logged from now on to `sink`: several data planes of one process share the library and its log.
pub(super) fn replace_sink(sink: &LogSink) {
    let mut receiver = RECEIVER.lock().unwrap_or_else(PoisonError::into_inner);
    *receiver = Some(Receiver {
        sink: sink.clone(),
        limit: RateLimit::default(),
    });
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
    if message.is_null() {
        return;
    }
    // SAFETY: ONNX Runtime passes a string that lives for this call.
    let message = unsafe { CStr::from_ptr(message) };
    // A panic in the sink ends here: unwinding through C++ frames is undefined.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        pass_on(level(severity), &message.to_string_lossy(), Instant::now());
    }));
}

fn pass_on(level: LogLevel, message: &str, now: Instant) {
    let (sink, verdict) = {
        let mut receiver = RECEIVER.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(receiver) = receiver.as_mut() else {
            return;
        };
        (receiver.sink.clone(), receiver.limit.judge(message, now))
    };
    // Called without the lock: a sink may be slow, and other threads are computing.
    match verdict {
        Verdict::Suppress => {}
        Verdict::Pass { suppressed: 0 } => sink(level, &clean(message)),
        Verdict::Pass { suppressed } => sink(
            level,
            &format!("{} ({suppressed} more like this before)", clean(message)),
        ),
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
