//! The learnt curve of execution time against rows, per servable.
//!
//! One exponentially weighted mean per power of two of rows. A request's cost belongs to its rows, not to its model: the
//! same 100-tree model takes 0.02 ms for one row and 168 ms for 100,000.

use std::sync::atomic::{AtomicU32, Ordering};

const BUCKETS: usize = 28;
const WEIGHT: f32 = 0.125;
/// One observation counts at most this many times the mean.
const CLIP: f32 = 8.0;

/// Microseconds by rows. Lock-free: a lost update costs one observation.
#[derive(Debug)]
pub struct LatencyCurve([AtomicU32; BUCKETS]);

impl Default for LatencyCurve {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl LatencyCurve {
    /// Records that `rows` rows took `micros`.
    pub fn observe(&self, rows: usize, micros: f32) {
        let cell = &self.0[bucket(rows)];
        let old = f32::from_bits(cell.load(Ordering::Relaxed));
        // A bucket spans a factor of two: observations are brought to the rows that stand for it.
        let micros = scale(micros.max(0.1), rows, 1 << bucket(rows));
        let new = if old == 0.0 {
            micros
        } else {
            // A thread that lost its core for milliseconds says nothing about the model.
            old + WEIGHT * (micros.min(old * CLIP) - old)
        };
        cell.store(new.to_bits(), Ordering::Relaxed);
    }

    /// Predicted microseconds for `rows` rows: from its own bucket, else scaled up from the next smaller known one (cost
    /// grows at most linearly there), else the next larger one's. Infinite when nothing was ever measured.
    pub fn predict_us(&self, rows: usize) -> f32 {
        let here = bucket(rows);
        for index in (0..=here).rev() {
            if let Some(known) = self.known(index) {
                return scale(known, 1 << index, rows.max(1));
            }
        }
        (here + 1..BUCKETS)
            .find_map(|index| self.known(index))
            .unwrap_or(f32::INFINITY)
    }

    fn known(&self, index: usize) -> Option<f32> {
        let value = f32::from_bits(self.0[index].load(Ordering::Relaxed));
        (value > 0.0).then_some(value)
    }
}

fn bucket(rows: usize) -> usize {
    (rows.max(1).ilog2() as usize).min(BUCKETS - 1)
}

/// Scales upwards in proportion to rows, and downwards not at all: fixed costs do not shrink.
#[expect(
    clippy::cast_precision_loss,
    reason = "row counts far below 2^24 matter here"
)]
fn scale(micros: f32, from_rows: usize, to_rows: usize) -> f32 {
    if to_rows > from_rows {
        micros * (to_rows as f32 / from_rows as f32)
    } else {
        micros
    }
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
