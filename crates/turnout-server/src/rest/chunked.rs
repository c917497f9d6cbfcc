//! Bodies of unknown length: the chunked transfer coding of RFC 9112, section 7.1. Strict, since leniency smuggles.

use turnout_core::{Error, Result};

/// Longest line of a chunk's size with its extensions, which are ignored.
const MAX_SIZE_LINE_BYTES: usize = 256;
/// Most bytes of trailer fields, which are ignored.
const MAX_TRAILER_BYTES: usize = 8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(usize),
    DataEnd,
    Trailer,
    Done,
}

/// Takes a chunked body apart as it arrives.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    limit_bytes: usize,
    trailer_bytes: usize,
}

impl Chunked {
    /// `limit_bytes`: the largest body, named in the message as `max_body_bytes`.
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            state: State::Size,
            limit_bytes,
            trailer_bytes: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what it can from `input` and appends data to `body`. Returns how many bytes it took.
    ///
    /// # Errors
    /// `malformed_request`, or `request_too_large` before the chunk that is too much is taken.
    pub(super) fn feed(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize> {
        let mut rest = input;
        while let Some(taken) = self.step(rest, body)? {
            rest = &rest[taken..];
        }
        Ok(input.len() - rest.len())
    }

    /// One step; None when it needs more bytes or has ended.
    fn step(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>> {
        match self.state {
            State::Done => Ok(None),
            State::Size => {
                let Some(line) = line(input, MAX_SIZE_LINE_BYTES)? else {
                    return Ok(None);
                };
                let size = parse_size(line)?;
                if size > self.limit_bytes.saturating_sub(body.len()) {
                    return Err(super::body_too_large(self.limit_bytes));
                }
                self.state = if size == 0 {
                    State::Trailer
                } else {
                    State::Data(size)
                };
                Ok(Some(line.len() + 2))
            }
            State::Data(left) => {
                let taken = left.min(input.len());
                body.extend_from_slice(&input[..taken]);
                self.state = if taken == left {
                    State::DataEnd
                } else {
                    State::Data(left - taken)
                };
                Ok((taken > 0).then_some(taken))
            }
            State::DataEnd => {
                let Some(line) = line(input, 0)? else {
                    return Ok(None);
                };
                self.state = State::Size;
                Ok(Some(line.len() + 2))
            }
            State::Trailer => {
                let Some(line) = line(input, MAX_TRAILER_BYTES - self.trailer_bytes)? else {
                    return Ok(None);
                };
                self.trailer_bytes += line.len();
                if line.is_empty() {
                    self.state = State::Done;
                }
                Ok(Some(line.len() + 2))
            }
        }
    }
}

fn malformed() -> Error {
    Error::malformed("the chunked body is malformed")
}

/// The line at the beginning of `input`, without its CRLF; None while it is not complete.
fn line(input: &[u8], limit_bytes: usize) -> Result<Option<&[u8]>> {
    let searched = &input[..input.len().min(limit_bytes + 2)];
    match searched.iter().position(|byte| *byte == b'\n') {
        Some(end) if end > 0 && input[end - 1] == b'\r' => Ok(Some(&input[..end - 1])),
        Some(_) => Err(malformed()),
        None if searched.len() == limit_bytes + 2 => Err(malformed()),
        None => Ok(None),
    }
}

fn parse_size(line: &[u8]) -> Result<usize> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let extension = line[digits..].trim_ascii_start();
    let text = std::str::from_utf8(&line[..digits]).ok();
    let size = text.and_then(|text| usize::from_str_radix(text, 16).ok());
    let known = extension.is_empty() || extension[0] == b';';
    size.filter(|_| known && !extension.contains(&b'\r'))
        .ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use turnout_core::ErrorCode;

    use super::*;

    fn decode(input: &[u8], step: usize) -> Result<Option<(Vec<u8>, usize)>> {
        let (mut chunked, mut body, mut buffer, mut taken) =
            (Chunked::new(100), Vec::new(), Vec::new(), 0);
        for part in input.chunks(step) {
            buffer.extend_from_slice(part);
            let count = chunked.feed(&buffer, &mut body)?;
            buffer.drain(..count);
            taken += count;
        }
        Ok(chunked.is_done().then_some((body, taken)))
    }

    #[test]
    fn good_bodies_end_where_they_end() {
        #[rustfmt::skip]
        let cases: &[(&[u8], &[u8], usize)] = &[
            (b"0\r\n\r\nNEXT", b"", 5),
            (b"3\r\nabc\r\n0\r\n\r\n", b"abc", 13),
            (b"A;name=\"v\"\r\n0123456789\r\n002 \r\nxy\r\n0\r\nT: 1\r\nU: 2\r\n\r\nGET", b"0123456789xy", 51),
        ];
        for (input, body, length) in cases {
            for step in [1, 2, 3, 100] {
                let got = decode(input, step).expect("well formed").expect("complete");
                assert_eq!(
                    (got.0.as_slice(), got.1),
                    (*body, *length),
                    "{} by {step}",
                    input.escape_ascii()
                );
            }
        }
        assert_eq!(decode(b"3\r\nab", 1).expect("so far"), None);
    }

    #[test]
    fn bad_bodies_are_refused() {
        let long = [b"1;".as_slice(), &[b'x'; 300]].concat();
        let trailer = [b"0\r\nT: ".as_slice(), &[b'x'; 9000]].concat();
        #[rustfmt::skip]
        let cases: &[&[u8]] = &[
            b"\r\n", b"x\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b"1\nab", b"1 2\r\n", b"3\r\nabcd\r\n", b"3\r\nabc\n0\r\n\r\n",
            b"11111111111111111\r\n", &long, &trailer, b"1;a\rb\r\nx\r\n",
        ];
        for input in cases {
            for step in [1, 100] {
                let error = decode(input, step).expect_err("malformed");
                assert_eq!(
                    error.code(),
                    ErrorCode::MalformedRequest,
                    "{}",
                    input.escape_ascii()
                );
            }
        }
        let error = decode(b"60\r\n", 1)
            .map(drop)
            .and(decode(b"65\r\n", 1).map(drop))
            .expect_err("101 bytes");
        assert_eq!(error.code(), ErrorCode::RequestTooLarge);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_body(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..5), step in 1usize..40) {
            let mut input = Vec::new();
            for part in &parts {
                input.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                input.extend_from_slice(part);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\n\r\n");
            let length = input.len();
            input.extend_from_slice(b"GET / HTTP/1.1");
            prop_assert_eq!(decode(&input, step).expect("well formed"), Some((parts.concat(), length)));
        }

        #[test]
        fn any_bytes_are_answered(input: Vec<u8>) {
            let _ = decode(&input, 7);
        }
    }
}
