//! Threads for batches that are too long for an event loop.
//!
//! What hands over is one message per batch. Each servable has one queue behind a lock; a token in the channel means "a thread
//! should look at this servable". While all its threads are busy, entries gather, and the next look merges them.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, unbounded};
use turnout_core::Error;
use turnout_core::scheduler::{Batch, Entry, Scheduler};

use crate::execute::{self, Pending};
use crate::servable::{ExecutorQueue, Servable};
use crate::threads::{self, Niceness};

enum Token {
    Work(Arc<Servable>),
    Stop,
}

/// The way to the executor threads.
pub(crate) struct Executor {
    // At most `per_servable` tokens of each servable are under way, so the channel needs no bound of its own.
    tokens: Sender<Token>,
    per_servable: usize,
    threads: usize,
}

impl Executor {
    /// Starts `2 × cores` threads, of which one servable gets at most `cores`: a heavy model never holds all of them.
    pub(crate) fn start(cores: usize, shard: usize) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let per_servable = cores.max(1);
        let threads = per_servable * 2;
        let (tokens, receiver) = unbounded();
        let start_one = |index| {
            let (receiver, tokens) = (receiver.clone(), tokens.clone());
            threads::spawn(format!("executor-{index}"), Niceness::Work, move || {
                work(&receiver, &tokens, shard);
            })
        };
        let handles = (0..threads)
            .map(start_one)
            .collect::<io::Result<Vec<_>>>()?;
        Ok((
            Self {
                tokens,
                per_servable,
                threads,
            },
            handles,
        ))
    }

    /// Enqueues a batch; entries that do not fit in the servable's queue are answered with `queue_full`.
    pub(crate) fn submit(&self, servable: &Arc<Servable>, batch: Batch<Pending>, now: Instant) {
        let (mut refused, mut swept) = (Vec::new(), Vec::new());
        let mut queue = lock(servable);
        for entry in batch.entries {
            entry.work.waker.wake_by_ref();
            let Err(entry) = queue.scheduler.offer(entry, now) else {
                continue;
            };
            swept.extend(queue.scheduler.sweep(now));
            refused.extend(queue.scheduler.offer(entry, now).err());
        }
        let wants_thread = queue.threads < self.per_servable && !queue.scheduler.is_empty();
        queue.threads += usize::from(wants_thread);
        drop(queue);
        if wants_thread {
            let _ = self.tokens.send(Token::Work(Arc::clone(servable)));
        }
        for (entry, why) in swept {
            execute::answer_dropped(entry, why);
        }
        for entry in refused {
            refuse(entry, servable.settings.max_queue);
        }
    }

    /// Ends the threads, each after the batch that it is running. What still waits is dropped, which its door sees.
    pub(crate) fn stop(&self) {
        for _ in 0..self.threads {
            let _ = self.tokens.send(Token::Stop);
        }
    }
}

fn work(receiver: &Receiver<Token>, tokens: &Sender<Token>, shard: usize) {
    while let Ok(Token::Work(servable)) = receiver.recv() {
        serve(&servable, receiver, tokens, shard);
    }
}

/// Runs batches of one servable until its queue is empty, or until another servable waits for a thread.
fn serve(
    servable: &Arc<Servable>,
    receiver: &Receiver<Token>,
    tokens: &Sender<Token>,
    shard: usize,
) {
    loop {
        let mut queue = lock(servable);
        let next = queue.scheduler.next_batch(Instant::now(), usize::MAX);
        if next.batch.is_none() {
            queue.threads -= 1;
        }
        drop(queue);
        next.dropped
            .into_iter()
            .for_each(|(entry, why)| execute::answer_dropped(entry, why));
        let Some(batch) = next.batch else { return };
        execute::run(servable, batch, shard);
        if !receiver.is_empty() {
            let _ = tokens.send(Token::Work(Arc::clone(servable)));
            return;
        }
    }
}

fn refuse(entry: Entry<Pending>, max_queue: usize) {
    let servable = &entry.work.servable;
    let message = format!(
        "the queue of model `{}` version {} is full (`max_queue`): {max_queue} requests wait",
        servable.model, servable.version
    );
    let _ = entry.work.reply.send(Err(Error::queue_full(message)));
}

fn lock(servable: &Servable) -> MutexGuard<'_, ExecutorQueue> {
    // Nothing panics while it holds this lock; were it so, the queue itself is still whole.
    servable
        .queue
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}
