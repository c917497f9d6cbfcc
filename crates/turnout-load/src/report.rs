//! The report: what came back, as one JSON document.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::histogram::Histogram;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) event: &'static str,
    pub(crate) started_ns: u64,
    pub(crate) ended_ns: u64,
    /// Processor time of this client from the end of the warm-up to the end.
    pub(crate) client_cpu_s: f64,
    pub(crate) client_wall_s: f64,
    pub(crate) groups: Vec<GroupReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct GroupReport {
    pub(crate) name: String,
    pub(crate) connections: usize,
    pub(crate) depth: usize,
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) phases: Vec<PhaseReport>,
    /// Of the answers of all phases of one name together.
    pub(crate) latency_us: BTreeMap<String, Latency>,
    /// By version number.
    pub(crate) versions: BTreeMap<u32, VersionSpan>,
    /// Connections that were opened again after the server had ended them.
    pub(crate) reconnects: u64,
    /// Attempts to connect that failed.
    pub(crate) refused_connects: u64,
    /// Requests that were sent again because the server said that it had not touched them.
    pub(crate) retries: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct PhaseReport {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    /// Answers that were right.
    pub(crate) answers: u64,
    pub(crate) answers_per_s: f64,
    pub(crate) latency_us: Latency,
    pub(crate) failures: BTreeMap<&'static str, Failures>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl From<&Histogram> for Latency {
    fn from(histogram: &Histogram) -> Self {
        let micros = |fraction| histogram.quantile(fraction) as f64 / 1000.0;
        Self {
            mean: histogram.mean() / 1000.0,
            p50: micros(0.5),
            p90: micros(0.9),
            p99: micros(0.99),
            p999: micros(0.999),
            max: histogram.max() as f64 / 1000.0,
        }
    }
}

/// Failures of one kind; the first few in full.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Failures {
    pub(crate) count: u64,
    pub(crate) examples: Vec<Example>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Example {
    pub(crate) sent_ns: u64,
    pub(crate) ended_ns: u64,
    pub(crate) body: usize,
    pub(crate) text: String,
}

/// When one version's answers were under way: it must have been live at some time of each of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VersionSpan {
    pub(crate) answers: u64,
    /// The earliest time at which an answer of this version had come in.
    pub(crate) first_received_ns: u64,
    /// The latest time at which a request that this version answered went out.
    pub(crate) last_sent_ns: u64,
}

impl Default for VersionSpan {
    fn default() -> Self {
        Self {
            answers: 0,
            first_received_ns: u64::MAX,
            last_sent_ns: 0,
        }
    }
}
