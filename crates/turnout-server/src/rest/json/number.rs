//! Number tokens, and their conversion without a second look at the text where that is exact.

use super::cursor::{Cursor, Fault, Parse};

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// As many decimal digits always fit a `u64`.
const SAFE_DIGITS: usize = 19;

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
    digits_value: u64,
    digits: usize,
    exponent: i32,
}

impl<'a> Cursor<'a> {
    /// Reads a number token; anything else is an invalid value.
    pub(super) fn number(&mut self) -> Parse<Number<'a>> {
        let start = self.position();
        let negative = self.peek() == b'-';
        self.advance(usize::from(negative));
        let mut number = Number {
            text: &[],
            offset: start,
            kind: Kind::Integer,
            negative,
            digits_value: 0,
            digits: 0,
            exponent: 0,
        };
        match self.peek() {
            b'0' => self.advance(1),
            b'1'..=b'9' => self.digits(&mut number),
            b'N' if self.take(b"NaN") => number.kind = Kind::Nan,
            b'I' if self.take(b"Infinity") || self.take(b"Inf") => number.kind = Kind::Infinity,
            _ => return self.fault("Invalid value."),
        }
        if matches!(number.kind, Kind::Integer) {
            self.fraction(&mut number)?;
            self.exponent(&mut number)?;
        }
        number.text = &self.bytes()[start..self.position()];
        Ok(number)
    }

    fn digits(&mut self, number: &mut Number<'_>) {
        let rest = &self.bytes()[self.position()..];
        let mut count = 0;
        while let Some(digit) = rest
            .get(count)
            .map(|byte| byte.wrapping_sub(b'0'))
            .filter(|digit| *digit <= 9)
        {
            number.digits_value = number
                .digits_value
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit));
            count += 1;
        }
        number.digits += count;
        self.advance(count);
    }

    fn fraction(&mut self, number: &mut Number<'_>) -> Parse<()> {
        if self.peek() != b'.' {
            return Ok(());
        }
        self.advance(1);
        let before = number.digits;
        self.digits(number);
        let count = number.digits - before;
        if count == 0 {
            return self.fault("Miss fraction part in number.");
        }
        number.kind = Kind::Decimal;
        number.exponent = -i32::try_from(count).unwrap_or(EXPONENT_LIMIT);
        Ok(())
    }

    fn exponent(&mut self, number: &mut Number<'_>) -> Parse<()> {
        if !matches!(self.peek(), b'e' | b'E') {
            return Ok(());
        }
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
        number.kind = Kind::Decimal;
        number.exponent = number
            .exponent
            .saturating_add(if negative { -value } else { value });
        Ok(())
    }
}

impl Number<'_> {
    /// The nearest double.
    ///
    /// # Faults
    /// A finite number beyond the largest double, which the protocol's own parser refuses as well.
    pub(super) fn to_f64(self) -> Parse<f64> {
        match self.kind {
            Kind::Nan => return Ok(f64::NAN),
            Kind::Infinity => {
                return Ok(if self.negative {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                });
            }
            Kind::Integer | Kind::Decimal => {}
        }
        if let Some(value) = self.exact_f64() {
            return Ok(value);
        }
        match fast_float2::parse::<f64, _>(self.text) {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(Fault::Syntax {
                what: "Number too big to be stored in double.",
                offset: self.offset,
            }),
        }
    }

    /// The nearest float; beyond its range an infinity or a zero.
    pub(super) fn to_f32(self) -> Parse<f32> {
        /// The bits of a double that a float does not have.
        const LOST: u64 = 0x1fff_ffff;
        /// What they are half way between two floats.
        const HALF_WAY: u64 = 0x1000_0000;
        if let Some(value) = self.exact_f64() {
            // Rounding twice differs from rounding once only where the first step lands half way.
            let normal = value == 0.0 || value.abs() >= f64::from(f32::MIN_POSITIVE);
            if normal && value.to_bits() & LOST != HALF_WAY {
                return Ok(narrow(value));
            }
        }
        let wide = self.to_f64()?;
        match fast_float2::parse::<f32, _>(self.text) {
            Ok(value) if wide.is_finite() => Ok(value),
            _ => Ok(narrow(wide)),
        }
    }

    /// Correctly rounded where digits and power of ten are both exact doubles: one rounding step.
    fn exact_f64(&self) -> Option<f64> {
        const LARGEST: u64 = 1 << 53;
        if !matches!(self.kind, Kind::Integer | Kind::Decimal)
            || self.digits > SAFE_DIGITS
            || self.digits_value > LARGEST
        {
            return None;
        }
        let power = *EXACT_POWERS.get(usize::try_from(self.exponent.unsigned_abs()).ok()?)?;
        let digits = self.digits_value as f64;
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
        let value = i128::from(self.digits_value);
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
