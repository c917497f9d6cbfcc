//! What all threads of one data plane share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use turnout_core::RequestId;
use turnout_core::admission::ByteBudget;
use turnout_core::event::LogLevel;
use turnout_core::snapshot::Settings;

use crate::commands::Commands;
use crate::drain::{ConnectionCount, Drain};
use crate::events::Events;
use crate::executor::Executor;
use crate::metrics::Metrics;
use crate::nursery::Nursery;
use crate::offload::Offload;
use crate::request_log::RequestLog;
use crate::routes::Routes;

/// Made once; everything in it is safe to use from any thread.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) routes: ArcSwap<Routes>,
    /// How often the routes were replaced, for those who wait for a change.
    pub(crate) routes_replaced: watch::Sender<u64>,
    pub(crate) budget: Arc<ByteBudget>,
    pub(crate) events: Arc<Events>,
    pub(crate) commands: Commands,
    pub(crate) executor: Executor,
    pub(crate) offload: Offload,
    pub(crate) nursery: Nursery,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) request_log: Arc<RequestLog>,
    pub(crate) drain: Drain,
    pub(crate) connections: ConnectionCount,
    /// Listeners that are still open.
    pub(crate) listeners: ConnectionCount,
    pub(crate) started: Instant,
    /// Distinguishes request ids of this process from those of others.
    pub(crate) id_base: u64,
    next_id_block: AtomicU64,
}

/// How many request ids a loop takes at a time.
pub(crate) const ID_BLOCK: u64 = 1 << 16;

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        events: Arc<Events>,
        executor: Executor,
        offload: Offload,
        nursery: Nursery,
        metrics: Arc<Metrics>,
    ) -> Self {
        let routes = ArcSwap::from_pointee(Routes::empty(&settings.ready_reason));
        let budget = ByteBudget::new(settings.inflight_bytes);
        let request_log = RequestLog::new(settings.request_log.clone(), Arc::clone(&events));
        Self {
            settings,
            routes,
            routes_replaced: watch::Sender::new(0),
            budget,
            events,
            commands: Commands::default(),
            executor,
            offload,
            nursery,
            metrics,
            request_log,
            drain: Drain::new(),
            connections: ConnectionCount::default(),
            listeners: ConnectionCount::default(),
            started: Instant::now(),
            id_base: random_u64(),
            next_id_block: AtomicU64::new(0),
        }
    }

    /// Swaps the routing snapshot and tells those who wait for a change.
    pub(crate) fn replace_routes(&self, routes: Routes) {
        self.routes.store(Arc::new(routes));
        self.routes_replaced.send_modify(|count| *count += 1);
    }

    /// A fresh block of request numbers for one thread.
    pub(crate) fn id_block(&self) -> u64 {
        self.next_id_block.fetch_add(ID_BLOCK, Ordering::Relaxed)
    }

    /// The id of request number `number`: scattered, so that ids of two processes do not look alike.
    pub(crate) fn request_id(&self, number: u64) -> RequestId {
        RequestId::Generated(self.id_base ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn log(&self, level: LogLevel, target: &'static str, message: impl Into<String>) {
        self.events
            .log(level, target, message.into(), serde_json::Map::new());
    }
}

/// Randomness of the standard library's hasher seed: enough to tell processes apart.
fn random_u64() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
