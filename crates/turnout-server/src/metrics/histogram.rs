//! Histograms over powers of two: the bucket of a value is a count of leading zeros.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const BUCKETS: usize = 24;

/// What the stored integers mean on the page.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// Nanoseconds, shown as seconds; the first bucket ends at 2.048 µs, the last at 17 s.
    Seconds,
    /// Plain counts; buckets end at 1, 2, 4, …
    Counts,
}

/// Cumulative only on the page; here each bucket stands alone.
#[derive(Debug)]
pub(super) struct Histogram {
    scale: Scale,
    buckets: [AtomicU64; BUCKETS + 1],
    sum: AtomicU64,
}

/// Sums of several shards.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    scale: Scale,
    buckets: [u64; BUCKETS + 1],
    sum: u64,
}

const FIRST_NANOS_BITS: u32 = 11;

impl Histogram {
    pub(super) fn seconds() -> Self {
        Self::new(Scale::Seconds)
    }

    pub(super) fn counts() -> Self {
        Self::new(Scale::Counts)
    }

    fn new(scale: Scale) -> Self {
        Self {
            scale,
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
        }
    }

    pub(super) fn observe_time(&self, from: Instant, to: Instant) {
        let nanos = to.saturating_duration_since(from).as_nanos();
        self.observe(u64::try_from(nanos).unwrap_or(u64::MAX));
    }

    /// Nanoseconds or a count, by the histogram's scale.
    pub(super) fn observe(&self, value: u64) {
        // Values up to and including 2^k belong to bucket k.
        let bits = u64::BITS - value.saturating_sub(1).leading_zeros();
        let first = if self.scale == Scale::Seconds {
            FIRST_NANOS_BITS
        } else {
            0
        };
        let index = (bits.saturating_sub(first) as usize).min(BUCKETS);
        self.buckets[index].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(super) fn totals<'a>(mut shards: impl Iterator<Item = &'a Self>) -> Option<Totals> {
        let read = |histogram: &Self| Totals {
            scale: histogram.scale,
            buckets: std::array::from_fn(|index| histogram.buckets[index].load(Ordering::Relaxed)),
            sum: histogram.sum.load(Ordering::Relaxed),
        };
        let first = read(shards.next()?);
        Some(shards.map(read).fold(first, |sum, more| sum.add(&more)))
    }
}

impl Totals {
    fn add(mut self, other: &Self) -> Self {
        self.buckets
            .iter_mut()
            .zip(&other.buckets)
            .for_each(|(mine, theirs)| *mine += theirs);
        self.sum += other.sum;
        self
    }

    /// (upper bound, cumulative count) of each finite bucket.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        self.buckets[..BUCKETS]
            .iter()
            .zip(0u32..)
            .scan(0, |sum, (count, index)| {
                *sum += count;
                Some((self.bound(index), *sum))
            })
    }

    fn bound(&self, index: u32) -> f64 {
        match self.scale {
            Scale::Seconds => (1u64 << (index + FIRST_NANOS_BITS)) as f64 / 1e9,
            Scale::Counts => (1u64 << index) as f64,
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(super) fn sum(&self) -> f64 {
        match self.scale {
            Scale::Seconds => self.sum as f64 / 1e9,
            Scale::Counts => self.sum as f64,
        }
    }
}
