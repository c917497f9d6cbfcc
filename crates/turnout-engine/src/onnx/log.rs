//! ONNX Runtime's log, rate-limited, into the data plane's.

mod limit;

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use ort_sys::OrtLoggingLevel;
use turnout_core::event::LogLevel;

use super::words::clean;
use crate::LogSink;
use limit::{RateLimit, Verdict};

/// Who hears the log, and how much of it. One per process, as the library is.
static LOG: Mutex<Log> = Mutex::new(Log {
    sinks: Vec::new(),
    limit: RateLimit::new(),
});

type WeakSink = Weak<dyn Fn(LogLevel, &str) + Send + Sync>;

struct Log {
    /// Of the data planes that live, each once.
    sinks: Vec<WeakSink>,
    limit: RateLimit,
}

impl Log {
    fn add(&mut self, sink: &LogSink) {
        let sink = Arc::downgrade(sink);
        self.sinks
            .retain(|known| known.strong_count() > 0 && !known.ptr_eq(&sink));
        self.sinks.push(sink);
    }
}

/// Sends what is logged from now on to `sink` too, for as long as somebody else keeps it.
pub(super) fn add_sink(sink: &LogSink) {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).add(sink);
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
    // Nothing here panics but a sink, which is caught there; this is for what nobody thought of.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        pass_on(level(severity), &message.to_string_lossy(), Instant::now());
    }));
}

fn pass_on(level: LogLevel, message: &str, now: Instant) {
    let (sinks, verdict) = {
        let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        let sinks: Vec<LogSink> = log.sinks.iter().filter_map(Weak::upgrade).collect();
        (sinks, log.limit.judge(message, now))
    };
    let Verdict::Pass { suppressed } = verdict else {
        return;
    };
    let mut line = clean(message);
    if suppressed > 0 {
        line = format!("{line} ({suppressed} more like this before)");
    }
    // Called without the lock: a sink may be slow, and other threads are computing.
    for sink in sinks {
        // One that panics silences no other, and never unwinds through C++ frames, which is undefined.
        let _ = catch_unwind(AssertUnwindSafe(|| sink(level, &line)));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sink() -> LogSink {
        Arc::new(|_, _: &str| {})
    }

    #[test]
    fn a_sink_is_kept_once_and_as_long_as_its_owner() {
        let mut log = Log {
            sinks: Vec::new(),
            limit: RateLimit::new(),
        };
        let (first, second) = (sink(), sink());
        for sink in [&first, &second, &first] {
            log.add(sink);
        }
        assert_eq!(log.sinks.len(), 2);
        drop(first);
        log.add(&second);
        assert_eq!(log.sinks.len(), 1);
    }

    #[test]
    fn a_sink_that_panics_harms_no_other() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&lines);
        let broken: LogSink = Arc::new(|_, _: &str| panic!("on purpose"));
        let whole: LogSink = Arc::new(move |_, line: &str| {
            heard.lock().expect("not poisoned").push(line.to_owned());
        });
        add_sink(&broken);
        add_sink(&whole);
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
