use std::time::Duration;

use super::*;

fn totals(histogram: &Histogram) -> histogram::Totals {
    Histogram::totals(std::iter::once(histogram)).expect("one shard")
}

#[test]
fn a_value_on_a_bound_belongs_to_its_bucket() {
    let counts = Histogram::counts();
    for value in [1, 2, 3, 4, 5] {
        counts.observe(value);
    }
    let cumulative: Vec<_> = totals(&counts).cumulative().take(4).collect();
    assert_eq!(cumulative, [(1.0, 1), (2.0, 2), (4.0, 4), (8.0, 5)]);
    assert!((totals(&counts).sum() - 15.0).abs() < f64::EPSILON);
}

#[test]
fn times_are_seconds_and_huge_ones_land_beyond_the_last_bound() {
    let seconds = Histogram::seconds();
    let start = Instant::now();
    seconds.observe_time(start, start + Duration::from_micros(2));
    seconds.observe_time(start, start + Duration::from_secs(100));
    let totals = totals(&seconds);
    let cumulative: Vec<_> = totals.cumulative().collect();
    assert_eq!(
        (
            cumulative[0].1,
            cumulative.last().expect("buckets").1,
            totals.count()
        ),
        (1, 1, 2)
    );
    assert!((cumulative[0].0 - 2.048e-6).abs() < 1e-12);
}

#[test]
fn an_unfinished_request_counts_as_cancelled() {
    let metrics = Metrics::new(1, false);
    let servable = metrics.servable(&Arc::from("m"), 1, &["s".to_owned()]);
    let stages = Stages::received(Instant::now());
    Tracked::begin(&servable, 0, 0, Door::Rest, stages).finish(None);
    drop(Tracked::begin(&servable, 0, 0, Door::Grpc, stages));
    let ended = |door: Door, code: usize| {
        servable.signatures[0].1[0].ended[door as usize][code].load(Ordering::Relaxed)
    };
    assert_eq!(ended(Door::Rest, 0), 1);
    assert_eq!(ended(Door::Grpc, ErrorCode::Cancelled as usize + 1), 1);
}

#[test]
fn names_are_unique_and_carry_the_prefix() {
    let mut seen: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert!(seen.iter().all(|name| name.starts_with("turnout_")));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), METRICS.len());
}
