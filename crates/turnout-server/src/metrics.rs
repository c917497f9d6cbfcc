//! Counters and histograms, sharded by thread, and their page.
//!
//! Each loop writes to a shard of its own, so that counting never bounces a cache line between cores; reading adds them up.

mod catalogue;
mod histogram;
mod render;
mod tf_serving;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use turnout_core::{Door, ErrorCode};

pub use catalogue::{METRICS, MetricInfo};
use histogram::Histogram;
pub(crate) use render::render;
pub use tf_serving::TF_SERVING_METRICS;
pub(crate) use tf_serving::render as render_tf_serving;
use tf_serving::{ModelSums, Observed};

pub(crate) const DOORS: [Door; 3] = [Door::Rest, Door::Grpc, Door::InProcess];
const CODES: usize = ErrorCode::ALL.len() + 1;

/// Points in the life of a request; what did not happen is None.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stages {
    pub(crate) received: Instant,
    pub(crate) decoded: Option<Instant>,
    pub(crate) started: Option<Instant>,
    pub(crate) finished: Option<Instant>,
}

impl Stages {
    pub(crate) fn received(at: Instant) -> Self {
        Self {
            received: at,
            decoded: None,
            started: None,
            finished: None,
        }
    }
}

/// What one thread counts for one signature. Aligned so that two threads never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    begun: AtomicU64,
    ended: [[AtomicU64; CODES]; DOORS.len()],
    total: Histogram,
    decode: Histogram,
    queue: Histogram,
    execute: Histogram,
    encode: Histogram,
    /// For the page with TensorFlow Serving's names, where there is one.
    observed: Option<Box<Observed>>,
}

impl Shard {
    fn new(tf_serving: bool) -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            total: Histogram::seconds(),
            decode: Histogram::seconds(),
            queue: Histogram::seconds(),
            execute: Histogram::seconds(),
            encode: Histogram::seconds(),
            observed: tf_serving.then(|| Box::new(Observed::new())),
        }
    }
}

#[derive(Debug)]
struct BatchShard {
    rows: Histogram,
    requests: Histogram,
}

/// The counters of one version.
#[derive(Debug)]
pub(crate) struct ServableMetrics {
    model: Arc<str>,
    version: u64,
    signatures: Vec<(String, Box<[Shard]>)>,
    batches: Box<[BatchShard]>,
}

impl ServableMetrics {
    pub(crate) fn observe_batch(&self, shard: usize, requests: usize, rows: usize) {
        let batch = &self.batches[shard];
        batch.requests.observe(requests as u64);
        batch.rows.observe(rows as u64);
    }

    fn begin(&self, shard: usize, signature: usize) {
        self.signatures[signature].1[shard]
            .begun
            .fetch_add(1, Ordering::Relaxed);
    }

    fn end(
        &self,
        shard: usize,
        signature: usize,
        door: Door,
        code: Option<ErrorCode>,
        stages: &Stages,
    ) {
        let shard = &self.signatures[signature].1[shard];
        shard.ended[door as usize][code.map_or(0, |code| code as usize + 1)]
            .fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        shard.total.observe_time(stages.received, now);
        if let (Some(observed), None) = (&shard.observed, code) {
            let started = stages.started.zip(stages.finished);
            let runtime =
                started.map(|(started, finished)| finished.saturating_duration_since(started));
            observed.observe(
                door,
                now.saturating_duration_since(stages.received),
                runtime,
            );
        }
        let spans = [
            (&shard.decode, Some(stages.received), stages.decoded),
            (&shard.queue, stages.decoded, stages.started),
            (&shard.execute, stages.started, stages.finished),
            (&shard.encode, stages.finished, Some(now)),
        ];
        for (histogram, from, to) in spans {
            if let (Some(from), Some(to)) = (from, to) {
                histogram.observe_time(from, to);
            }
        }
    }
}

/// A request that is being counted; dropping it unfinished counts it as cancelled.
#[derive(Debug)]
pub(crate) struct Tracked {
    metrics: Arc<ServableMetrics>,
    shard: usize,
    signature: usize,
    door: Door,
    finished: bool,
    pub(crate) stages: Stages,
}

impl Tracked {
    pub(crate) fn begin(
        metrics: &Arc<ServableMetrics>,
        shard: usize,
        signature: usize,
        door: Door,
        stages: Stages,
    ) -> Self {
        metrics.begin(shard, signature);
        Self {
            metrics: Arc::clone(metrics),
            shard,
            signature,
            door,
            finished: false,
            stages,
        }
    }

    /// Counts the request as answered: `None` for success.
    pub(crate) fn finish(mut self, code: Option<ErrorCode>) {
        self.finished = true;
        self.metrics
            .end(self.shard, self.signature, self.door, code, &self.stages);
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if !self.finished {
            self.metrics.end(
                self.shard,
                self.signature,
                self.door,
                Some(ErrorCode::Cancelled),
                &self.stages,
            );
        }
    }
}

/// Requests that were refused before they reached a servable, and connections, by door.
#[derive(Debug)]
pub(crate) struct Metrics {
    shards: usize,
    tf_serving: bool,
    refused: [[AtomicU64; CODES]; DOORS.len()],
    connections: [AtomicU64; DOORS.len()],
    servables: Mutex<Vec<Weak<ServableMetrics>>>,
    /// Of all versions, where TensorFlow Serving's names are wanted.
    kept: Mutex<Kept>,
}

/// What is counted per model and so must outlive the versions.
#[derive(Debug, Default)]
struct Kept {
    live: Vec<Arc<ServableMetrics>>,
    retired: BTreeMap<Arc<str>, ModelSums>,
}

impl Kept {
    /// Adds up what nobody counts with any more.
    fn retire(&mut self) {
        let retired = &mut self.retired;
        self.live.retain(|servable| {
            let is_live = Arc::strong_count(servable) > 1;
            if !is_live {
                let sums = retired.entry(Arc::clone(&servable.model)).or_default();
                sums.add(servable);
            }
            is_live
        });
    }
}

impl Metrics {
    /// `shards`: one per thread that counts requests. `tf_serving`: whether that server's names are served too.
    pub(crate) fn new(shards: usize, tf_serving: bool) -> Self {
        Self {
            shards,
            tf_serving,
            kept: Mutex::default(),
            refused: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            connections: std::array::from_fn(|_| AtomicU64::new(0)),
            servables: Mutex::default(),
        }
    }

    /// Makes the counters of a version; they are on the page for as long as it is loaded.
    pub(crate) fn servable(
        &self,
        model: &Arc<str>,
        version: u64,
        signatures: &[String],
    ) -> Arc<ServableMetrics> {
        let tf_serving = self.tf_serving;
        let shards = || (0..self.shards).map(|_| Shard::new(tf_serving)).collect();
        let batch = |_| BatchShard {
            rows: Histogram::counts(),
            requests: Histogram::counts(),
        };
        let made = Arc::new(ServableMetrics {
            model: Arc::clone(model),
            version,
            signatures: signatures
                .iter()
                .map(|name| (name.clone(), shards()))
                .collect(),
            batches: (0..self.shards).map(batch).collect(),
        });
        let mut servables = self
            .servables
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        servables.retain(|weak| weak.strong_count() > 0);
        servables.push(Arc::downgrade(&made));
        drop(servables);
        if tf_serving {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retire();
            kept.live.push(Arc::clone(&made));
        }
        made
    }

    /// Counts a request that failed before a servable was known.
    pub(crate) fn refuse(&self, door: Door, code: ErrorCode) {
        self.refused[door as usize][code as usize + 1].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_connection(&self, door: Door) {
        self.connections[door as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What every model has counted, by name.
    fn model_sums(&self) -> BTreeMap<Arc<str>, ModelSums> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retire();
        let mut sums = kept.retired.clone();
        for servable in &kept.live {
            sums.entry(Arc::clone(&servable.model))
                .or_default()
                .add(servable);
        }
        sums
    }

    /// Requests of REST and gRPC that reached no version, by code.
    fn refused_counts(&self) -> [[u64; CODES]; 2] {
        std::array::from_fn(|door| {
            std::array::from_fn(|code| self.refused[door][code].load(Ordering::Relaxed))
        })
    }

    fn live_servables(&self) -> Vec<Arc<ServableMetrics>> {
        if self.tf_serving {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retire();
        }
        let servables = self
            .servables
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        servables.iter().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests;
