//! A histogram of nanoseconds with at most 0.8 % error over its whole range, in constant space.

/// Each power of two is split into this many buckets.
const SPLIT: usize = 128;
const SPLIT_BITS: u32 = SPLIT.trailing_zeros();
/// Values up to 2^42 ns, more than an hour; larger ones count as that.
const LARGEST: u64 = (1 << 42) - 1;
const BUCKETS: usize = (42 - SPLIT_BITS as usize + 1) * SPLIT;

#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS].into(),
            count: 0,
            sum: 0,
            max: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, value: u64) {
        let value = value.min(LARGEST);
        self.counts[index(value)] += 1;
        self.count += 1;
        self.sum += value;
        self.max = self.max.max(value);
    }

    /// Counts what `other` counted too.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    /// The smallest recorded value, to within a bucket, that `fraction` of all values do not exceed; 0 when empty.
    pub(crate) fn quantile(&self, fraction: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank is positive and at most the count"
        )]
        let rank = (fraction * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return highest(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn index(value: u64) -> usize {
    let shift = value.max(1).ilog2().saturating_sub(SPLIT_BITS);
    let within = usize::try_from(value >> shift).expect("bug: a bucket number is small");
    // Below 2 × SPLIT buckets are one wide and the number is the value itself.
    shift as usize * SPLIT + within
}

/// The largest value that falls into a bucket.
fn highest(bucket: usize) -> u64 {
    let shift = (bucket / SPLIT).saturating_sub(1);
    let within = (bucket - shift * SPLIT) as u64;
    ((within + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_to_within_one_percent() {
        for exponent in 0..42 {
            for value in [
                1u64 << exponent,
                (1 << exponent) + 1,
                (1 << exponent) * 3 / 2,
            ] {
                let top = highest(index(value));
                assert!(top >= value, "{value} {top}");
                assert!(
                    (top - value) as f64 <= 0.008 * value as f64,
                    "{value} {top}"
                );
            }
        }
        assert!(index(LARGEST) < BUCKETS);
    }

    #[test]
    fn buckets_do_not_overlap() {
        for value in 1..100_000u64 {
            assert!(index(value) >= index(value - 1));
            assert!(highest(index(value - 1)) < value || index(value) == index(value - 1));
        }
    }

    #[test]
    fn the_sum_of_two_counts_what_both_counted() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        for value in 1..=50 {
            low.record(value);
            high.record(value + 50);
        }
        low.add(&high);
        assert_eq!(low.quantile(0.99), 99);
        assert_eq!((low.count(), low.max()), (100, 100));
        assert!((low.mean() - 50.5).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        for value in 1..=100 {
            histogram.record(value);
        }
        assert_eq!(histogram.quantile(0.5), 50);
        assert_eq!(histogram.quantile(0.99), 99);
        assert_eq!(histogram.quantile(1.0), 100);
        assert_eq!(histogram.max(), 100);
        assert_eq!(histogram.count(), 100);
        assert!((histogram.mean() - 50.5).abs() < 1e-9);
    }
}
