//! String tokens: found and checked first, unescaped only where they are wanted.

use super::cursor::{Cursor, Parse};

/// What stands between two quotes. Its escapes were checked; its bytes need not be UTF-8.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawString<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Cursor<'a> {
    /// Reads a string; stands behind its closing quote afterwards.
    pub(super) fn string(&mut self) -> Parse<RawString<'a>> {
        self.advance(1);
        let start = self.position();
        let mut escaped = false;
        loop {
            let rest = &self.bytes()[self.position()..];
            let plain = rest
                .iter()
                .position(|byte| ENDS_PLAIN[usize::from(*byte)])
                .unwrap_or(rest.len());
            self.advance(plain);
            match rest.get(plain) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let escape = *self;
                    self.escape().map_err(|what| escape.fault_here(what))?;
                }
                None | Some(0) => return self.fault("Missing a closing quotation mark in string."),
                Some(_) => return self.fault("Invalid encoding in string."),
            }
            escaped = true;
        }
        let raw = &self.bytes()[start..self.position()];
        self.advance(1);
        Ok(RawString { raw, escaped })
    }

    /// What is wrong is told of the backslash, wherever in the escape it is.
    fn escape(&mut self) -> Result<(), &'static str> {
        self.advance(1);
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.advance(1),
            b'u' => return self.unicode_escape(),
            _ => return Err("Invalid escape character in string."),
        }
        Ok(())
    }

    fn unicode_escape(&mut self) -> Result<(), &'static str> {
        let unit = self.hex_unit()?;
        match unit {
            0xd800..=0xdbff if self.take(b"\\") && self.peek() == b'u' => {
                let low = self.hex_unit()?;
                if (0xdc00..=0xdfff).contains(&low) {
                    return Ok(());
                }
            }
            0xd800..=0xdfff => {}
            _ => return Ok(()),
        }
        Err("The surrogate pair in string is invalid.")
    }

    /// The four digits behind the `u` at which this stands.
    fn hex_unit(&mut self) -> Result<u32, &'static str> {
        self.advance(1);
        match self
            .bytes()
            .get(self.position()..self.position() + 4)
            .and_then(hex)
        {
            Some(unit) => {
                self.advance(4);
                Ok(unit)
            }
            None => Err("Incorrect hex digit after \\u escape in string."),
        }
    }
}

impl<'a> RawString<'a> {
    /// Whether the string says `text`.
    pub(super) fn is(&self, text: &str) -> bool {
        if !self.escaped {
            return self.raw == text.as_bytes();
        }
        let mut unescaped = Vec::with_capacity(self.raw.len());
        self.append_to(&mut unescaped);
        unescaped == text.as_bytes()
    }

    /// The bytes as they stand, if no escape is among them.
    pub(super) fn plain(&self) -> Option<&'a [u8]> {
        (!self.escaped).then_some(self.raw)
    }

    /// Appends the unescaped bytes.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let mut rest = self.raw;
        while let Some(plain) = rest.iter().position(|byte| *byte == b'\\') {
            out.extend_from_slice(&rest[..plain]);
            rest = append_escape(&rest[plain + 1..], out);
        }
        out.extend_from_slice(rest);
    }

    /// The string for a message, with what is not UTF-8 replaced.
    pub(super) fn to_text(self) -> String {
        let mut bytes = Vec::with_capacity(self.raw.len());
        self.append_to(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Appends what one escape stands for; `escape` begins behind the backslash. Returns what follows it.
fn append_escape<'a>(escape: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (letter, rest) = escape.split_first().expect("bug: an unchecked escape");
    let byte = match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return append_unicode(rest, out),
        other => *other,
    };
    out.push(byte);
    rest
}

fn append_unicode<'a>(digits: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = |at: usize| {
        digits
            .get(at..at + 4)
            .and_then(hex)
            .expect("bug: an unchecked escape")
    };
    let high = unit(0);
    let (code, length) = match high {
        0xd800..=0xdbff => (0x10000 + ((high - 0xd800) << 10) + (unit(6) - 0xdc00), 10),
        _ => (high, 4),
    };
    let character = char::from_u32(code).expect("bug: an unchecked surrogate");
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    &digits[length..]
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Bytes that cannot simply be passed over inside a string: quote, backslash and control characters.
const ENDS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};
