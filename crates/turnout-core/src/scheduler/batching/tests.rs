use proptest::prelude::*;

use super::*;
use crate::Cancellation;

/// A request and the rows of it that a part stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    request: usize,
    rows: std::ops::Range<usize>,
}

impl Cut for Part {
    fn cut(self, rows: &[usize]) -> Vec<Self> {
        let mut start = self.rows.start;
        let part = |count: &usize| {
            let rows = start..start + count;
            start = rows.end;
            Self { rows, ..self }
        };
        rows.iter().map(part).collect()
    }
}

const MS: Duration = Duration::from_millis(1);

fn entry(request: usize, rows: usize, deadline: Instant) -> Entry<Part> {
    Entry {
        rows,
        weight: rows,
        bucket: Bucket {
            signature: 0,
            shapes: 0,
            as_shown: true,
        },
        deadline,
        cancellation: Cancellation::default(),
        work: Part {
            request,
            rows: 0..rows,
        },
    }
}

fn options() -> BatchingOptions {
    BatchingOptions {
        max_queue: 100,
        max_execution_rows: 4,
        max_enqueued_batches: 2,
        timeout: 10 * MS,
        splits: false,
    }
}

fn requests(batch: &Batch<Part>) -> Vec<usize> {
    batch
        .entries
        .iter()
        .map(|entry| entry.work.request)
        .collect()
}

fn take(scheduler: &mut Batching<Part>, now: Instant) -> Option<Vec<usize>> {
    let next = scheduler.next_batch(now, usize::MAX);
    assert!(next.dropped.is_empty());
    next.batch.as_ref().map(requests)
}

/// A moment and one long after it.
fn times() -> (Instant, Instant) {
    let now = Instant::now();
    (now, now + 1_000 * MS)
}

#[test]
fn a_batch_closes_by_size_or_by_age() {
    let (now, later) = times();
    let mut scheduler = Batching::new(options());
    assert_eq!(scheduler.wait(now), None);
    for request in 0..5 {
        let at = now + u32::try_from(request).expect("small") * MS;
        scheduler
            .offer(entry(request, 1, later), at)
            .expect("places");
    }
    assert_eq!(scheduler.wait(now), Some(Duration::ZERO));
    assert_eq!(take(&mut scheduler, now + 4 * MS), Some(vec![0, 1, 2, 3]));
    assert_eq!(scheduler.wait(now + 4 * MS), Some(10 * MS));
    assert_eq!(take(&mut scheduler, now + 13 * MS), None);
    assert_eq!(take(&mut scheduler, now + 14 * MS), Some(vec![4]));
    assert!(scheduler.is_empty());
}

#[test]
fn without_a_time_out_nobody_waits() {
    let (now, later) = times();
    let timeout = Duration::ZERO;
    let mut scheduler = Batching::new(BatchingOptions {
        timeout,
        ..options()
    });
    scheduler.offer(entry(0, 1, later), now).expect("places");
    assert_eq!(take(&mut scheduler, now), Some(vec![0]));
}

#[test]
fn a_request_waits_for_others_half_of_the_time_that_it_has() {
    let (now, later) = times();
    let mut scheduler = Batching::new(options());
    scheduler.offer(entry(0, 1, later), now).expect("places");
    scheduler
        .offer(entry(1, 1, now + 8 * MS), now + 2 * MS)
        .expect("places");
    assert_eq!(scheduler.wait(now + 2 * MS), Some(3 * MS));
    assert_eq!(take(&mut scheduler, now + 5 * MS), Some(vec![0, 1]));
}

#[test]
fn shapes_wait_apart_and_the_oldest_comes_first() {
    let (now, later) = times();
    let mut scheduler = Batching::new(BatchingOptions {
        max_enqueued_batches: 9,
        ..options()
    });
    let mut odd = entry(0, 1, later);
    odd.bucket.shapes = 7;
    scheduler.offer(odd, now).expect("places");
    for request in 1..9 {
        scheduler
            .offer(entry(request, 1, later), now + MS)
            .expect("places");
    }
    assert_eq!(take(&mut scheduler, now + MS), Some(vec![1, 2, 3, 4]));
    assert_eq!(take(&mut scheduler, now + 10 * MS), Some(vec![0]));
    assert_eq!(take(&mut scheduler, now + 10 * MS), Some(vec![5, 6, 7, 8]));
}

#[test]
fn what_may_not_be_merged_runs_at_once_and_alone() {
    let (now, later) = times();
    let mut scheduler = Batching::new(options());
    for request in 0..2 {
        let mut alone = entry(request, 9, later);
        alone.bucket.as_shown = false;
        scheduler.offer(alone, now).expect("places");
    }
    assert_eq!(take(&mut scheduler, now), Some(vec![0]));
    assert_eq!(take(&mut scheduler, now), Some(vec![1]));
}

#[test]
fn a_full_queue_says_how_many_batches_wait_and_other_signatures_go_on() {
    let (now, later) = times();
    let mut scheduler = Batching::new(options());
    for (request, rows) in [(0, 3), (1, 3), (2, 1)] {
        scheduler
            .offer(entry(request, rows, later), now)
            .expect("places");
    }
    let refused = scheduler.offer(entry(3, 2, later), now).expect_err("full");
    let full = Refusal::Batches {
        waiting: 2,
        most: 2,
    };
    assert_eq!(scheduler.refusal(&refused), full);
    let mut other = entry(4, 4, later);
    other.bucket.signature = 1;
    scheduler.offer(other, now).expect("its own places");
    assert_eq!(
        take(&mut scheduler, now),
        Some(vec![0]),
        "3 and 3 rows are too many"
    );
    scheduler
        .offer(entry(5, 2, later), now)
        .expect("room again");
}

#[test]
fn so_many_requests_wait_at_most() {
    let (now, later) = times();
    let mut scheduler = Batching::new(BatchingOptions {
        max_queue: 2,
        ..options()
    });
    for request in 0..2 {
        scheduler
            .offer(entry(request, 1, later), now)
            .expect("places");
    }
    let refused = scheduler.offer(entry(2, 1, later), now).expect_err("full");
    assert_eq!(scheduler.refusal(&refused), Refusal::Requests { most: 2 });
}

#[test]
fn a_sweep_makes_room() {
    let (now, later) = times();
    let mut scheduler = Batching::new(options());
    for (request, deadline) in [(0, now + 4 * MS), (1, later)] {
        scheduler
            .offer(entry(request, 4, deadline), now)
            .expect("places");
    }
    let at = now + 5 * MS;
    assert!(scheduler.offer(entry(2, 1, later), at).is_err());
    let swept: Vec<_> = scheduler
        .sweep(at)
        .iter()
        .map(|(entry, why)| (entry.work.request, *why))
        .collect();
    assert_eq!(swept, [(0, Dropped::DeadlinePassed)]);
    scheduler.offer(entry(2, 1, later), at).expect("room");
    assert_eq!(take(&mut scheduler, at), Some(vec![1]));
    assert_eq!(take(&mut scheduler, at + 10 * MS), Some(vec![2]));
}

#[test]
fn a_large_request_is_cut_to_fill_batches() {
    let (now, later) = times();
    let mut scheduler = Batching::new(BatchingOptions {
        splits: true,
        max_enqueued_batches: 4,
        ..options()
    });
    scheduler.offer(entry(0, 3, later), now).expect("places");
    scheduler.offer(entry(1, 9, later), now).expect("places");
    let refused = scheduler.offer(entry(2, 5, later), now).expect_err("full");
    let full = Refusal::Rows {
        got: 5,
        room: 4,
        batches: 3,
        most_batches: 4,
        open_rows: 4,
        batch_rows: 4,
    };
    assert_eq!(scheduler.refusal(&refused), full);
    let sizes = |batch: Batch<Part>| {
        let works = batch.entries.into_iter().map(|entry| entry.work);
        works
            .map(|work| (work.request, work.rows))
            .collect::<Vec<_>>()
    };
    let mut next = || scheduler.next_batch(now, usize::MAX).batch.map(sizes);
    assert_eq!(next(), Some(vec![(0, 0..3), (1, 0..1)]));
    assert_eq!(next(), Some(vec![(1, 1..5)]));
    assert_eq!(next(), Some(vec![(1, 5..9)]));
    assert_eq!(next(), None);
}

#[derive(Clone, Debug)]
struct Offer {
    rows: usize,
    shapes: u64,
    signature: usize,
    as_shown: bool,
    patience_ms: u32,
    cancelled: bool,
    /// Time that passes before it, and whether a thread asks then.
    pause_ms: u32,
    asks: bool,
}

fn offers() -> impl Strategy<Value = Vec<Offer>> {
    let flags = (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.1),
        any::<bool>(),
    );
    let offer = (0usize..8, 0u64..3, 0usize..2, flags, 1u32..60, 0u32..4).prop_map(
        |(rows, shapes, signature, (as_shown, cancelled, asks), patience_ms, pause_ms)| Offer {
            rows,
            shapes,
            signature,
            as_shown,
            patience_ms,
            cancelled,
            pause_ms,
            asks,
        },
    );
    prop::collection::vec(offer, 0..60)
}

/// What has left a scheduler so far.
#[derive(Default)]
struct Left {
    parts: Vec<Part>,
    /// By bucket, as their order counts there.
    executed: HashMap<Bucket, Vec<Part>>,
}

impl Left {
    fn take(
        &mut self,
        scheduler: &mut Batching<Part>,
        options: &BatchingOptions,
        now: Instant,
    ) -> Result<bool, TestCaseError> {
        let wait = scheduler.wait(now);
        let next = scheduler.next_batch(now, usize::MAX);
        let anything = next.batch.is_some() || !next.dropped.is_empty();
        prop_assert_eq!(
            wait == Some(Duration::ZERO),
            anything,
            "{:?} was said",
            wait
        );
        self.parts
            .extend(next.dropped.into_iter().map(|(entry, _)| entry.work));
        let Some(batch) = next.batch else {
            return Ok(anything);
        };
        let bucket = batch.entries[0].bucket;
        prop_assert!(batch.entries.iter().all(|entry| entry.bucket == bucket));
        prop_assert!(batch.entries.len() == 1 || bucket.as_shown);
        let rows: usize = batch.entries.iter().map(|entry| entry.rows).sum();
        prop_assert_eq!(batch.rows, rows);
        let alone = batch.entries.len() == 1 && !(options.splits && bucket.as_shown);
        prop_assert!(rows <= options.max_execution_rows || alone);
        for entry in batch.entries {
            prop_assert!(entry.deadline > now && !entry.cancellation.is_cancelled());
            prop_assert_eq!(entry.rows, entry.work.rows.len());
            self.parts.push(entry.work.clone());
            self.executed.entry(bucket).or_default().push(entry.work);
        }
        Ok(true)
    }
}

proptest! {
    /// Nothing is lost and nothing runs twice, whole or in parts; order holds within a shape; nobody waits too long; shapes
    /// never mix; the queue is bounded.
    #[test]
    fn every_row_leaves_exactly_once(
        offers in offers(),
        splits in any::<bool>(),
        timeout_ms in 0u32..12,
        max_enqueued_batches in 1usize..6,
    ) {
        let options = BatchingOptions {
            splits, timeout: timeout_ms * MS, max_execution_rows: 4, max_enqueued_batches, max_queue: 20,
        };
        let mut scheduler = Batching::new(options);
        let (mut now, mut accepted, mut left) = (Instant::now(), Vec::new(), Left::default());
        for (request, offer) in offers.iter().enumerate() {
            now += offer.pause_ms * MS;
            let mut entry = entry(request, offer.rows, now + offer.patience_ms * MS);
            entry.bucket = Bucket {
                signature: offer.signature, shapes: offer.shapes, as_shown: offer.as_shown,
            };
            if offer.cancelled {
                entry.cancellation.cancel();
            }
            if scheduler.offer(entry, now).is_ok() {
                accepted.push(request);
            } else {
                left.parts.extend(scheduler.sweep(now).into_iter().map(|(entry, _)| entry.work));
            }
            for signature in 0..2 {
                prop_assert!(scheduler.taken(signature) <= options.all_places().max(8));
            }
            if offer.asks {
                left.take(&mut scheduler, &options, now)?;
            }
        }
        while let Some(wait) = scheduler.wait(now) {
            prop_assert!(wait <= options.timeout, "{wait:?}");
            now += wait;
            prop_assert!(left.take(&mut scheduler, &options, now)?, "woken for nothing");
        }
        prop_assert_eq!(scheduler.len(), 0);
        prop_assert!((0..2).all(|signature| scheduler.taken(signature) == 0));
        check_all_left(&left, &accepted, &offers)?;
    }
}

fn check_all_left(left: &Left, accepted: &[usize], offers: &[Offer]) -> Result<(), TestCaseError> {
    let mut parts = left.parts.clone();
    parts.sort_by_key(|part| (part.request, part.rows.start, part.rows.end));
    let mut requests: Vec<usize> = parts.iter().map(|part| part.request).collect();
    requests.dedup();
    prop_assert_eq!(&requests, accepted);
    for request in requests {
        let mut end = 0;
        for part in parts.iter().filter(|part| part.request == request) {
            prop_assert_eq!(part.rows.start, end);
            end = part.rows.end;
        }
        prop_assert_eq!(end, offers[request].rows);
    }
    for parts in left.executed.values() {
        let order = parts.iter().map(|part| (part.request, part.rows.start));
        prop_assert!(order.is_sorted());
    }
    Ok(())
}
