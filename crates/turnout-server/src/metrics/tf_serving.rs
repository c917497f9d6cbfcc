//! TensorFlow Serving's metrics under its own names, for dashboards that were made for it.
//!
//! They are per model, not per version. So that they never go back, what a version counted stays after it is unloaded.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use turnout_core::{Door, ErrorCode};

use super::catalogue::MetricInfo;
use super::render::escape;
use super::{CODES, Metrics, ServableMetrics, Shard};
use crate::grpc::status_name;

const BUCKETS: usize = 33;

/// Doors that upstream has: those with the indices 0 and 1.
const COUNTED: usize = 2;

/// Upper ends in nanoseconds: 10 µs times 1.8 to the power of the bucket's number.
const BOUNDS_NANOS: [f64; BUCKETS] = {
    let mut bounds = [10_000.0; BUCKETS];
    let mut index = 1;
    while index < BUCKETS {
        bounds[index] = bounds[index - 1] * 1.8;
        index += 1;
    }
    bounds
};

/// The same in microseconds, with the six digits that upstream shows.
const BOUND_LABELS: [&str; BUCKETS] = [
    "10",
    "18",
    "32.4",
    "58.32",
    "104.976",
    "188.957",
    "340.122",
    "612.22",
    "1102",
    "1983.59",
    "3570.47",
    "6426.84",
    "11568.3",
    "20823",
    "37481.3",
    "67466.4",
    "121440",
    "218591",
    "393464",
    "708235",
    "1.27482e+06",
    "2.29468e+06",
    "4.13043e+06",
    "7.43477e+06",
    "1.33826e+07",
    "2.40887e+07",
    "4.33596e+07",
    "7.80473e+07",
    "1.40485e+08",
    "2.52873e+08",
    "4.55172e+08",
    "8.19309e+08",
    "1.47476e+09",
];

const REQUEST_COUNT: MetricInfo = MetricInfo {
    name: ":tensorflow:serving:request_count",
    kind: "counter",
    help: "Predictions answered, by status; those that reached no version have an empty name.",
    labels: &["model_name", "status"],
};
const REQUEST_LATENCY: MetricInfo = MetricInfo {
    name: ":tensorflow:serving:request_latency",
    kind: "histogram",
    help: "Microseconds from the last byte of a request to its answer, of those that succeeded.",
    labels: &["model_name", "API", "entrypoint"],
};
const RUNTIME_LATENCY: MetricInfo = MetricInfo {
    name: ":tensorflow:serving:runtime_latency",
    kind: "histogram",
    help: "Microseconds in the engine, of requests that succeeded; those of one batch share it.",
    labels: &["model_name", "API", "runtime"],
};

/// Every metric of that page.
pub const TF_SERVING_METRICS: &[MetricInfo] = &[REQUEST_COUNT, REQUEST_LATENCY, RUNTIME_LATENCY];

/// Upstream writes the method as each entry point has it.
const ENTRIES: [(Door, &str, &str); COUNTED] = [
    (Door::Rest, "predict", "REST"),
    (Door::Grpc, "Predict", "GRPC"),
];

/// A histogram over upstream's buckets; each stands alone here.
#[derive(Debug)]
struct Latencies {
    buckets: [AtomicU64; BUCKETS + 1],
    sum_nanos: AtomicU64,
}

impl Latencies {
    fn new() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_nanos: AtomicU64::new(0),
        }
    }

    fn observe(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let index = BOUNDS_NANOS.partition_point(|bound| *bound < nanos as f64);
        self.buckets[index].fetch_add(1, Ordering::Relaxed);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// What one thread observes for one signature.
#[derive(Debug)]
pub(super) struct Observed {
    request: [Latencies; COUNTED],
    runtime: Latencies,
}

impl Observed {
    pub(super) fn new() -> Self {
        Self {
            request: std::array::from_fn(|_| Latencies::new()),
            runtime: Latencies::new(),
        }
    }

    /// Takes in a request that succeeded.
    pub(super) fn observe(&self, door: Door, total: Duration, runtime: Option<Duration>) {
        let Some(request) = self.request.get(door as usize) else {
            return;
        };
        request.observe(total);
        if let Some(runtime) = runtime {
            self.runtime.observe(runtime);
        }
    }
}

#[derive(Clone, Debug)]
struct LatencySums {
    buckets: [u64; BUCKETS + 1],
    sum_nanos: u64,
}

impl LatencySums {
    const ZERO: Self = Self {
        buckets: [0; BUCKETS + 1],
        sum_nanos: 0,
    };

    fn add(&mut self, more: &Latencies) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&more.buckets) {
            *mine += theirs.load(Ordering::Relaxed);
        }
        self.sum_nanos += more.sum_nanos.load(Ordering::Relaxed);
    }
}

/// Everything of one model.
#[derive(Clone, Debug)]
pub(super) struct ModelSums {
    ended: [[u64; CODES]; COUNTED],
    request: [LatencySums; COUNTED],
    runtime: LatencySums,
}

impl Default for ModelSums {
    fn default() -> Self {
        Self {
            ended: [[0; CODES]; COUNTED],
            request: [LatencySums::ZERO; COUNTED],
            runtime: LatencySums::ZERO,
        }
    }
}

impl ModelSums {
    pub(super) fn add(&mut self, servable: &ServableMetrics) {
        let shards = servable.signatures.iter().flat_map(|(_, shards)| shards);
        shards.for_each(|shard| self.add_shard(shard));
    }

    fn add_shard(&mut self, shard: &Shard) {
        for (mine, theirs) in self.ended.iter_mut().zip(&shard.ended) {
            for (count, more) in mine.iter_mut().zip(theirs) {
                *count += more.load(Ordering::Relaxed);
            }
        }
        if let Some(observed) = &shard.observed {
            for (sums, more) in self.request.iter_mut().zip(&observed.request) {
                sums.add(more);
            }
            self.runtime.add(&observed.runtime);
        }
    }
}

/// Writes the page: no help lines, as upstream.
pub(crate) fn render(metrics: &Metrics) -> String {
    let mut page = String::new();
    let models = metrics.model_sums();
    let _ = writeln!(page, "# TYPE {} counter", REQUEST_COUNT.name);
    for (status, count) in by_status(&metrics.refused_counts()) {
        let _ = writeln!(
            page,
            "{}{{model_name=\"\",status=\"{status}\"}} {count}",
            REQUEST_COUNT.name
        );
    }
    for (model, sums) in &models {
        let model = escape(model);
        for (status, count) in by_status(&sums.ended) {
            let _ = writeln!(
                page,
                "{}{{model_name=\"{model}\",status=\"{status}\"}} {count}",
                REQUEST_COUNT.name
            );
        }
    }
    let _ = writeln!(page, "# TYPE {} histogram", REQUEST_LATENCY.name);
    for (model, sums) in &models {
        for (door, api, entrypoint) in ENTRIES {
            let labels = format!(
                "model_name=\"{}\",API=\"{api}\",entrypoint=\"{entrypoint}\"",
                escape(model)
            );
            histogram(
                &mut page,
                REQUEST_LATENCY.name,
                &labels,
                &sums.request[door as usize],
            );
        }
    }
    let _ = writeln!(page, "# TYPE {} histogram", RUNTIME_LATENCY.name);
    for (model, sums) in &models {
        let labels = format!(
            "model_name=\"{}\",API=\"Predict\",runtime=\"TF1\"",
            escape(model)
        );
        histogram(&mut page, RUNTIME_LATENCY.name, &labels, &sums.runtime);
    }
    page
}

/// Several codes have one status.
fn by_status(ended: &[[u64; CODES]; COUNTED]) -> BTreeMap<&'static str, u64> {
    let mut found = BTreeMap::new();
    for codes in ended {
        for (index, count) in codes.iter().enumerate().filter(|(_, count)| **count > 0) {
            let status = match index.checked_sub(1) {
                None => "OK",
                Some(index) => status_name(ErrorCode::ALL[index]),
            };
            *found.entry(status).or_insert(0) += count;
        }
    }
    found
}

/// Nothing for what was never observed, as upstream.
fn histogram(page: &mut String, name: &str, labels: &str, sums: &LatencySums) {
    let count: u64 = sums.buckets.iter().sum();
    if count == 0 {
        return;
    }
    let mut below = 0;
    for (bound, bucket) in BOUND_LABELS.iter().zip(&sums.buckets) {
        below += bucket;
        let _ = writeln!(page, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
    }
    let micros = sums.sum_nanos as f64 / 1e3;
    let _ = writeln!(
        page,
        "{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n{name}_sum{{{labels}}} {micros}\n{name}_count{{{labels}}} {count}"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::super::{Stages, Tracked};
    use super::*;

    #[test]
    fn the_labels_are_the_bounds() {
        for (label, nanos) in BOUND_LABELS.iter().zip(BOUNDS_NANOS) {
            let micros: f64 = label.parse().expect("a number");
            assert!((micros * 1e3 / nanos - 1.0).abs() < 1e-5, "{label}");
        }
    }

    #[test]
    fn a_time_on_a_bound_belongs_to_its_bucket() {
        let latencies = Latencies::new();
        for nanos in [1, 10_000, 10_001, 18_000, u64::MAX] {
            latencies.observe(Duration::from_nanos(nanos));
        }
        let count = |index: usize| latencies.buckets[index].load(Ordering::Relaxed);
        assert_eq!((count(0), count(1), count(BUCKETS)), (2, 2, 1));
    }

    fn answer(metrics: &Arc<ServableMetrics>, door: Door, code: Option<ErrorCode>) {
        let now = Instant::now();
        let mut stages = Stages::received(now);
        stages.started = Some(now);
        stages.finished = Some(now + Duration::from_micros(5));
        Tracked::begin(metrics, 0, 0, door, stages).finish(code);
    }

    #[test]
    fn counts_of_a_model_outlive_its_versions() {
        let metrics = Metrics::new(1, true);
        let name: Arc<str> = Arc::from("a\"b");
        for version in 1..=3 {
            let servable = metrics.servable(&name, version, &["s".to_owned()]);
            answer(&servable, Door::Grpc, None);
            answer(&servable, Door::Rest, None);
            answer(&servable, Door::InProcess, None);
            answer(&servable, Door::Rest, Some(ErrorCode::InvalidInput));
            answer(&servable, Door::Grpc, Some(ErrorCode::ExecutionFailed));
        }
        metrics.refuse(Door::Rest, ErrorCode::ModelNotFound);
        let page = render(&metrics);
        for line in [
            "# TYPE :tensorflow:serving:request_count counter",
            ":tensorflow:serving:request_count{model_name=\"\",status=\"NOT_FOUND\"} 1",
            ":tensorflow:serving:request_count{model_name=\"a\\\"b\",status=\"OK\"} 6",
            ":tensorflow:serving:request_count{model_name=\"a\\\"b\",status=\"INVALID_ARGUMENT\"} 6",
            ":tensorflow:serving:request_latency_count{model_name=\"a\\\"b\",API=\"predict\",entrypoint=\"REST\"} 3",
            ":tensorflow:serving:request_latency_count{model_name=\"a\\\"b\",API=\"Predict\",entrypoint=\"GRPC\"} 3",
            ":tensorflow:serving:runtime_latency_bucket{model_name=\"a\\\"b\",API=\"Predict\",runtime=\"TF1\",le=\"10\"} 6",
            ":tensorflow:serving:runtime_latency_sum{model_name=\"a\\\"b\",API=\"Predict\",runtime=\"TF1\"} 30",
        ] {
            assert!(
                page.lines().any(|each| each == line),
                "{line} is not in\n{page}"
            );
        }
        assert_eq!(render(&metrics), page, "and it stays so");
    }

    #[test]
    fn nothing_is_observed_unasked() {
        let metrics = Metrics::new(1, false);
        let servable = metrics.servable(&Arc::from("m"), 1, &["s".to_owned()]);
        assert!(servable.signatures[0].1[0].observed.is_none());
    }
}
