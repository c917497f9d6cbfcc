//! Threads for batches that are too long for an event loop, and for requests that wait for one another.
//!
//! What hands over is one message per batch. Each servable has one queue behind a lock; a token in the channel means "a thread
//! should look at this servable". While all its threads are busy, entries gather, and the next look merges them. Where
//! entries wait by the clock, an alarm says when to look: no thread wakes while there is nothing to do.

mod alarms;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, unbounded};
use turnout_core::Error;
use turnout_core::scheduler::{Batch, Entry, Refusal};

use self::alarms::Alarm;
use crate::execute::{self, Pending};
use crate::servable::{ExecutorQueue, Servable};
use crate::threads::{self, Niceness};

enum Token {
    Work(Arc<Servable>),
    Stop,
}

/// The way to the executor threads.
pub(crate) struct Executor {
    dispatcher: Dispatcher,
    threads: usize,
}

/// Finds a thread for what is ready, and an alarm for what is not yet.
#[derive(Clone)]
struct Dispatcher {
    // At most `per_servable` tokens of each servable are under way, so the channel needs no bound of its own.
    tokens: Sender<Token>,
    // At most one alarm of each servable is set for every moment; see `ExecutorQueue::alarm`.
    alarms: Sender<Alarm>,
    per_servable: usize,
    /// Once it is set, what waits anywhere is dropped by whoever holds it.
    stopped: Arc<AtomicBool>,
}

impl Executor {
    /// Starts `2 × cores` threads, of which one servable gets at most `cores`: a heavy model never holds all of them.
    pub(crate) fn start(cores: usize, shard: usize) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let per_servable = cores.max(1);
        let threads = per_servable * 2;
        let (tokens, receiver) = unbounded();
        let (alarms, ringing) = unbounded();
        let dispatcher = Dispatcher {
            tokens,
            alarms,
            per_servable,
            stopped: Arc::default(),
        };
        let start_one = |index| {
            let (receiver, dispatcher) = (receiver.clone(), dispatcher.clone());
            threads::spawn(format!("executor-{index}"), Niceness::Work, move || {
                work(&receiver, &dispatcher, shard);
            })
        };
        let mut handles = (0..threads)
            .map(start_one)
            .collect::<io::Result<Vec<_>>>()?;
        let clock = dispatcher.clone();
        handles.push(threads::spawn(
            "batch-alarms".into(),
            Niceness::Normal,
            move || alarms::run(&ringing, |servable| clock.look(servable)),
        )?);
        Ok((
            Self {
                dispatcher,
                threads,
            },
            handles,
        ))
    }

    /// Enqueues a batch; entries that do not fit in the servable's queue are answered with `queue_full`.
    pub(crate) fn submit(&self, servable: &Arc<Servable>, batch: Batch<Pending>, now: Instant) {
        self.submit_all(servable, batch.entries, now);
    }

    /// The same for a single entry.
    pub(crate) fn submit_one(&self, servable: &Arc<Servable>, entry: Entry<Pending>, now: Instant) {
        self.submit_all(servable, [entry], now);
    }

    fn submit_all(
        &self,
        servable: &Arc<Servable>,
        entries: impl IntoIterator<Item = Entry<Pending>>,
        now: Instant,
    ) {
        let (mut refused, mut swept) = (Vec::new(), Vec::new());
        let mut queue = lock(servable);
        for entry in entries {
            entry.work.waker.wake_by_ref();
            let Err(entry) = queue.scheduler.offer(entry, now) else {
                continue;
            };
            swept.extend(queue.scheduler.sweep(now));
            if let Err(entry) = queue.scheduler.offer(entry, now) {
                refused.push((queue.scheduler.refusal(&entry), entry));
            }
        }
        self.dispatcher.dispatch(servable, queue, now);
        for (entry, why) in swept {
            execute::answer_dropped(entry, why);
        }
        for (refusal, entry) in refused {
            refuse(entry, refusal);
        }
    }

    /// Ends the threads, each after the batch that it is running. What still waits is dropped, which its door sees.
    pub(crate) fn stop(&self) {
        self.dispatcher.stopped.store(true, Ordering::SeqCst);
        let _ = self.dispatcher.alarms.send(Alarm::Stop);
        for _ in 0..self.threads {
            let _ = self.dispatcher.tokens.send(Token::Stop);
        }
    }
}

impl Dispatcher {
    /// Lets go of the queue and sees to it that a thread looks at what it holds, now or when the time has come.
    fn dispatch(
        &self,
        servable: &Arc<Servable>,
        mut queue: MutexGuard<'_, ExecutorQueue>,
        now: Instant,
    ) {
        let Some(wait) = queue.scheduler.wait(now) else {
            return;
        };
        let at = now + wait;
        if wait.is_zero() && queue.threads < self.per_servable {
            queue.threads += 1;
            drop(queue);
            let _ = self.tokens.send(Token::Work(Arc::clone(servable)));
        } else if !wait.is_zero() && queue.alarm.is_none_or(|set| set > at || set <= now) {
            queue.alarm = Some(at);
            drop(queue);
            let _ = self.alarms.send(Alarm::At(at, Arc::downgrade(servable)));
        } else {
            drop(queue);
        }
        // What was sent behind the end of the threads reaches nobody.
        if self.is_stopped() {
            abandon(servable);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// What an alarm is for.
    fn look(&self, servable: &Arc<Servable>) {
        self.dispatch(servable, lock(servable), Instant::now());
    }
}

fn work(receiver: &Receiver<Token>, dispatcher: &Dispatcher, shard: usize) {
    while let Ok(Token::Work(servable)) = receiver.recv() {
        serve(&servable, receiver, dispatcher, shard);
    }
}

/// Runs batches of one servable until nothing in its queue is ready, or until another servable waits for a thread.
fn serve(
    servable: &Arc<Servable>,
    receiver: &Receiver<Token>,
    dispatcher: &Dispatcher,
    shard: usize,
) {
    loop {
        if dispatcher.is_stopped() {
            return abandon(servable);
        }
        let mut queue = lock(servable);
        let now = Instant::now();
        let next = queue.scheduler.next_batch(now, usize::MAX);
        if next.batch.is_none() {
            queue.threads -= 1;
            dispatcher.dispatch(servable, queue, now);
        } else {
            drop(queue);
        }
        next.dropped
            .into_iter()
            .for_each(|(entry, why)| execute::answer_dropped(entry, why));
        let Some(batch) = next.batch else { return };
        execute::run(servable, batch, shard);
        if !receiver.is_empty() {
            let _ = dispatcher.tokens.send(Token::Work(Arc::clone(servable)));
            if dispatcher.is_stopped() {
                abandon(servable);
            }
            return;
        }
    }
}

/// Drops what waits, which its doors see. It holds its own servable, which would otherwise never be freed.
fn abandon(servable: &Servable) {
    let waiting = lock(servable).scheduler.clear();
    drop(waiting);
}

fn refuse(entry: Entry<Pending>, refusal: Refusal) {
    let servable = &entry.work.servable;
    let message = match refusal {
        Refusal::Requests { most } => format!(
            "the queue of model `{}` version {} is full (`max_queue`): {most} requests wait",
            servable.model, servable.version
        ),
        Refusal::Batches { waiting, most } => format!(
            "The batch scheduling queue to which this task was submitted is full; currently {waiting} batches enqueued \
             and max_enqueued_batches is {most}"
        ),
        Refusal::Rows {
            got,
            room,
            batches,
            most_batches,
            open_rows,
            batch_rows,
        } => format!(
            "The batch scheduling queue to which this task was submitted is full; task size is {got} but scheduling \
             capacity is only {room} (num_enqueued_batches={batches}, max_enqueued_batches={most_batches}, \
             open_batch_size={open_rows}, max_execution_batch_size={batch_rows})"
        ),
    };
    entry.work.reply.send(Err(Error::queue_full(message)));
}

fn lock(servable: &Servable) -> MutexGuard<'_, ExecutorQueue> {
    // Nothing panics while it holds this lock; were it so, the queue itself is still whole.
    servable
        .queue
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}
