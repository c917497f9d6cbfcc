//! The driver on an event loop: what was parsed in one turn runs at its end, merged where it may be.
//!
//! Connection tasks offer requests while the loop goes round; the first offer wakes the turn's task, which the loop reaches
//! behind all tasks that were ready already. So a turn adds no waiting: it only collects what is there. Short requests that
//! do not fit in the budget of one turn stay for the next ones, between which the loop sees to its connections.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;
use turnout_core::scheduler::{Batch, Entry, Next, NoWait, Scheduler};

use crate::execute::{self, Pending};
use crate::servable::Servable;
use crate::shared::Shared;

/// A loop that is this many turns behind with a servable hands requests to the executor, whose cores may be idle.
const MAX_BACKLOG_TURNS: f32 = 10.0;

struct TurnQueue {
    servable: Arc<Servable>,
    scheduler: NoWait<Pending>,
    /// Of all that waits.
    weight: usize,
}

/// What this loop has parsed and not yet run. One per loop.
pub(crate) struct Turn {
    queues: RefCell<VecDeque<TurnQueue>>,
    ready: Notify,
    /// What may still run inline in this turn.
    budget_us: Cell<f32>,
    shared: Arc<Shared>,
    shard: usize,
}

/// Where the next batch of a queue runs.
enum Place {
    /// On the loop, with at most this weight.
    Inline(usize),
    /// On the loop, in a later turn.
    Later,
    Executor,
}

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize) -> Rc<Self> {
        Rc::new(Self {
            queues: RefCell::default(),
            ready: Notify::new(),
            budget_us: Cell::new(full_budget_us(&shared)),
            shared,
            shard,
        })
    }

    /// Takes a request for the end of this turn. Where the turn's queue is full, what it holds goes on its way first.
    pub(crate) fn offer(&self, entry: Entry<Pending>, now: Instant) {
        let Err(entry) = self.enqueue(entry, now) else {
            return;
        };
        if let Some(mut full) = self.take_queue(entry.work.servable.id) {
            self.drain(&mut full);
            self.hand_over(&mut full);
        }
        if let Err(entry) = self.enqueue(entry, now) {
            let servable = Arc::clone(&entry.work.servable);
            let batch = Batch {
                rows: entry.rows,
                weight: entry.weight,
                entries: vec![entry],
            };
            self.shared.executor.submit(&servable, batch, now);
        }
    }

    fn enqueue(&self, entry: Entry<Pending>, now: Instant) -> Result<(), Entry<Pending>> {
        let mut queues = self.queues.borrow_mut();
        let id = entry.work.servable.id;
        let index = queues
            .iter()
            .position(|queue| queue.servable.id == id)
            .unwrap_or_else(|| {
                queues.push_back(TurnQueue::new(&entry.work.servable));
                queues.len() - 1
            });
        let queue = &mut queues[index];
        let weight = entry.weight;
        queue.scheduler.offer(entry, now)?;
        queue.weight += weight;
        self.ready.notify_one();
        Ok(())
    }

    fn take_queue(&self, id: u64) -> Option<TurnQueue> {
        let mut queues = self.queues.borrow_mut();
        let index = queues.iter().position(|queue| queue.servable.id == id)?;
        queues.remove(index)
    }

    /// Runs turns for as long as the loop lives.
    pub(crate) async fn drive(self: Rc<Self>) {
        loop {
            if self.queues.borrow().is_empty() {
                self.ready.notified().await;
            } else {
                // Behind whatever the connections have to do by now.
                tokio::task::yield_now().await;
            }
            self.run();
        }
    }

    fn run(&self) {
        self.budget_us.set(full_budget_us(&self.shared));
        let mut queues = std::mem::take(&mut *self.queues.borrow_mut());
        queues.retain_mut(|queue| {
            self.drain(queue);
            !queue.scheduler.is_empty()
        });
        // Another servable is first in the next turn.
        if !queues.is_empty() {
            queues.rotate_left(1);
        }
        *self.queues.borrow_mut() = queues;
    }

    /// Runs inline what is predicted to fit in the rest of the turn's budget, leaves what fits in a later turn, and hands
    /// to the executor what fits in none.
    fn drain(&self, queue: &mut TurnQueue) {
        loop {
            let now = Instant::now();
            let (room, inline) = match self.place(queue) {
                None | Some(Place::Later) => return,
                Some(Place::Inline(weight)) => (weight, true),
                Some(Place::Executor) => (usize::MAX, false),
            };
            let Some(batch) = queue.next_batch(now, room) else {
                continue;
            };
            if inline {
                let rest_us = self.budget_us.get() - queue.predict_us(&batch);
                self.budget_us.set(rest_us);
                execute::run(&queue.servable, batch, self.shard);
            } else {
                self.shared.executor.submit(&queue.servable, batch, now);
            }
        }
    }

    /// None when nothing waits.
    fn place(&self, queue: &TurnQueue) -> Option<Place> {
        let front = queue.scheduler.front()?;
        let curve = &queue.servable.facts.curves[front.bucket.signature];
        let full_us = full_budget_us(&self.shared);
        let backlog_us = if queue.servable.facts.mergeable {
            curve.predict_us(queue.weight)
        } else {
            curve.predict_us(front.weight) * queue.scheduler.len() as f32
        };
        let rest_us = self.budget_us.get();
        Some(if backlog_us <= rest_us {
            Place::Inline(usize::MAX)
        } else if curve.predict_us(front.weight) > full_us
            || backlog_us > full_us * MAX_BACKLOG_TURNS
        {
            Place::Executor
        } else {
            match curve.rows_within(rest_us, queue.weight) {
                weight if weight >= front.weight => Place::Inline(weight),
                _ => Place::Later,
            }
        })
    }

    fn hand_over(&self, queue: &mut TurnQueue) {
        let now = Instant::now();
        while let Some(batch) = queue.next_batch(now, usize::MAX) {
            self.shared.executor.submit(&queue.servable, batch, now);
        }
    }
}

impl TurnQueue {
    fn new(servable: &Arc<Servable>) -> Self {
        Self {
            servable: Arc::clone(servable),
            scheduler: NoWait::new(servable.turn_options()),
            weight: 0,
        }
    }

    /// The next batch; what is dropped on the way is answered.
    fn next_batch(&mut self, now: Instant, room: usize) -> Option<Batch<Pending>> {
        let Next { batch, dropped } = self.scheduler.next_batch(now, room);
        self.weight -= batch.as_ref().map_or(0, |batch| batch.weight);
        for (entry, why) in dropped {
            self.weight -= entry.weight;
            execute::answer_dropped(entry, why);
        }
        batch
    }

    fn predict_us(&self, batch: &Batch<Pending>) -> f32 {
        let signature = batch.entries[0].bucket.signature;
        self.servable.predict_us(signature, batch.weight)
    }
}

fn full_budget_us(shared: &Shared) -> f32 {
    shared.settings.inline_budget_us as f32
}
