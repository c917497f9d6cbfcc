//! ONNX Runtime's log into the data plane's.

use std::ffi::{CStr, c_char, c_void};
use std::time::Instant;

use ort_sys::OrtLoggingLevel;
use turnout_core::event::LogLevel;

use super::words::clean;
use crate::LogSink;
use crate::log::Log;

static LOG: Log = Log::new();

/// Sends what is logged from now on to `sink` too, for as long as somebody else keeps it.
pub(super) fn add_sink(sink: &LogSink) {
    LOG.add_sink(sink);
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
    let message = message.to_string_lossy();
    LOG.pass_on(level(severity), &message, clean, Instant::now());
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn lines_are_heard_without_where_they_come_from() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&lines);
        let sink: LogSink = Arc::new(move |_, line: &str| {
            heard.lock().expect("not poisoned").push(line.to_owned());
        });
        add_sink(&sink);
        for message in [c"a.cc:7 Run too hot", c"too cold"] {
            let (warning, none) = (OrtLoggingLevel::ORT_LOGGING_LEVEL_WARNING, std::ptr::null());
            // SAFETY: the message is a string, and the rest is not looked at.
            unsafe {
                receive(
                    std::ptr::null_mut(),
                    warning,
                    none,
                    none,
                    none,
                    message.as_ptr(),
                );
            };
        }
        assert_eq!(
            *lines.lock().expect("not poisoned"),
            ["too hot", "too cold"]
        );
    }
}
