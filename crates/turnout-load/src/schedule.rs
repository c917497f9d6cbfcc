//! When the next request is due: pure, the clock passed in.

use crate::plan::Arrivals;

/// The intended times of an open loop. They do not depend on the answers: a server that falls behind is not spared, and
/// what it answers late counts from the time at which the request should have gone out.
#[derive(Debug)]
pub(crate) struct OpenLoop {
    next_ns: f64,
    mean_ns: f64,
    arrivals: Arrivals,
    random: Random,
}

impl OpenLoop {
    pub(crate) fn new(start_ns: u64, rate_per_s: f64, arrivals: Arrivals, seed: u64) -> Self {
        Self {
            next_ns: start_ns as f64,
            mean_ns: 1e9 / rate_per_s,
            arrivals,
            random: Random::new(seed),
        }
    }

    /// When the next request should go out.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "nanoseconds since boot are positive and below 2^53 for a hundred days"
    )]
    pub(crate) fn next_ns(&self) -> u64 {
        self.next_ns as u64
    }

    /// Takes the next intended time when it has come.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<u64> {
        let intended = self.next_ns();
        if intended > now_ns {
            return None;
        }
        self.next_ns += match self.arrivals {
            Arrivals::Fixed => self.mean_ns,
            Arrivals::Poisson => -self.mean_ns * (1.0 - self.random.fraction()).ln(),
        };
        Some(intended)
    }
}

/// A small generator of pseudo-random numbers.
///
/// Source: Marsaglia, "Xorshift RNGs", 2003, the 64-bit triple (13, 7, 17).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// In [0, 1).
    fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(arrivals: Arrivals, until_ns: u64) -> usize {
        let mut open = OpenLoop::new(0, 1000.0, arrivals, 7);
        std::iter::from_fn(|| open.take_due(until_ns)).count()
    }

    #[test]
    fn a_fixed_schedule_keeps_its_rate_and_its_distance() {
        let mut open = OpenLoop::new(5, 1000.0, Arrivals::Fixed, 1);
        assert_eq!(open.take_due(4), None);
        assert_eq!(open.take_due(5), Some(5));
        assert_eq!(open.take_due(1_000_004), None);
        assert_eq!(open.take_due(3_000_000), Some(1_000_005));
        assert_eq!(count(Arrivals::Fixed, 9_999_999_999), 10_000);
    }

    #[test]
    fn poisson_arrivals_keep_their_mean() {
        let count = count(Arrivals::Poisson, 100_000_000_000);
        assert!((99_000..101_000).contains(&count), "{count}");
    }
}
