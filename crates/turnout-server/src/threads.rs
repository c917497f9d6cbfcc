//! Named threads, and the lower priority of everything that must not hold up an event loop.

use std::io;
use std::thread::JoinHandle;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use turnout_engine::priority;

/// How willingly a thread gives way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Niceness {
    /// Event loops.
    Normal,
    /// Executors and codecs: work that somebody waits for.
    Work,
    /// Loads, warm-ups, destruction.
    Background,
}

pub(crate) fn spawn(
    name: String,
    niceness: Niceness,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(move || {
        let nice = match niceness {
            Niceness::Normal => None,
            Niceness::Work => Some(5),
            Niceness::Background => Some(15),
        };
        if let Some(nice) = nice {
            // Where it is refused, the thread runs at normal priority.
            let _ = priority::give_way(nice);
        }
        body();
    })
}

/// Keeps the calling event loop, one of `loops`, on a core of its own, where this process may run on just as many.
///
/// The scheduler otherwise lets two loops share a core for tens of milliseconds while the other one is filled up with work
/// of low priority, which it does not take for an idle core.
pub(crate) fn pin(index: usize, loops: usize) {
    let Ok(allowed) = sched_getaffinity(None) else {
        return;
    };
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    if allowed.count() as usize != loops {
        return;
    }
    if let Some(core) = cores.nth(index) {
        let mut own = CpuSet::new();
        own.set(core);
        // Where it is refused, the loop runs on any core.
        let _ = sched_setaffinity(None, &own);
    }
}

/// Cores that this process may use: affinity and cgroup quota, as the standard library reads them.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_pinned_where_there_is_one_for_each_core() {
        let pinned = |index: usize, loops: usize| {
            let thread = std::thread::spawn(move || {
                let before = sched_getaffinity(None).expect("Linux tells");
                pin(index, loops);
                let after = sched_getaffinity(None).expect("Linux tells");
                (before, after)
            });
            thread.join().expect("does not panic")
        };
        let cores = sched_getaffinity(None).expect("Linux tells").count() as usize;
        let (before, after) = pinned(cores - 1, cores);
        let last = (0..CpuSet::MAX_CPU).rfind(|core| before.is_set(*core));
        assert_eq!(after.count(), 1);
        assert!(after.is_set(last.expect("there is a core")));
        for other in [cores + 1, cores + 7] {
            let (before, after) = pinned(0, other);
            assert_eq!(before, after);
        }
    }
}
