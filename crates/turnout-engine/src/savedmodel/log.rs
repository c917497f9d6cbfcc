//! What models print (`tf.print`) into the data plane's log. TensorFlow gives a listener nothing else: its own log goes to
//! standard error, and only its C++ interface, which changes with each release, could lead it elsewhere.

use std::ffi::{CStr, c_char};
use std::time::Instant;

use turnout_core::event::LogLevel;

use crate::LogSink;
use crate::log::Log;

/// The longest line that is passed on.
const MAX_CHARS: usize = 2_000;

static LOG: Log = Log::new();

/// Sends what is printed from now on to `sink` too, for as long as somebody else keeps it.
pub(super) fn add_sink(sink: &LogSink) {
    LOG.add_sink(sink);
}

/// The function that TensorFlow calls with each line, in the thread that executes the model.
pub(super) unsafe extern "system" fn receive(line: *const c_char) {
    if line.is_null() {
        return;
    }
    // SAFETY: TensorFlow passes a string that lives for this call.
    let line = unsafe { CStr::from_ptr(line) };
    let line = line.to_string_lossy();
    LOG.pass_on(LogLevel::Info, &line, words, Instant::now());
}

fn words(line: &str) -> String {
    let line: String = line.trim_end().chars().take(MAX_CHARS).collect();
    format!("a model printed: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_said_to_be_a_model_s() {
        assert_eq!(words("x: 1\n"), "a model printed: x: 1");
        assert_eq!(words(&"ü".repeat(3_000)).chars().count(), 17 + MAX_CHARS);
    }
}
