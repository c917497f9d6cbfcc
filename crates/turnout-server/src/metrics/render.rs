//! The metrics page: Prometheus text format 0.0.4 (prometheus.io, "Exposition formats").

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use turnout_core::ErrorCode;

use super::catalogue as names;
use super::histogram::{Histogram, Totals};
use super::{DOORS, MetricInfo, ServableMetrics, Shard};
use crate::drain::Stage;
use crate::request_log::{Counters, Loss};
use crate::routes::Routes;
use crate::servable::Servable;
use crate::shared::Shared;

/// The text of a page that is being written.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, metric: &MetricInfo) {
        let _ = writeln!(
            self.0,
            "# HELP {} {}\n# TYPE {} {}",
            metric.name, metric.help, metric.name, metric.kind
        );
    }

    fn sample(
        &mut self,
        metric: &MetricInfo,
        suffix: &str,
        labels: &[&str],
        extra: Option<(&str, &str)>,
        value: f64,
    ) {
        self.0.push_str(metric.name);
        self.0.push_str(suffix);
        let pairs = metric
            .labels
            .iter()
            .copied()
            .zip(labels.iter().copied())
            .chain(extra);
        for (index, (name, value)) in pairs.enumerate() {
            let _ = write!(
                self.0,
                "{}{name}=\"{}\"",
                if index == 0 { '{' } else { ',' },
                escape(value)
            );
        }
        let close = if metric.labels.is_empty() && extra.is_none() {
            ""
        } else {
            "}"
        };
        let _ = writeln!(self.0, "{close} {value}");
    }

    fn value(&mut self, metric: &MetricInfo, labels: &[&str], value: f64) {
        self.sample(metric, "", labels, None, value);
    }

    fn single(&mut self, metric: &MetricInfo, value: f64) {
        self.head(metric);
        self.value(metric, &[], value);
    }

    fn histogram(&mut self, metric: &MetricInfo, labels: &[&str], totals: &Totals) {
        for (bound, count) in totals.cumulative() {
            self.sample(
                metric,
                "_bucket",
                labels,
                Some(("le", &bound.to_string())),
                count as f64,
            );
        }
        self.sample(
            metric,
            "_bucket",
            labels,
            Some(("le", "+Inf")),
            totals.count() as f64,
        );
        self.sample(metric, "_sum", labels, None, totals.sum());
        self.sample(metric, "_count", labels, None, totals.count() as f64);
    }
}

pub(super) fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Writes the whole page.
pub(crate) fn render(shared: &Shared, version: &str) -> String {
    let mut page = Page::default();
    let servables = shared.metrics.live_servables();
    let routes = shared.routes.load();
    requests(&mut page, shared, &servables);
    durations(&mut page, &servables);
    batches(&mut page, &servables);
    versions(&mut page, &routes);
    process(&mut page, shared, &routes, version);
    page.0
}

fn requests(page: &mut Page, shared: &Shared, servables: &[Arc<ServableMetrics>]) {
    let code_name = |index: usize| {
        if index == 0 {
            "ok"
        } else {
            ErrorCode::ALL[index - 1].slug()
        }
    };
    page.head(&names::REQUESTS);
    each_signature(servables, |labels, shards| {
        for door in DOORS {
            for code in 0..super::CODES {
                let count: u64 = shards
                    .iter()
                    .map(|s| s.ended[door as usize][code].load(Ordering::Relaxed))
                    .sum();
                if count > 0 {
                    let labels = [
                        labels[0],
                        labels[1],
                        labels[2],
                        door.name(),
                        code_name(code),
                    ];
                    page.value(&names::REQUESTS, &labels, count as f64);
                }
            }
        }
    });
    page.head(&names::REFUSED);
    for door in DOORS {
        for (code, count) in shared.metrics.refused[door as usize].iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                page.value(
                    &names::REFUSED,
                    &[door.name(), code_name(code)],
                    count as f64,
                );
            }
        }
    }
    page.head(&names::IN_FLIGHT);
    each_signature(servables, |labels, shards| {
        let begun: u64 = shards
            .iter()
            .map(|shard| shard.begun.load(Ordering::Relaxed))
            .sum();
        let ended: u64 = shards
            .iter()
            .flat_map(|s| s.ended.iter().flatten())
            .map(|n| n.load(Ordering::Relaxed))
            .sum();
        page.value(
            &names::IN_FLIGHT,
            labels,
            begun.saturating_sub(ended) as f64,
        );
    });
}

fn durations(page: &mut Page, servables: &[Arc<ServableMetrics>]) {
    type Pick = fn(&Shard) -> &Histogram;
    let histograms: [(&MetricInfo, Pick); 5] = [
        (&names::TOTAL, |shard| &shard.total),
        (&names::DECODE, |shard| &shard.decode),
        (&names::QUEUE, |shard| &shard.queue),
        (&names::EXECUTE, |shard| &shard.execute),
        (&names::ENCODE, |shard| &shard.encode),
    ];
    for (metric, pick) in histograms {
        page.head(metric);
        each_signature(servables, |labels, shards| {
            if let Some(totals) = Histogram::totals(shards.iter().map(pick)) {
                page.histogram(metric, labels, &totals);
            }
        });
    }
}

fn each_signature(servables: &[Arc<ServableMetrics>], mut write: impl FnMut(&[&str; 3], &[Shard])) {
    for servable in servables {
        let version = servable.version.to_string();
        for (signature, shards) in &servable.signatures {
            write(&[&servable.model, &version, signature], shards);
        }
    }
}

fn batches(page: &mut Page, servables: &[Arc<ServableMetrics>]) {
    type Pick = fn(&super::BatchShard) -> &Histogram;
    let histograms: [(&MetricInfo, Pick); 2] = [
        (&names::BATCH_ROWS, |batch| &batch.rows),
        (&names::BATCH_REQUESTS, |batch| &batch.requests),
    ];
    for (metric, pick) in histograms {
        page.head(metric);
        for servable in servables {
            if let Some(totals) = Histogram::totals(servable.batches.iter().map(pick)) {
                page.histogram(
                    metric,
                    &[&servable.model, &servable.version.to_string()],
                    &totals,
                );
            }
        }
    }
}

fn versions(page: &mut Page, routes: &Routes) {
    page.head(&names::VERSION_STATE);
    for model in &routes.models {
        for status in &model.versions {
            page.value(
                &names::VERSION_STATE,
                &[
                    &model.name,
                    &status.version.to_string(),
                    status.state.name(),
                ],
                1.0,
            );
        }
    }
    let seconds = |millis: u64| millis as f64 / 1e3;
    each_servable(page, routes, &names::LOAD, |servable| {
        seconds(servable.facts.load_ms)
    });
    each_servable(page, routes, &names::WARMUP, |servable| {
        seconds(servable.facts.warmup_ms)
    });
    each_servable(page, routes, &names::QUEUE_DEPTH, |servable| {
        servable.waiting() as f64
    });
}

fn each_servable(
    page: &mut Page,
    routes: &Routes,
    metric: &MetricInfo,
    value: impl Fn(&Servable) -> f64,
) {
    page.head(metric);
    for (model, version, servable) in routes.iter() {
        page.value(metric, &[model, &version.to_string()], value(servable));
    }
}

fn process(page: &mut Page, shared: &Shared, routes: &Routes, version: &str) {
    let ready = routes.ready.ready && shared.drain.stage() == Stage::Serving;
    page.single(&names::READY, f64::from(u8::from(ready)));
    page.head(&names::CONNECTIONS);
    for door in &DOORS[..2] {
        let count = shared.metrics.connections[*door as usize].load(Ordering::Relaxed);
        page.value(&names::CONNECTIONS, &[door.name()], count as f64);
    }
    page.single(&names::CONNECTIONS_OPEN, shared.connections.get() as f64);
    page.single(&names::INFLIGHT_BYTES, shared.budget.used_bytes() as f64);
    page.single(&names::LOGS_DROPPED, shared.events.dropped_logs() as f64);
    request_log(page, shared.request_log.counters());
    page.single(&names::UPTIME, shared.started.elapsed().as_secs_f64());
    page.head(&names::BUILD);
    page.value(&names::BUILD, &[version], 1.0);
}

fn request_log(page: &mut Page, counters: &Counters) {
    page.single(&names::REQUEST_LOG, counters.written() as f64);
    page.head(&names::REQUEST_LOG_DROPPED);
    for why in Loss::ALL {
        let lost = counters.lost(why) as f64;
        page.value(&names::REQUEST_LOG_DROPPED, &[why.name()], lost);
    }
    page.single(&names::REQUEST_LOG_BYTES, counters.disk_bytes() as f64);
}
