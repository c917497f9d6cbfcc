//! How many lines of one kind are passed on.

use std::time::{Duration, Instant};

/// Lines of one kind that a period passes on.
const LINES: u32 = 3;
/// A warning that every call repeats is told often enough to be seen, seldom enough to be read past.
const PERIOD: Duration = Duration::from_secs(10);
/// Lines that begin alike are of one kind: the numbers in them come later.
const PREFIX_CHARS: usize = 32;
/// Kinds that are told apart at one time; the one that was quiet longest makes room.
const KINDS: usize = 64;

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Pass it on, and say how many of its kind were suppressed since the last one.
    Pass {
        suppressed: u64,
    },
    Suppress,
}

/// Counts lines by kind. Pure: the time is passed in.
#[derive(Debug)]
pub(super) struct RateLimit(Vec<Kind>);

#[derive(Debug)]
struct Kind {
    prefix: String,
    period_start: Instant,
    passed: u32,
    suppressed: u64,
}

impl RateLimit {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn judge(&mut self, line: &str, now: Instant) -> Verdict {
        let end = line
            .char_indices()
            .nth(PREFIX_CHARS)
            .map_or(line.len(), |(index, _)| index);
        let kind = self.kind(&line[..end], now);
        if now.saturating_duration_since(kind.period_start) >= PERIOD {
            kind.period_start = now;
            kind.passed = 0;
        }
        if kind.passed == LINES {
            kind.suppressed += 1;
            return Verdict::Suppress;
        }
        kind.passed += 1;
        Verdict::Pass {
            suppressed: std::mem::take(&mut kind.suppressed),
        }
    }

    fn kind(&mut self, prefix: &str, now: Instant) -> &mut Kind {
        let index = self
            .0
            .iter()
            .position(|kind| kind.prefix == prefix)
            .unwrap_or_else(|| {
                if self.0.len() == KINDS {
                    let oldest = (0..KINDS).min_by_key(|index| self.0[*index].period_start);
                    self.0.swap_remove(oldest.unwrap_or(0));
                }
                self.0.push(Kind {
                    prefix: prefix.to_owned(),
                    period_start: now,
                    passed: 0,
                    suppressed: 0,
                });
                self.0.len() - 1
            });
        &mut self.0[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_passes_three_lines_and_the_next_one_tells_of_the_rest() {
        let (mut limit, start) = (RateLimit::new(), Instant::now());
        let verdicts: Vec<Verdict> = (0..10)
            .map(|_| limit.judge("shape differs", start))
            .collect();
        assert_eq!(verdicts[..3], [Verdict::Pass { suppressed: 0 }; 3]);
        assert_eq!(verdicts[3..], [Verdict::Suppress; 7]);
        assert_eq!(
            limit.judge("shape differs", start + PERIOD),
            Verdict::Pass { suppressed: 7 }
        );
        assert_eq!(
            limit.judge("shape differs", start + PERIOD),
            Verdict::Pass { suppressed: 0 }
        );
    }

    #[test]
    fn kinds_are_told_apart_by_how_they_begin() {
        let (mut limit, now) = (RateLimit::new(), Instant::now());
        let begin = "x".repeat(PREFIX_CHARS);
        for number in 0..LINES {
            limit.judge(&format!("{begin} {number}"), now);
        }
        assert_eq!(limit.judge(&format!("{begin} 99"), now), Verdict::Suppress);
        assert_eq!(limit.judge("another", now), Verdict::Pass { suppressed: 0 });
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let (mut limit, start) = (RateLimit::new(), Instant::now());
        for number in 0..10_000 {
            limit.judge(
                &format!("{number} of many"),
                start + Duration::from_millis(number),
            );
        }
        assert_eq!(limit.0.len(), KINDS);
    }
}
