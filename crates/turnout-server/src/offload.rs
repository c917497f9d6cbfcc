//! Threads for decoding, inflating and encoding large bodies, which would hold up an event loop.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};
use tokio::sync::oneshot;
use turnout_core::{Error, Result};

use crate::execute::panic_text;
use crate::threads::{self, Niceness};

enum Job {
    Run(Box<dyn FnOnce() + Send>),
    Stop,
}

/// Jobs that may wait; each holds a permit of the byte budget already, so this bound is rarely met first.
const MAX_WAITING_JOBS: usize = 4096;

/// The way to the codec threads.
pub(crate) struct Offload {
    sender: Sender<Job>,
    threads: usize,
}

impl Offload {
    pub(crate) fn start(threads: usize) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (sender, receiver) = bounded::<Job>(MAX_WAITING_JOBS);
        let start_one = |index| {
            let receiver = receiver.clone();
            threads::spawn(format!("codec-{index}"), Niceness::Work, move || {
                while let Ok(Job::Run(job)) = receiver.recv() {
                    job();
                }
            })
        };
        let threads = threads.max(1);
        let handles = (0..threads)
            .map(start_one)
            .collect::<io::Result<Vec<_>>>()?;
        Ok((Self { sender, threads }, handles))
    }

    /// Ends the threads behind the jobs that wait.
    pub(crate) fn stop(&self) {
        for _ in 0..self.threads {
            let _ = self.sender.send(Job::Stop);
        }
    }

    /// Runs `job` on a codec thread and waits for its result without holding up the loop.
    ///
    /// # Errors
    /// `overloaded` when too many jobs wait; `internal` when the job panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let boxed = Job::Run(Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(job)).map_err(|panic| {
                Error::internal("a codec failed unexpectedly").with_source(panic_text(&*panic))
            });
            let _ = reply.send(result);
        }));
        self.sender.try_send(boxed).map_err(|_| {
            Error::overloaded(format!(
                "too many large bodies wait to be decoded or encoded: limit {MAX_WAITING_JOBS}"
            ))
        })?;
        answer
            .await
            .unwrap_or_else(|_| Err(Error::unavailable("the server is closing")))
    }
}
