//! What runtimes log, rate-limited, into the logs of the data planes.

mod limit;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Instant;

use turnout_core::event::LogLevel;

use crate::LogSink;
use limit::{RateLimit, Verdict};

/// A [`LogSink`] that its owner may let go.
type WeakSink = Weak<dyn Fn(LogLevel, &str) + Send + Sync>;

/// Who hears a runtime, and how much of it. One per runtime and process.
pub(crate) struct Log(Mutex<Inner>);

struct Inner {
    /// Of the data planes that live, each once.
    sinks: Vec<WeakSink>,
    limit: RateLimit,
}

impl Log {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Inner {
            sinks: Vec::new(),
            limit: RateLimit::new(),
        }))
    }

    /// Sends what is logged from now on to `sink` too, for as long as somebody else keeps it.
    pub(crate) fn add_sink(&self, sink: &LogSink) {
        let sink = std::sync::Arc::downgrade(sink);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .sinks
            .retain(|known| known.strong_count() > 0 && !known.ptr_eq(&sink));
        inner.sinks.push(sink);
    }

    /// Passes a line on as `words` has it, unless there were too many of its kind. For a runtime's threads: never panics.
    pub(crate) fn pass_on(
        &self,
        level: LogLevel,
        line: &str,
        words: fn(&str) -> String,
        now: Instant,
    ) {
        // Nothing here panics but a sink, which is caught below; this is for what nobody thought of.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let (sinks, verdict) = {
                let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let sinks: Vec<LogSink> = inner.sinks.iter().filter_map(Weak::upgrade).collect();
                (sinks, inner.limit.judge(line, now))
            };
            let Verdict::Pass { suppressed } = verdict else {
                return;
            };
            let mut line = words(line);
            if suppressed > 0 {
                line = format!("{line} ({suppressed} more like this before)");
            }
            // Called without the lock: a sink may be slow, and other threads are computing.
            for sink in sinks {
                // One that panics silences no other, and never unwinds through C++ frames, which is undefined.
                let _ = catch_unwind(AssertUnwindSafe(|| sink(level, &line)));
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sink() -> LogSink {
        Arc::new(|_, _: &str| {})
    }

    #[test]
    fn a_sink_is_kept_once_and_as_long_as_its_owner() {
        let log = Log::new();
        let count = || log.0.lock().expect("not poisoned").sinks.len();
        let (first, second) = (sink(), sink());
        for sink in [&first, &second, &first] {
            log.add_sink(sink);
        }
        assert_eq!(count(), 2);
        drop(first);
        log.add_sink(&second);
        assert_eq!(count(), 1);
    }

    #[test]
    fn a_sink_that_panics_harms_no_other() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&lines);
        let broken: LogSink = Arc::new(|_, _: &str| panic!("on purpose"));
        let whole: LogSink = Arc::new(move |_, line: &str| {
            heard.lock().expect("not poisoned").push(line.to_owned());
        });
        let log = Log::new();
        log.add_sink(&broken);
        log.add_sink(&whole);
        for line in ["too hot", "too cold"] {
            log.pass_on(LogLevel::Warning, line, str::to_uppercase, Instant::now());
        }
        assert_eq!(
            *lines.lock().expect("not poisoned"),
            ["TOO HOT", "TOO COLD"]
        );
    }
}
