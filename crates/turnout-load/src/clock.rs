//! Time as nanoseconds of `CLOCK_MONOTONIC`, the clock of Python's `time.monotonic_ns`, so that both sides' records compare.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds now.
pub(crate) fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Processor time that this process has used so far, in seconds.
pub(crate) fn cpu_seconds() -> f64 {
    nanoseconds(clock_gettime(ClockId::ProcessCPUTime)) as f64 / 1e9
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).expect("bug: these clocks do not go below zero");
    let rest = u64::try_from(time.tv_nsec).expect("bug: a Timespec holds a positive fraction");
    seconds * 1_000_000_000 + rest
}

pub(crate) fn timespec(nanoseconds: u64) -> Timespec {
    let part = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: part(nanoseconds / 1_000_000_000),
        tv_nsec: part(nanoseconds % 1_000_000_000),
    }
}
