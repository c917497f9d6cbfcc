//! Threads for calls that may make threads of their own.
//!
//! A thread inherits the priority of the one that makes it. What a runtime makes while a model is loaded executes requests
//! later, so it must not inherit the low priority of a load.

use std::io;
use std::panic::resume_unwind;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Sender, bounded, unbounded};

use crate::threads::{self, Niceness};

type Start = Box<dyn FnOnce() + Send>;

/// The way to the thread whose priority is inherited. Its queue is bounded by the loads under way.
pub(crate) struct Nursery(Sender<Start>);

impl Nursery {
    /// Starts the thread. It ends when the nursery is dropped.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, receiver) = unbounded::<Start>();
        threads::spawn("nursery".into(), Niceness::Work, move || {
            receiver.into_iter().for_each(|start| start());
        })?;
        Ok(Self(sender))
    }

    /// Runs `body` on a new thread with the priority of work, and waits for it. Panics as `body` does.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (reply, answer) = bounded::<io::Result<JoinHandle<T>>>(1);
        let start = Box::new(move || {
            let thread = Builder::new().name("runtime".into()).spawn(body);
            let _ = reply.send(thread);
        });
        let ended = || io::Error::other("bug: the nursery has ended");
        self.0.send(start).map_err(|_| ended())?;
        let thread = answer.recv().map_err(|_| ended())??;
        thread.join().or_else(|panic| resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn what_a_low_thread_has_made_there_has_the_priority_of_work() {
        let nursery = Nursery::start().expect("starts");
        let (sender, made) = bounded(1);
        let low = threads::spawn("low".into(), Niceness::Background, move || {
            let grandchild = || std::thread::spawn(|| getpriority_process(None));
            let made = nursery.run(move || grandchild().join().expect("does not panic"));
            let here = getpriority_process(None);
            sender
                .send((made.expect("starts"), here))
                .expect("is awaited");
        });
        low.expect("starts").join().expect("does not panic");
        assert_eq!(made.recv().expect("came"), (Ok(5), Ok(15)));
    }

    #[test]
    #[should_panic(expected = "the runtime broke")]
    fn a_panic_reaches_the_caller() {
        let nursery = Nursery::start().expect("starts");
        let _ = nursery.run(|| panic!("the runtime broke"));
    }
}
