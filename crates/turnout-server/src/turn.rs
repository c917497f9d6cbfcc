//! The driver on an event loop: what was parsed in one turn runs at its end, merged where it may be.
//!
//! Connection tasks offer requests while the loop goes round; the first offer wakes the turn's task, which the loop reaches
//! behind all tasks that were ready already. So a turn adds no waiting: it only collects what is there.

use std::cell::RefCell;
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
    shared: Arc<Shared>,
    shard: usize,
}

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize) -> Rc<Self> {
        Rc::new(Self {
            queues: RefCell::default(),
            ready: Notify::new(),
            shared,
            shard,
        })
    }

    /// Takes a request for the end of this turn.
    pub(crate) fn offer(&self, entry: Entry<Pending>, now: Instant) {
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
        if let Err(entry) = queues[index].scheduler.offer(entry, now) {
            let servable = Arc::clone(&queues[index].servable);
            drop(queues);
            return self.overflow(&servable, entry, now);
        }
        self.ready.notify_one();
    }

    /// A turn's queue is full: what it holds goes on its way first.
    fn overflow(&self, servable: &Arc<Servable>, entry: Entry<Pending>, now: Instant) {
        let rows = entry.rows;
        self.shared.executor.submit(
            servable,
            Batch {
                entries: vec![entry],
                rows,
            },
            now,
        );
    }

    /// Runs turns for as long as the loop lives.
    pub(crate) async fn drive(self: Rc<Self>) {
        loop {
            self.ready.notified().await;
            let queues = std::mem::take(&mut *self.queues.borrow_mut());
            let mut budget_us = f64::from(self.shared.settings.inline_budget_us);
            for queue in queues {
                self.drain(queue, &mut budget_us);
            }
        }
    }

    /// Runs inline what is predicted to fit in the rest of the turn's budget; the executor gets the rest.
    fn drain(&self, mut queue: TurnQueue, budget_us: &mut f64) {
        loop {
            let now = Instant::now();
            let next = queue.scheduler.next_batch(now);
            next.dropped
                .into_iter()
                .for_each(|(entry, why)| execute::answer_dropped(entry, why));
            let Some(batch) = next.batch else { return };
            let signature = batch.entries[0].bucket.signature;
            let predicted_us = f64::from(queue.servable.predict_us(signature, batch.rows));
            if predicted_us <= *budget_us {
                *budget_us -= predicted_us;
                execute::run(&queue.servable, batch, self.shard);
            } else {
                self.shared.executor.submit(&queue.servable, batch, now);
            }
        }
    }
}
