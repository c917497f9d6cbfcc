//! One thread that sleeps until a batch is old enough. It wakes for nothing else.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::servable::Servable;

/// A message to the thread.
pub(super) enum Alarm {
    /// The servable's queue may have something ready then.
    At(Instant, Weak<Servable>),
    Stop,
}

/// Alarms that are set, the earliest on top.
#[derive(Default)]
struct Alarms {
    order: BinaryHeap<Reverse<(Instant, u64)>>,
    servables: HashMap<u64, Weak<Servable>>,
    next: u64,
}

impl Alarms {
    fn set(&mut self, at: Instant, servable: Weak<Servable>) {
        self.next += 1;
        self.order.push(Reverse((at, self.next)));
        self.servables.insert(self.next, servable);
    }

    /// Takes out the next whose time has come; servables that are gone are passed over.
    fn due(&mut self, now: Instant) -> Option<Arc<Servable>> {
        while let Some(Reverse((_, number))) = self.order.peek().filter(|next| next.0.0 <= now) {
            let servable = self.servables.remove(number);
            self.order.pop();
            if let Some(servable) = servable.and_then(|servable| servable.upgrade()) {
                return Some(servable);
            }
        }
        None
    }
}

/// Calls `ring` with every servable at its time, until it is stopped; then once more with all that still wait.
pub(super) fn run(receiver: &Receiver<Alarm>, ring: impl Fn(&Arc<Servable>)) {
    let mut alarms = Alarms::default();
    loop {
        let message = match alarms.order.peek() {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(Reverse((at, _))) => receiver.recv_deadline(*at),
        };
        match message {
            Ok(Alarm::At(at, servable)) => alarms.set(at, servable),
            Err(RecvTimeoutError::Timeout) => {
                while let Some(servable) = alarms.due(Instant::now()) {
                    ring(&servable);
                }
            }
            Ok(Alarm::Stop) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // A last look finds that all is over.
    let rest = alarms.servables.values().filter_map(Weak::upgrade);
    rest.for_each(|servable| ring(&servable));
}
