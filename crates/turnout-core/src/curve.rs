//! The learnt curve of execution time against rows, per servable.
//!
//! One point per power of two of rows, each the exponentially weighted mean of what was observed there; straight lines
//! between. A request's cost belongs to its rows, not to its model: the same 100-tree model takes 0.02 ms for one row and
//! 168 ms for 100,000. Rows of varying size count by their weight ([`crate::scheduler::Entry::weight`]).

use std::sync::atomic::{AtomicU64, Ordering};

const BUCKETS: usize = 28;
const WEIGHT: f32 = 0.125;
/// One observation counts at most this many times the mean.
const CLIP: f32 = 8.0;

/// Microseconds by rows. Lock-free: a lost update costs one observation.
#[derive(Debug)]
pub struct LatencyCurve([AtomicU64; BUCKETS]);

/// Mean rows and mean microseconds of a bucket.
#[derive(Clone, Copy, Debug)]
struct Point {
    rows: f32,
    micros: f32,
}

impl Default for LatencyCurve {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl LatencyCurve {
    /// Records that `rows` rows took `micros`.
    pub fn observe(&self, rows: usize, micros: f32) {
        let seen = Point {
            rows: to_f32(rows),
            micros: micros.max(0.1),
        };
        let index = bucket(rows);
        let point = self.point(index).map_or(seen, |mean| mean.moved_to(seen));
        self.0[index].store(point.to_bits(), Ordering::Relaxed);
    }

    /// Predicted microseconds for `rows` rows: on the line between the points beside it; beyond the last point in
    /// proportion to rows, below the first one no less than there. Infinite when nothing was ever measured.
    pub fn predict_us(&self, rows: usize) -> f32 {
        let (here, rows) = (bucket(rows), to_f32(rows));
        let points = |range: std::ops::Range<usize>| range.filter_map(|index| self.point(index));
        let below = points(0..here + 1).rev().find(|point| point.rows <= rows);
        let above = points(here..BUCKETS).find(|point| point.rows >= rows);
        match (below, above) {
            (Some(below), Some(above)) => below.line_to(above, rows),
            (Some(below), None) => below.micros * (rows / below.rows),
            (None, Some(above)) => above.micros,
            (None, None) => f32::INFINITY,
        }
    }

    /// The most rows, up to `max_rows`, that are predicted to take at most `micros`; 0 when one takes longer.
    pub fn rows_within(&self, micros: f32, max_rows: usize) -> usize {
        if self.predict_us(max_rows) <= micros {
            return max_rows;
        }
        let (mut fits, mut too_many) = (0, max_rows);
        while fits + 1 < too_many {
            let rows = fits.midpoint(too_many);
            if self.predict_us(rows) <= micros {
                fits = rows;
            } else {
                too_many = rows;
            }
        }
        fits
    }

    fn point(&self, index: usize) -> Option<Point> {
        let bits = self.0[index].load(Ordering::Relaxed);
        (bits != 0).then(|| Point::from_bits(bits))
    }
}

impl Point {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each half is one of the two"
    )]
    fn from_bits(bits: u64) -> Self {
        Self {
            rows: f32::from_bits((bits >> 32) as u32),
            micros: f32::from_bits(bits as u32),
        }
    }

    fn to_bits(self) -> u64 {
        u64::from(self.rows.to_bits()) << 32 | u64::from(self.micros.to_bits())
    }

    /// The mean after another observation. A thread that lost its core for milliseconds says nothing about the model.
    fn moved_to(self, seen: Self) -> Self {
        let micros = seen.micros.min(self.micros * CLIP);
        Self {
            rows: self.rows + WEIGHT * (seen.rows - self.rows),
            micros: self.micros + WEIGHT * (micros - self.micros),
        }
    }

    fn line_to(self, other: Self, rows: f32) -> f32 {
        let span = other.rows - self.rows;
        let share = if span > 0.0 {
            (rows - self.rows) / span
        } else {
            0.0
        };
        self.micros + share * (other.micros - self.micros)
    }
}

fn bucket(rows: usize) -> usize {
    (rows.max(1).ilog2() as usize).min(BUCKETS - 1)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a row count is a mean or a share here"
)]
fn to_f32(rows: usize) -> f32 {
    rows.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_infinite_and_known_is_returned() {
        let curve = LatencyCurve::default();
        assert!(curve.predict_us(1).is_infinite());
        curve.observe(1, 20.0);
        assert!((curve.predict_us(1) - 20.0).abs() < 0.01);
    }

    #[test]
    fn larger_requests_scale_linearly_until_measured() {
        let curve = LatencyCurve::default();
        curve.observe(1, 2.0);
        assert!(curve.predict_us(100_000) > 100_000.0);
        curve.observe(65_536, 9_000.0);
        assert!(curve.predict_us(100_000) < 20_000.0);
    }

    #[test]
    fn sizes_between_two_measured_ones_lie_on_the_line_between() {
        let curve = LatencyCurve::default();
        curve.observe(64, 60.0);
        curve.observe(128, 124.0);
        assert!((curve.predict_us(64) - 60.0).abs() < 0.01);
        assert!((curve.predict_us(96) - 92.0).abs() < 0.01);
        curve.observe(96, 92.0);
        assert!(
            (curve.predict_us(96) - 92.0).abs() < 0.01,
            "a point moves along"
        );
    }

    #[test]
    fn rows_within_a_time_are_the_most_that_fit() {
        let curve = LatencyCurve::default();
        assert_eq!(curve.rows_within(100.0, 1_024), 0, "nothing is known");
        curve.observe(1, 4.0);
        curve.observe(101, 104.0);
        for (micros, rows) in [(3.9, 0), (4.0, 1), (54.5, 51), (104.0, 101), (1e6, 1_024)] {
            assert_eq!(curve.rows_within(micros, 1_024), rows, "{micros}");
        }
        assert_eq!(curve.rows_within(100.0, 0), 0);
    }

    #[test]
    fn an_outlier_is_clipped_and_a_lasting_change_is_learnt() {
        let curve = LatencyCurve::default();
        curve.observe(1, 8.0);
        curve.observe(1, 8_000.0);
        assert!((curve.predict_us(1) - 15.0).abs() < 0.01);
        for _ in 0..40 {
            curve.observe(1, 8_000.0);
        }
        assert!(curve.predict_us(1) > 7_000.0);
    }

    #[test]
    fn smaller_requests_take_the_next_larger_bucket_when_nothing_smaller_is_known() {
        let curve = LatencyCurve::default();
        curve.observe(64, 50.0);
        assert!((curve.predict_us(1) - 50.0).abs() < 0.01);
    }
}
