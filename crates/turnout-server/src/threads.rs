//! Named threads, and the lower priority of everything that must not hold up an event loop.

use std::io;
use std::thread::JoinHandle;

use rustix::process::setpriority_process;

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
            // On Linux this is the calling thread's alone. Where it is refused, the thread runs at normal priority.
            let _ = setpriority_process(None, nice);
        }
        body();
    })
}

/// Cores that this process may use: affinity and cgroup quota, as the standard library reads them.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
