//! Batches as TensorFlow Serving forms them: by size or by age, of bounded number, and of one shape each.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::{Batch, Bucket, Dropped, Entry, Next, Refusal, Scheduler, verdict};

/// Work that can be done in parts.
pub trait Cut: Sized {
    /// Parts of so many rows each, which are all that there are, in order; together they answer the request.
    fn cut(self, rows: &[usize]) -> Vec<Self>;
}

/// Bounds of [`Batching`].
#[derive(Clone, Copy, Debug)]
pub struct BatchingOptions {
    /// Most requests that wait, of all signatures.
    pub max_queue: usize,
    /// Most rows of one batch; at least 1.
    pub max_execution_rows: usize,
    /// Most batches that wait, for each signature; at least 1.
    pub max_enqueued_batches: usize,
    /// How long a request waits for others at most.
    pub timeout: Duration,
    /// Whether a request may be cut, to fill one batch and begin the next.
    pub splits: bool,
}

/// Waits until a batch is full or old enough, and lets nothing else join it than what has its shape.
///
/// The queue of a signature is bounded by the rows that fill its batches. The oldest batch comes first, whatever its shape,
/// so that a busy shape holds up no other. No request waits for others longer than half the time that its deadline leaves
/// it, and one that may not be merged does not wait at all.
#[derive(Debug)]
pub struct Batching<T> {
    options: BatchingOptions,
    /// By number, as they were opened.
    queues: HashMap<u64, Queue<T>>,
    numbers: HashMap<Bucket, u64>,
    next_number: u64,
    /// Queues that fill a batch, by age.
    full: BTreeSet<(Instant, u64)>,
    /// All others, by the time at which they wait no more.
    open: BTreeSet<(Instant, u64)>,
    /// Places that are taken, by signature.
    places: HashMap<usize, usize>,
    len: usize,
    swept: Option<Instant>,
}

/// How long a look through the whole queue says enough of it.
const SWEEP_REST: Duration = Duration::from_millis(1);

/// What waits of one bucket; never empty.
#[derive(Debug)]
struct Queue<T> {
    bucket: Bucket,
    entries: VecDeque<Waiting<T>>,
    places: usize,
    /// The earliest of its entries'.
    due: Instant,
}

#[derive(Debug)]
struct Waiting<T> {
    entry: Entry<T>,
    due: Instant,
}

impl<T> Queue<T> {
    /// After entries have left it.
    fn renew_due(&mut self) {
        let due = self.entries.iter().map(|waiting| waiting.due).min();
        self.due = due.unwrap_or(self.due);
    }
}

impl BatchingOptions {
    /// Rows that an entry takes of those that may wait: a request without rows takes one too, and one that runs alone a batch.
    fn places<T>(&self, entry: &Entry<T>) -> usize {
        if entry.bucket.as_shown {
            entry.rows.max(1)
        } else {
            self.max_execution_rows
        }
    }

    fn all_places(&self) -> usize {
        self.max_execution_rows
            .saturating_mul(self.max_enqueued_batches)
    }
}

impl<T: Cut> Batching<T> {
    #[must_use]
    pub fn new(options: BatchingOptions) -> Self {
        Self {
            options,
            queues: HashMap::new(),
            numbers: HashMap::new(),
            next_number: 0,
            full: BTreeSet::new(),
            open: BTreeSet::new(),
            places: HashMap::new(),
            len: 0,
            swept: None,
        }
    }

    /// Places that are taken by requests for a signature.
    fn taken(&self, signature: usize) -> usize {
        self.places.get(&signature).copied().unwrap_or(0)
    }

    /// When an entry that comes now should wait no more.
    fn due(&self, entry: &Entry<T>, now: Instant) -> Instant {
        if !entry.bucket.as_shown {
            return now;
        }
        let patience = entry.deadline.saturating_duration_since(now) / 2;
        now + patience.min(self.options.timeout)
    }

    fn is_full(&self, queue: &Queue<T>) -> bool {
        !queue.bucket.as_shown || queue.places >= self.options.max_execution_rows
    }

    /// Takes a queue out of its order, to be changed and put back.
    fn detach(&mut self, number: u64) -> Option<Queue<T>> {
        let queue = self.queues.remove(&number)?;
        let key = (queue.due, number);
        if !self.full.remove(&key) {
            self.open.remove(&key);
        }
        Some(queue)
    }

    /// Puts a queue back where it belongs by now; an empty one is forgotten.
    fn attach(&mut self, number: u64, queue: Queue<T>) {
        if queue.entries.is_empty() {
            self.numbers.remove(&queue.bucket);
            return;
        }
        let order = if self.is_full(&queue) {
            &mut self.full
        } else {
            &mut self.open
        };
        order.insert((queue.due, number));
        self.queues.insert(number, queue);
    }

    /// The oldest queue that should run now.
    fn ready(&self, now: Instant) -> Option<u64> {
        let full = self.full.first();
        let open = self.open.first().filter(|(due, _)| *due <= now);
        full.into_iter()
            .chain(open)
            .min()
            .map(|(_, number)| *number)
    }

    /// Notes that an entry has left its queue.
    fn left(&mut self, queue: &mut Queue<T>, entry: &Entry<T>) {
        let places = self.options.places(entry);
        queue.places -= places;
        self.len -= 1;
        if let Some(taken) = self.places.get_mut(&queue.bucket.signature) {
            *taken -= places;
        }
    }

    /// The batch at the front of a queue; what is dropped on the way goes to `dropped`.
    fn form(
        &mut self,
        queue: &mut Queue<T>,
        now: Instant,
        room: usize,
        dropped: &mut Vec<(Entry<T>, Dropped)>,
    ) -> Option<Batch<T>> {
        let mut batch: Option<Batch<T>> = None;
        while let Some(waiting) = queue.entries.pop_front() {
            if let Some(why) = verdict(&waiting.entry, now) {
                self.left(queue, &waiting.entry);
                dropped.push((waiting.entry, why));
                continue;
            }
            let (taken_rows, taken_weight) = batch
                .as_ref()
                .map_or((0, 0), |batch| (batch.rows, batch.weight));
            let free_rows = self.options.max_execution_rows.saturating_sub(taken_rows);
            let joins = queue.bucket.as_shown;
            let fits = waiting.entry.rows <= free_rows || (batch.is_none() && !self.cuts(joins));
            if taken_weight.saturating_add(waiting.entry.weight) > room
                || (!fits && (free_rows == 0 || !self.cuts(joins)))
            {
                queue.entries.push_front(waiting);
                break;
            }
            let waiting = if fits {
                waiting
            } else {
                self.cut(queue, waiting, free_rows)
            };
            self.left(queue, &waiting.entry);
            let entry = waiting.entry;
            let batch = batch.get_or_insert_with(|| Batch {
                entries: Vec::new(),
                rows: 0,
                weight: 0,
            });
            batch.rows += entry.rows;
            batch.weight += entry.weight;
            batch.entries.push(entry);
            if !joins || batch.rows > self.options.max_execution_rows {
                break;
            }
        }
        queue.renew_due();
        batch
    }

    fn cuts(&self, joins: bool) -> bool {
        self.options.splits && joins
    }

    /// Cuts an entry once and for all: a part of `first` rows, which is returned, then whole batches and what is left.
    fn cut(&mut self, queue: &mut Queue<T>, waiting: Waiting<T>, first: usize) -> Waiting<T> {
        let Waiting { entry, due } = waiting;
        let (rows, weight) = (entry.rows, entry.weight);
        let mut sizes = vec![first];
        let mut rest = rows - first;
        while rest > 0 {
            sizes.push(rest.min(self.options.max_execution_rows));
            rest -= sizes[sizes.len() - 1];
        }
        let (bucket, deadline, cancellation) = (entry.bucket, entry.deadline, entry.cancellation);
        let works = entry.work.cut(&sizes);
        let parts = works.into_iter().zip(&sizes).map(|(work, size)| Waiting {
            entry: Entry {
                rows: *size,
                weight: (weight * size).div_ceil(rows),
                bucket,
                deadline,
                cancellation: cancellation.clone(),
                work,
            },
            due,
        });
        self.len += sizes.len() - 1;
        let mut parts: VecDeque<Waiting<T>> = parts.collect();
        let head = parts.pop_front().expect("bug: work cut into nothing");
        parts.append(&mut queue.entries);
        queue.entries = parts;
        head
    }
}

impl<T: Cut + Send> Scheduler<T> for Batching<T> {
    fn offer(&mut self, entry: Entry<T>, now: Instant) -> Result<(), Entry<T>> {
        let (signature, places) = (entry.bucket.signature, self.options.places(&entry));
        let taken = self.taken(signature);
        if self.len >= self.options.max_queue {
            return Err(entry);
        }
        // One that is larger than the whole queue still runs, where nothing else waits.
        if taken > 0 && taken.saturating_add(places) > self.options.all_places() {
            return Err(entry);
        }
        let number = *self.numbers.entry(entry.bucket).or_insert_with(|| {
            self.next_number += 1;
            self.next_number
        });
        let due = self.due(&entry, now);
        let mut queue = self.detach(number).unwrap_or_else(|| Queue {
            bucket: entry.bucket,
            entries: VecDeque::new(),
            places: 0,
            due,
        });
        queue.places += places;
        queue.due = queue.due.min(due);
        queue.entries.push_back(Waiting { entry, due });
        *self.places.entry(signature).or_default() += places;
        self.len += 1;
        self.attach(number, queue);
        Ok(())
    }

    fn front(&self) -> Option<&Entry<T>> {
        let first = self.full.first().into_iter().chain(self.open.first()).min();
        let queue = self.queues.get(&first?.1)?;
        queue.entries.front().map(|waiting| &waiting.entry)
    }

    fn next_batch(&mut self, now: Instant, room: usize) -> Next<T> {
        let mut dropped = Vec::new();
        while let Some(number) = self.ready(now) {
            let Some(mut queue) = self.detach(number) else {
                break;
            };
            let batch = self.form(&mut queue, now, room, &mut dropped);
            let no_room = batch.is_none() && !queue.entries.is_empty();
            self.attach(number, queue);
            if batch.is_some() || no_room {
                return Next { batch, dropped };
            }
        }
        Next {
            batch: None,
            dropped,
        }
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        if !self.full.is_empty() {
            return Some(Duration::ZERO);
        }
        let (due, _) = self.open.first()?;
        Some(due.saturating_duration_since(now))
    }

    fn sweep(&mut self, now: Instant) -> Vec<(Entry<T>, Dropped)> {
        let mut dropped = Vec::new();
        // Under overload every request that is refused would pay for a look at all that wait.
        if self.swept.is_some_and(|at| now < at + SWEEP_REST) {
            return dropped;
        }
        self.swept = Some(now);
        let numbers: Vec<u64> = self.queues.keys().copied().collect();
        for number in numbers {
            let Some(mut queue) = self.detach(number) else {
                continue;
            };
            for _ in 0..queue.entries.len() {
                let Some(waiting) = queue.entries.pop_front() else {
                    break;
                };
                match verdict(&waiting.entry, now) {
                    Some(why) => {
                        self.left(&mut queue, &waiting.entry);
                        dropped.push((waiting.entry, why));
                    }
                    None => queue.entries.push_back(waiting),
                }
            }
            queue.renew_due();
            self.attach(number, queue);
        }
        dropped
    }

    fn clear(&mut self) -> Vec<Entry<T>> {
        let emptied = std::mem::replace(self, Self::new(self.options));
        let queues = emptied.queues.into_values();
        queues
            .flat_map(|queue| queue.entries.into_iter().map(|waiting| waiting.entry))
            .collect()
    }

    fn refusal(&self, entry: &Entry<T>) -> Refusal {
        if self.len >= self.options.max_queue {
            return Refusal::Requests {
                most: self.options.max_queue,
            };
        }
        let taken = self.taken(entry.bucket.signature);
        let batch_rows = self.options.max_execution_rows;
        let (waiting, most) = (
            taken.div_ceil(batch_rows),
            self.options.max_enqueued_batches,
        );
        if !self.options.splits {
            return Refusal::Batches { waiting, most };
        }
        Refusal::Rows {
            got: entry.rows,
            room: self.options.all_places().saturating_sub(taken),
            batches: waiting,
            most_batches: most,
            open_rows: (taken + batch_rows - 1) % batch_rows + 1,
            batch_rows,
        }
    }

    fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests;
