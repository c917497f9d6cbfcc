//! The driver on an event loop: what was parsed in one turn runs at its end, merged where it may be.
//!
//! Connection tasks offer requests while the loop goes round; the first offer wakes the turn's task, which the loop reaches
//! behind all tasks that were ready already. So a turn adds no waiting: it only collects what is there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;
use turnout_core::scheduler::{Batch, Entry, NoWait, Scheduler};

use crate::execute::{self, Pending};
use crate::servable::Servable;
use crate::shared::Shared;

struct TurnQueue {
    servable: Arc<Servable>,
    scheduler: NoWait<Pending>,
}

/// What this loop has parsed since the last turn ended. One per loop.
pub(crate) struct Turn {
    queues: RefCell<Vec<TurnQueue>>,
    ready: Notify,
    /// What may still run inline in this turn.
    budget_us: Cell<f64>,
    shared: Arc<Shared>,
    shard: usize,
}

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize) -> Rc<Self> {
        Rc::new(Self {
            queues: RefCell::default(),
            ready: Notify::new(),
            budget_us: Cell::new(f64::from(shared.settings.inline_budget_us)),
            shared,
            shard,
        })
    }

    /// Takes a request for the end of this turn. Where the turn's queue is full, what it holds goes on its way first.
    pub(crate) fn offer(&self, entry: Entry<Pending>, now: Instant) {
        let Err(entry) = self.enqueue(entry, now) else {
            return;
        };
        if let Some(full) = self.take_queue(entry.work.servable.id) {
            self.drain(full);
        }
        if let Err(entry) = self.enqueue(entry, now) {
            let servable = Arc::clone(&entry.work.servable);
            let rows = entry.rows;
            let batch = Batch {
                entries: vec![entry],
                rows,
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
                let servable = Arc::clone(&entry.work.servable);
                let scheduler = NoWait::new(servable.scheduler_options());
                queues.push(TurnQueue {
                    servable,
                    scheduler,
                });
                queues.len() - 1
            });
        queues[index].scheduler.offer(entry, now)?;
        self.ready.notify_one();
        Ok(())
    }

    fn take_queue(&self, id: u64) -> Option<TurnQueue> {
        let mut queues = self.queues.borrow_mut();
        let index = queues.iter().position(|queue| queue.servable.id == id)?;
        Some(queues.remove(index))
    }

    /// Runs turns for as long as the loop lives.
    pub(crate) async fn drive(self: Rc<Self>) {
        loop {
            self.ready.notified().await;
            let queues = std::mem::take(&mut *self.queues.borrow_mut());
            for queue in queues {
                self.drain(queue);
            }
            self.budget_us.set(self.full_budget_us());
        }
    }

    fn full_budget_us(&self) -> f64 {
        f64::from(self.shared.settings.inline_budget_us)
    }

    /// Runs inline what is predicted to fit in the rest of the turn's budget; the executor gets the rest.
    fn drain(&self, mut queue: TurnQueue) {
        loop {
            let now = Instant::now();
            let next = queue.scheduler.next_batch(now);
            for (entry, why) in next.dropped {
                execute::answer_dropped(entry, why);
            }
            let Some(batch) = next.batch else { return };
            let signature = batch.entries[0].bucket.signature;
            let predicted_us = f64::from(queue.servable.predict_us(signature, batch.rows));
            let rest_us = self.budget_us.get() - predicted_us;
            if rest_us >= 0.0 {
                self.budget_us.set(rest_us);
                execute::run(&queue.servable, batch, self.shard);
            } else {
                self.shared.executor.submit(&queue.servable, batch, now);
            }
        }
    }
}
