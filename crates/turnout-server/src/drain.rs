//! The stages of an orderly end, and the count of connections that it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// How far the end has come. Stages only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Serving,
    /// Readiness is withdrawn; connections are still accepted.
    Announced,
    /// Accept queues are emptied and listeners close.
    Closing,
    /// Connections end: after their present requests (`Connection: close`, GOAWAY), and idle ones after a last chance.
    Ending,
    /// Whatever is left is cut off.
    Stopped,
}

/// How long an idle connection is kept once [`Stage::Ending`] has begun: a request that is on its way then is answered, with
/// word that the connection closes, instead of being met by a closed socket.
pub(crate) const LAST_CHANCE: Duration = Duration::from_millis(500);

/// The stage, watchable from every loop.
pub(crate) struct Drain {
    sender: watch::Sender<Stage>,
}

impl Drain {
    pub(crate) fn new() -> Self {
        Self {
            sender: watch::Sender::new(Stage::Serving),
        }
    }

    pub(crate) fn advance(&self, stage: Stage) {
        self.sender.send_if_modified(|now| {
            let forward = stage > *now;
            if forward {
                *now = stage;
            }
            forward
        });
    }

    /// Waits until idle connections have had their last chance.
    pub(crate) async fn last_chance(mut stage: watch::Receiver<Stage>) {
        // The sender lives as long as the data plane; were it gone, there would be nothing to wait for.
        let _ = stage.wait_for(|stage| *stage >= Stage::Ending).await;
        tokio::time::sleep(LAST_CHANCE).await;
    }

    pub(crate) fn stage(&self) -> Stage {
        *self.sender.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Stage> {
        self.sender.subscribe()
    }
}

/// Open connections of one listener or loop.
#[derive(Clone, Default)]
pub(crate) struct ConnectionCount(Arc<AtomicUsize>);

/// Counts one connection until dropped.
pub(crate) struct Counted(Arc<AtomicUsize>);

impl ConnectionCount {
    pub(crate) fn enter(&self) -> Counted {
        self.0.fetch_add(1, Ordering::AcqRel);
        Counted(Arc::clone(&self.0))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
