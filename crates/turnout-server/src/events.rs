//! The one bounded queue of facts and log lines that Python waits on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::{Map, Value};
use turnout_core::event::{Event, LogLevel, LogRecord};

/// Sender and receiver of events. Facts wait for room, log lines are dropped (and counted) beyond half the capacity.
#[derive(Debug)]
pub(crate) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    dropped_logs: AtomicU64,
}

impl Events {
    pub(crate) fn new(capacity: usize) -> Self {
        let (sender, receiver) = bounded(capacity.max(2));
        Self {
            sender,
            receiver,
            dropped_logs: AtomicU64::new(0),
        }
    }

    /// Reports a fact. Blocks when the queue is full, so it is for background threads only.
    pub(crate) fn fact(&self, event: Event) {
        // Sending fails only when the receiver is gone, which lives as long as `self`.
        let _ = self.sender.send(event);
    }

    /// Hands over a command, or refuses it where facts might need the room; never blocks.
    pub(crate) fn offer(&self, command: Event) -> bool {
        !self.is_crowded() && self.sender.try_send(command).is_ok()
    }

    fn is_crowded(&self) -> bool {
        self.sender.len() * 2 > self.sender.capacity().unwrap_or(usize::MAX)
    }

    /// Hands a line to Python's logging, or drops it; never blocks.
    pub(crate) fn log(
        &self,
        level: LogLevel,
        target: &'static str,
        message: String,
        fields: Map<String, Value>,
    ) {
        let record = Event::Log(LogRecord {
            level,
            target,
            message,
            fields,
        });
        if self.is_crowded() || self.sender.try_send(record).is_err() {
            self.dropped_logs.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn next(&self, timeout: Duration) -> Option<Event> {
        self.receiver.recv_timeout(timeout).ok()
    }

    pub(crate) fn dropped_logs(&self) -> u64 {
        self.dropped_logs.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_dropped_beyond_half_and_facts_still_fit() {
        let events = Events::new(4);
        for _ in 0..10 {
            events.log(LogLevel::Info, "test", "line".into(), Map::new());
        }
        assert_eq!(events.dropped_logs(), 7);
        events.fact(Event::Unloaded {
            servable: 1,
            drain_ms: 0,
        });
        let mut got = Vec::new();
        while let Some(event) = events.next(Duration::ZERO) {
            got.push(event);
        }
        assert!(matches!(
            got.last(),
            Some(Event::Unloaded { servable: 1, .. })
        ));
        assert_eq!(got.len(), 4);
    }
}
