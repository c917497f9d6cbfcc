//! What runs together and when: the seam of every batching policy.
//!
//! A scheduler is pure. Drivers own it: one on each event loop for what was parsed in a turn, one behind a lock for the
//! executor threads. Both offer entries, ask for the next batch, run it, and answer what was dropped.

mod batching;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Cancellation;

pub use batching::{Batching, BatchingOptions, Cut};

/// Requests of one bucket may be executed together: same signature, same shapes behind dimension 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    pub signature: usize,
    /// A hash of the trailing dimensions of all inputs.
    pub shapes: u64,
    /// Whether the inputs have shapes that may be merged: those for which it was shown, or that an operator vouches for.
    pub as_shown: bool,
}

/// One request as a scheduler sees it.
#[derive(Debug)]
pub struct Entry<T> {
    pub rows: usize,
    /// What it counts for in time: its rows, or more where they are larger than those that a warm-up makes up.
    pub weight: usize,
    pub bucket: Bucket,
    pub deadline: Instant,
    pub cancellation: Cancellation,
    pub work: T,
}

/// Why an entry will not be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    DeadlinePassed,
    Cancelled,
}

/// Entries to execute as one call, in the order in which they were offered.
#[derive(Debug)]
pub struct Batch<T> {
    pub entries: Vec<Entry<T>>,
    pub rows: usize,
    pub weight: usize,
}

/// The answer to [`Scheduler::next_batch`].
#[derive(Debug)]
pub struct Next<T> {
    pub batch: Option<Batch<T>>,
    /// Entries that left the queue without being executed; the driver answers them.
    pub dropped: Vec<(Entry<T>, Dropped)>,
}

/// Why a queue has no place for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// So many requests wait already.
    Requests { most: usize },
    /// So many batches wait already.
    Batches { waiting: usize, most: usize },
    /// So many rows fit no more into the batches that may wait.
    Rows {
        got: usize,
        room: usize,
        batches: usize,
        most_batches: usize,
        /// Of the batch that is not full yet.
        open_rows: usize,
        batch_rows: usize,
    },
}

/// A batching policy. Every entry that `offer` accepts leaves exactly once, in a batch or among the dropped; where a policy
/// [cuts](Cut) one, each of its parts does.
pub trait Scheduler<T>: Send {
    /// Takes an entry, or gives it back when the queue is full.
    ///
    /// # Errors
    /// The entry itself; nothing was enqueued.
    fn offer(&mut self, entry: Entry<T>, now: Instant) -> Result<(), Entry<T>>;

    /// The entry that the next batch begins with, unless it is dropped first.
    fn front(&self) -> Option<&Entry<T>>;

    /// The next entries to run together, of at most the weight `room`; `None` when nothing should run now, or when the
    /// first entry alone weighs more.
    fn next_batch(&mut self, now: Instant, room: usize) -> Next<T>;

    /// How long until [`Self::next_batch`] has something, if nothing else comes: no time when it has something now, None
    /// when nothing waits.
    fn wait(&self, now: Instant) -> Option<Duration>;

    /// Why an entry was just given back.
    fn refusal(&self, entry: &Entry<T>) -> Refusal;

    /// Takes out what need not be executed any more. Drivers call it when the queue is full, before they refuse anybody.
    fn sweep(&mut self, now: Instant) -> Vec<(Entry<T>, Dropped)>;

    /// Takes everything out, when nothing is to be executed any more.
    fn clear(&mut self) -> Vec<Entry<T>>;

    /// Entries waiting.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bounds of [`NoWait`].
#[derive(Clone, Copy, Debug)]
pub struct NoWaitOptions {
    /// Most requests in the queue.
    pub max_queue: usize,
    /// Most rows of one merged batch; a single larger request still runs, alone.
    pub max_batch_rows: usize,
    /// Whether requests may be merged at all.
    pub mergeable: bool,
}

/// The first policy: never wait; what is there when a driver asks runs together.
#[derive(Debug)]
pub struct NoWait<T> {
    options: NoWaitOptions,
    queue: VecDeque<Entry<T>>,
}

impl<T> NoWait<T> {
    #[must_use]
    pub fn new(options: NoWaitOptions) -> Self {
        Self {
            options,
            queue: VecDeque::new(),
        }
    }

    fn pop_live(
        &mut self,
        now: Instant,
        room: usize,
        dropped: &mut Vec<(Entry<T>, Dropped)>,
    ) -> Option<Entry<T>> {
        while let Some(entry) = self.queue.pop_front() {
            match verdict(&entry, now) {
                Some(why) => dropped.push((entry, why)),
                None if entry.weight <= room => return Some(entry),
                None => {
                    self.queue.push_front(entry);
                    return None;
                }
            }
        }
        None
    }

    /// Moves what may join `batch` out of the queue; the others keep their order.
    fn join(
        &mut self,
        batch: &mut Batch<T>,
        now: Instant,
        room: usize,
        dropped: &mut Vec<(Entry<T>, Dropped)>,
    ) {
        let bucket = batch.entries[0].bucket;
        for _ in 0..self.queue.len() {
            let Some(entry) = self.queue.pop_front() else {
                return;
            };
            if let Some(why) = verdict(&entry, now) {
                dropped.push((entry, why));
            } else if entry.bucket == bucket
                && batch.rows + entry.rows <= self.options.max_batch_rows
                && batch.weight + entry.weight <= room
            {
                batch.rows += entry.rows;
                batch.weight += entry.weight;
                batch.entries.push(entry);
            } else {
                self.queue.push_back(entry);
            }
        }
    }
}

impl<T: Send> Scheduler<T> for NoWait<T> {
    fn offer(&mut self, entry: Entry<T>, _now: Instant) -> Result<(), Entry<T>> {
        if self.queue.len() >= self.options.max_queue {
            return Err(entry);
        }
        self.queue.push_back(entry);
        Ok(())
    }

    fn front(&self) -> Option<&Entry<T>> {
        self.queue.front()
    }

    fn next_batch(&mut self, now: Instant, room: usize) -> Next<T> {
        let mut dropped = Vec::new();
        let batch = self.pop_live(now, room, &mut dropped).map(|first| {
            let mut batch = Batch {
                rows: first.rows,
                weight: first.weight,
                entries: vec![first],
            };
            if self.options.mergeable && batch.entries[0].bucket.as_shown {
                self.join(&mut batch, now, room, &mut dropped);
            }
            batch
        });
        Next { batch, dropped }
    }

    fn sweep(&mut self, now: Instant) -> Vec<(Entry<T>, Dropped)> {
        let mut dropped = Vec::new();
        for _ in 0..self.queue.len() {
            let Some(entry) = self.queue.pop_front() else {
                break;
            };
            match verdict(&entry, now) {
                Some(why) => dropped.push((entry, why)),
                None => self.queue.push_back(entry),
            }
        }
        dropped
    }

    fn clear(&mut self) -> Vec<Entry<T>> {
        self.queue.drain(..).collect()
    }

    fn wait(&self, _now: Instant) -> Option<Duration> {
        (!self.queue.is_empty()).then_some(Duration::ZERO)
    }

    fn refusal(&self, _entry: &Entry<T>) -> Refusal {
        Refusal::Requests {
            most: self.options.max_queue,
        }
    }

    fn len(&self) -> usize {
        self.queue.len()
    }
}

fn verdict<T>(entry: &Entry<T>, now: Instant) -> Option<Dropped> {
    if entry.cancellation.is_cancelled() {
        Some(Dropped::Cancelled)
    } else if entry.deadline <= now {
        Some(Dropped::DeadlinePassed)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
