//! Number tokens, and their conversion without a second look at the text where that is exact.

use super::cursor::{Cursor, Fault, Parse};

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// As many decimal digits always fit a `u64`.
const SAFE_DIGITS: usize = 19;

/// So many digits have at most this power of ten.
const SAFE_EXPONENT: i32 = 19;

/// Larger exponents are all the same: zero or too big.
const EXPONENT_LIMIT: i32 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Decimal,
    Nan,
    Infinity,
}

/// A number as it was written: `±digits × 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    text: &'a [u8],
    offset: usize,
    kind: Kind,
    negative: bool,
    /// Meaningful while `digits` is at most [`SAFE_DIGITS`].
    value: u64,
    digits: usize,
    exponent: i32,
}

impl<'a> Cursor<'a> {
    /// Reads a number token; anything else is an invalid value.
    // Inlined, with the next two, so that a number stays in registers between its text and its value.
    #[inline]
    pub(super) fn number(&mut self) -> Parse<Number<'a>> {
        let text = &self.bytes()[self.position()..];
        let negative = text.first() == Some(&b'-');
        let start = usize::from(negative);
        let (mut value, mut end) = digits(text, start, 0);
        if end == start {
            return self.number_word(negative);
        }
        if text[start] == b'0' {
            (value, end) = (0, start + 1);
        }
        let (mut kind, mut digit_count, mut exponent) = (Kind::Integer, end - start, 0);
        if text.get(end) == Some(&b'.') {
            let fraction = end + 1;
            (value, end) = digits(text, fraction, value);
            if end == fraction {
                self.advance(end);
                return self.fault("Miss fraction part in number.");
            }
            (kind, digit_count) = (Kind::Decimal, digit_count + end - fraction);
            exponent = -i32::try_from(end - fraction).unwrap_or(EXPONENT_LIMIT);
        }
        let offset = self.position();
        self.advance(end);
        if matches!(self.peek(), b'e' | b'E') {
            exponent = exponent.saturating_add(self.exponent()?);
            kind = Kind::Decimal;
        }
        let text = &text[..self.position() - offset];
        Ok(Number {
            text,
            offset,
            kind,
            negative,
            value,
            digits: digit_count,
            exponent,
        })
    }

    /// `NaN`, `Inf` or `Infinity`, behind the sign if there is one.
    #[cold]
    fn number_word(&mut self, negative: bool) -> Parse<Number<'a>> {
        let offset = self.position();
        self.advance(usize::from(negative));
        let kind = match self.peek() {
            b'N' => {
                self.take_word(b"NaN")?;
                Kind::Nan
            }
            b'I' => {
                self.take_word(b"Inf")?;
                if self.peek() == b'i' {
                    self.take_word(b"inity")?;
                }
                Kind::Infinity
            }
            _ => return self.fault("Invalid value."),
        };
        Ok(Number {
            text: &[],
            offset,
            kind,
            negative,
            value: 0,
            digits: 0,
            exponent: 0,
        })
    }

    /// The exponent whose `e` comes next.
    fn exponent(&mut self) -> Parse<i32> {
        self.advance(1);
        let negative = self.peek() == b'-';
        self.advance(usize::from(matches!(self.peek(), b'-' | b'+')));
        if !self.peek().is_ascii_digit() {
            return self.fault("Miss exponent in number.");
        }
        let mut value = 0i32;
        while self.peek().is_ascii_digit() {
            value = (value * 10 + i32::from(self.peek() - b'0')).min(EXPONENT_LIMIT);
            self.advance(1);
        }
        Ok(if negative { -value } else { value })
    }
}

/// Reads digits from `at` on, behind those that made `value`; returns the new value and where they end.
#[inline]
fn digits(text: &[u8], mut at: usize, mut value: u64) -> (u64, usize) {
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')) {
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (value, at)
}

impl Number<'_> {
    /// The nearest double.
    ///
    /// # Faults
    /// A number far beyond the largest double; see [`Number::check_size`].
    #[inline]
    pub(super) fn to_f64(self) -> Parse<f64> {
        match self.exact_f64() {
            Some(value) => Ok(value),
            None => self.to_f64_slowly(),
        }
    }

    fn to_f64_slowly(self) -> Parse<f64> {
        let value = match self.kind {
            Kind::Nan => return Ok(f64::NAN),
            Kind::Infinity => return Ok(self.infinity()),
            Kind::Integer | Kind::Decimal => fast_float2::parse::<f64, _>(self.text),
        };
        match value {
            Ok(value) if value.is_finite() => Ok(value),
            _ => self.check_size().map(|()| self.infinity()),
        }
    }

    /// The protocol's own parser refuses numbers by their exponent and by their digits: `1e309` is too big for it, `1.8e308`
    /// is infinity.
    ///
    /// # Faults
    /// A number that it refuses.
    pub(super) fn check_size(self) -> Parse<()> {
        let small = self.digits <= SAFE_DIGITS && self.exponent <= 308 - SAFE_EXPONENT;
        let infinite = (1..=308).contains(&self.exponent) && self.digits <= 308;
        if small || infinite || fast_float2::parse(self.text).is_ok_and(f64::is_finite) {
            return Ok(());
        }
        Err(Fault::Syntax {
            what: "Number too big to be stored in double.",
            offset: self.offset,
        })
    }

    fn infinity(&self) -> f64 {
        if self.negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        }
    }

    /// The nearest float; beyond its range an infinity or a zero.
    #[inline]
    pub(super) fn to_f32(self) -> Parse<f32> {
        /// The bits of a double that a float does not have.
        const LOST: u64 = 0x1fff_ffff;
        /// What they are half way between two floats.
        const HALF_WAY: u64 = 0x1000_0000;
        let wide = self.to_f64()?;
        // Rounding twice differs from rounding once only where the first step lands half way.
        let normal = wide == 0.0 || wide.abs() >= f64::from(f32::MIN_POSITIVE);
        if normal && wide.to_bits() & LOST != HALF_WAY {
            return Ok(narrow(wide));
        }
        Ok(fast_float2::parse(self.text).unwrap_or(narrow(wide)))
    }

    /// Correctly rounded where digits and power of ten are both exact doubles: one rounding step.
    #[inline]
    fn exact_f64(&self) -> Option<f64> {
        const LARGEST: u64 = 1 << 53;
        if !matches!(self.kind, Kind::Integer | Kind::Decimal)
            || self.digits > SAFE_DIGITS
            || self.value > LARGEST
        {
            return None;
        }
        let power = *EXACT_POWERS.get(usize::try_from(self.exponent.unsigned_abs()).ok()?)?;
        let digits = self.value as f64;
        let value = if self.exponent < 0 {
            digits / power
        } else {
            digits * power
        };
        Some(if self.negative { -value } else { value })
    }

    /// The value of a number without fraction and exponent; None for others and beyond 128 bits.
    pub(super) fn to_integer(self) -> Option<i128> {
        if self.kind != Kind::Integer {
            return None;
        }
        if self.digits > SAFE_DIGITS {
            return std::str::from_utf8(self.text).ok()?.parse().ok();
        }
        let value = i128::from(self.value);
        Some(if self.negative { -value } else { value })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to the nearest float is the purpose"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}
