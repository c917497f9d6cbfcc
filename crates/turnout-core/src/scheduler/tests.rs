use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn entry(work: usize, rows: usize, shapes: u64, deadline: Instant) -> Entry<usize> {
    let bucket = Bucket {
        signature: 0,
        shapes,
        as_shown: true,
    };
    Entry {
        rows,
        weight: rows,
        bucket,
        deadline,
        cancellation: Cancellation::default(),
        work,
    }
}

fn no_wait(mergeable: bool) -> NoWait<usize> {
    NoWait::new(NoWaitOptions {
        max_queue: 8,
        max_batch_rows: 4,
        mergeable,
    })
}

fn works(batch: &Batch<usize>) -> Vec<usize> {
    batch.entries.iter().map(|entry| entry.work).collect()
}

#[test]
fn a_full_queue_gives_the_entry_back() {
    let now = Instant::now();
    let mut scheduler = no_wait(true);
    for work in 0..8 {
        assert!(scheduler.offer(entry(work, 1, 0, now), now).is_ok());
    }
    assert_eq!(
        scheduler
            .offer(entry(8, 1, 0, now), now)
            .expect_err("full")
            .work,
        8
    );
}

#[test]
fn entries_of_unusual_shapes_run_alone() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    let mut scheduler = no_wait(true);
    for work in 0..4 {
        let mut entry = entry(work, 1, 0, later);
        entry.bucket.as_shown = work > 1;
        scheduler.offer(entry, now).expect("room");
    }
    let batches = std::iter::from_fn(|| scheduler.next_batch(now, usize::MAX).batch);
    let batches: Vec<Vec<usize>> = batches.map(|batch| works(&batch)).collect();
    assert_eq!(batches, [vec![0], vec![1], vec![2, 3]]);
}

#[test]
fn expired_and_cancelled_entries_are_dropped_with_their_reason() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    let mut scheduler = no_wait(true);
    let cancelled = entry(1, 1, 0, later);
    cancelled.cancellation.cancel();
    for entry in [entry(0, 1, 0, now), cancelled, entry(2, 1, 0, later)] {
        scheduler.offer(entry, now).expect("room");
    }
    let next = scheduler.next_batch(now, usize::MAX);
    assert_eq!(works(&next.batch.expect("one is live")), [2]);
    let why: Vec<_> = next
        .dropped
        .iter()
        .map(|(entry, why)| (entry.work, *why))
        .collect();
    assert_eq!(why, [(0, Dropped::DeadlinePassed), (1, Dropped::Cancelled)]);
}

#[test]
fn a_sweep_makes_room_and_keeps_the_order_of_the_living() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    let mut scheduler = no_wait(true);
    for work in 0..8 {
        let deadline = if work % 2 == 0 { now } else { later };
        scheduler
            .offer(entry(work, 1, 0, deadline), now)
            .expect("room");
    }
    let swept: Vec<_> = scheduler
        .sweep(now)
        .into_iter()
        .map(|(entry, why)| (entry.work, why))
        .collect();
    assert_eq!(
        swept,
        [0, 2, 4, 6].map(|work| (work, Dropped::DeadlinePassed))
    );
    assert_eq!(
        works(
            &scheduler
                .next_batch(now, usize::MAX)
                .batch
                .expect("four live")
        ),
        [1, 3, 5, 7]
    );
}

#[test]
fn a_request_larger_than_the_limit_runs_alone() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    let mut scheduler = no_wait(true);
    for (work, rows) in [(0, 9), (1, 1)] {
        scheduler
            .offer(entry(work, rows, 0, later), now)
            .expect("room");
    }
    assert_eq!(
        works(&scheduler.next_batch(now, usize::MAX).batch.expect("first")),
        [0]
    );
    assert_eq!(
        works(&scheduler.next_batch(now, usize::MAX).batch.expect("second")),
        [1]
    );
}

#[test]
fn a_batch_keeps_to_the_room_and_leaves_what_does_not_fit() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    let mut scheduler = no_wait(true);
    for (work, rows) in [(0, 1), (1, 1), (2, 1), (3, 3)] {
        scheduler
            .offer(entry(work, rows, 0, later), now)
            .expect("room");
    }
    assert!(scheduler.next_batch(now, 0).batch.is_none());
    let two = scheduler.next_batch(now, 2).batch.expect("two fit");
    assert_eq!(works(&two), [0, 1]);
    let one = scheduler.next_batch(now, 2).batch.expect("one fits");
    assert_eq!(works(&one), [2]);
    assert!(scheduler.next_batch(now, 2).batch.is_none(), "3 rows");
    assert_eq!(scheduler.front().map(|entry| entry.work), Some(3));
}

#[test]
fn room_is_for_weight_and_the_batch_limit_for_rows() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    let mut scheduler = no_wait(true);
    for work in 0..6 {
        let mut heavy = entry(work, 1, 0, later);
        heavy.weight = 10;
        scheduler.offer(heavy, now).expect("room");
    }
    assert!(scheduler.next_batch(now, 9).batch.is_none());
    let two = scheduler.next_batch(now, 25).batch.expect("two fit");
    assert_eq!((works(&two), two.rows, two.weight), (vec![0, 1], 2, 20));
    let four = scheduler.next_batch(now, 1_000).batch.expect("four rows");
    assert_eq!((four.rows, four.weight), (4, 40));
}

proptest! {
    /// Nothing is lost or run twice, order holds inside a bucket, limits hold, and buckets never mix.
    #[test]
    fn every_entry_leaves_exactly_once(
        offers in prop::collection::vec((0usize..6, 0u64..3, any::<bool>()), 0..40),
        mergeable in any::<bool>(),
        room in prop::option::of(5usize..9),
    ) {
        let room = room.unwrap_or(usize::MAX);
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut scheduler = no_wait(mergeable);
        let (mut accepted, mut left) = (Vec::new(), Vec::new());
        for (work, (rows, shapes, live)) in offers.into_iter().enumerate() {
            if scheduler.offer(entry(work, rows, shapes, if live { later } else { now }), now).is_ok() {
                accepted.push(work);
            }
        }
        loop {
            let front = scheduler.front().map(|entry| entry.work);
            let next = scheduler.next_batch(now, room);
            left.extend(next.dropped.iter().map(|(entry, _)| entry.work));
            let Some(batch) = next.batch else { break };
            prop_assert!(batch.entries.len() == 1 || (mergeable && batch.rows <= 4));
            prop_assert!(!next.dropped.is_empty() || Some(batch.entries[0].work) == front);
            prop_assert!(batch.entries.iter().all(|entry| entry.bucket == batch.entries[0].bucket));
            prop_assert_eq!(batch.rows, batch.entries.iter().map(|entry| entry.rows).sum::<usize>());
            prop_assert!(works(&batch).is_sorted());
            left.extend(works(&batch));
        }
        left.sort_unstable();
        prop_assert_eq!(left, accepted);
        prop_assert!(scheduler.is_empty());
    }
}
