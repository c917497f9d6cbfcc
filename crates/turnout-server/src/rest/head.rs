//! The head of a request: its line and the headers that this door honours.

use std::mem::MaybeUninit;
use std::time::Duration;

use httparse::{Header, Status};
use turnout_core::{Error, Result};

use super::errors::Failure;
use super::routes::Method;

/// Longest head.
pub(super) const MAX_HEAD_BYTES: usize = 16 << 10;
/// Most headers.
const MAX_HEADERS: usize = 64;
/// Longest `traceparent`; version 00 of W3C Trace Context has 55 characters.
const MAX_TRACEPARENT_BYTES: usize = 128;

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

/// The version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Http {
    V10,
    V11,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    Gzip,
    /// A compression that this door does not know.
    Compressed,
    /// What is no encoding of a body, such as `utf-8`.
    Foreign,
}

impl Encoding {
    /// Whether no body in this encoding is read. TensorFlow Serving reads what it does not know as if it were not encoded.
    pub(super) fn is_refused(self, strict: bool) -> bool {
        match self {
            Self::Identity | Self::Gzip => false,
            Self::Compressed => true,
            Self::Foreign => strict,
        }
    }
}

/// A request without its body.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) method: Method,
    pub(super) method_name: &'a str,
    pub(super) target: &'a str,
    pub(super) http: Http,
    /// The answer has no body.
    pub(super) bodiless: bool,
    pub(super) keep_alive: bool,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
    pub(super) encoding: Encoding,
    /// Which web page asks, by a browser.
    pub(super) origin: Option<&'a [u8]>,
    pub(super) request_id: Option<&'a [u8]>,
    pub(super) traceparent: Option<&'a str>,
    timeout_ms: Option<&'a [u8]>,
    /// Bytes of the head itself.
    pub(super) length: usize,
}

impl<'a> Head<'a> {
    /// Reads the head at the beginning of `bytes`; None while it is not complete.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Failure> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        let length = match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(Status::Complete(length)) if length <= MAX_HEAD_BYTES => length,
            Ok(Status::Partial) if bytes.len() < MAX_HEAD_BYTES => return Ok(None),
            Ok(_) => return Err(too_large("its bytes", MAX_HEAD_BYTES)),
            Err(error) => return Err(unreadable(error)),
        };
        let method = request.method.unwrap_or_default();
        let http = if request.version == Some(0) {
            Http::V10
        } else {
            Http::V11
        };
        let mut head = Head {
            method: match method {
                "GET" | "HEAD" => Method::Get,
                "POST" => Method::Post,
                "OPTIONS" => Method::Options,
                _ => Method::Other,
            },
            method_name: method,
            target: request.path.unwrap_or_default(),
            http,
            bodiless: method == "HEAD",
            keep_alive: http == Http::V11,
            framing: Framing::Length(0),
            expects_continue: false,
            encoding: Encoding::Identity,
            origin: None,
            request_id: None,
            traceparent: None,
            timeout_ms: None,
            length,
        };
        head.read_headers(request.headers)?;
        Ok(Some(head))
    }

    /// The client's own time-out.
    ///
    /// # Errors
    /// `malformed_request` unless it is a positive number of milliseconds.
    pub(super) fn timeout(&self) -> Result<Option<Duration>> {
        let Some(text) = self.timeout_ms else {
            return Ok(None);
        };
        match decimal(text) {
            Some(millis @ 1..) => Ok(Some(Duration::from_millis(millis))),
            _ => Err(Error::malformed(format!(
                "`X-Request-Timeout-Ms` is not a positive whole number: got `{}`",
                super::shorten(&String::from_utf8_lossy(text))
            ))),
        }
    }

    fn read_headers(&mut self, headers: &[Header<'a>]) -> Result<(), Failure> {
        let mut bodies = Bodies::default();
        let mut hosts = 0;
        for Header { name, value } in headers {
            // Most headers are of no interest: their length says so.
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => hosts += 1,
                6 if name.eq_ignore_ascii_case("expect") => {
                    self.expects_continue = is(value, "100-continue");
                }
                6 if name.eq_ignore_ascii_case("origin") => self.origin = Some(value),
                10 if name.eq_ignore_ascii_case("connection") => self.read_connection(value),
                11 if name.eq_ignore_ascii_case("traceparent") => {
                    self.traceparent = traceparent(value);
                }
                12 if name.eq_ignore_ascii_case("x-request-id") => self.request_id = Some(value),
                14 if name.eq_ignore_ascii_case("content-length") => bodies.read_length(value)?,
                16 if name.eq_ignore_ascii_case("content-encoding") => {
                    self.encoding = encoding(value);
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    bodies.read_coding(value)?;
                }
                20 if name.eq_ignore_ascii_case("x-request-timeout-ms") => {
                    self.timeout_ms = Some(value);
                }
                _ => {}
            }
        }
        if hosts > 1 || (hosts == 0 && self.http == Http::V11) {
            return Err(Error::malformed(format!(
                "the request needs one `Host` header: got {hosts}"
            ))
            .into());
        }
        self.framing = bodies.framing(self.http)?;
        Ok(())
    }

    fn read_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            if is(option, "close") {
                self.keep_alive = false;
            } else if is(option, "keep-alive") {
                self.keep_alive = true;
            }
        }
    }
}

/// What the headers say of the body's end. Two that could be read differently by another server are refused.
#[derive(Default)]
struct Bodies {
    length: Option<usize>,
    chunked: bool,
}

impl Bodies {
    fn read_length(&mut self, value: &[u8]) -> Result<(), Failure> {
        let length = decimal(value.trim_ascii()).and_then(|length| usize::try_from(length).ok());
        let length =
            length.ok_or_else(|| Error::malformed("`Content-Length` is not one whole number"))?;
        if self.length.is_some_and(|before| before != length) {
            return Err(Error::malformed("two `Content-Length` headers do not agree").into());
        }
        self.length = Some(length);
        Ok(())
    }

    fn read_coding(&mut self, value: &[u8]) -> Result<(), Failure> {
        if self.chunked || !is(value, "chunked") {
            let error = Error::unsupported("`Transfer-Encoding` may only be `chunked`, once");
            return Err(Failure::new(400, error));
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(&self, http: Http) -> Result<Framing, Failure> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Error::malformed(
                "`Content-Length` and `Transfer-Encoding` exclude each other",
            )
            .into()),
            (true, None) if http == Http::V10 => {
                Err(Error::malformed("HTTP/1.0 has no `Transfer-Encoding`").into())
            }
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

fn unreadable(error: httparse::Error) -> Failure {
    match error {
        httparse::Error::TooManyHeaders => too_large("its headers", MAX_HEADERS),
        httparse::Error::Version => {
            Failure::new(505, Error::unsupported("expected HTTP/1.1 or HTTP/1.0"))
        }
        other => {
            Error::malformed(format!("the head of the request cannot be read: {other}")).into()
        }
    }
}

fn too_large(what: &str, limit: usize) -> Failure {
    Failure::new(
        431,
        Error::too_large(format!(
            "the head of the request is too large: {what} are more than {limit}"
        )),
    )
}

fn is(value: &[u8], expected: &str) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(expected.as_bytes())
}

/// Digits only: no sign, no space, nothing that `parse` would let pass.
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(text).ok()?.parse().ok())
        .flatten()
}

fn encoding(value: &[u8]) -> Encoding {
    /// The other registered codings, without `aes128gcm` and `exi`, which no client of a model speaks.
    const COMPRESSIONS: [&[u8]; 6] = [
        b"deflate",
        b"br",
        b"zstd",
        b"compress",
        b"x-compress",
        b"dcb",
    ];
    let value = value.trim_ascii().to_ascii_lowercase();
    let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    if value.windows(4).any(|part| part == b"gzip") {
        Encoding::Gzip
    } else if value.is_empty() || value == b"identity" {
        Encoding::Identity
    } else if codings.any(|coding| COMPRESSIONS.contains(&coding)) {
        Encoding::Compressed
    } else {
        Encoding::Foreign
    }
}

fn traceparent(value: &[u8]) -> Option<&str> {
    let short = value.len() <= MAX_TRACEPARENT_BYTES && value.iter().all(u8::is_ascii_graphic);
    short.then(|| std::str::from_utf8(value).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Head<'_>>, (u16, String)> {
        Head::parse(text.as_bytes())
            .map_err(|failure| (failure.status, failure.error.message().to_owned()))
    }

    fn get(headers: &str) -> String {
        format!("GET /livez HTTP/1.1\r\nHost: h\r\n{headers}\r\n")
    }

    #[test]
    fn a_whole_head() {
        let text = "POST /v1/models/m:predict HTTP/1.1\r\nhost: h\r\ncontent-LENGTH: 12\r\nContent-Encoding: GZIP\r\n\
            X-Request-Id: a-1\r\ntraceparent: 00-a-b-01\r\nX-Request-Timeout-Ms: 250\r\nExpect: 100-Continue\r\n\
            Content-Type: text/plain\r\n\r\nbody";
        let head = parse(text).expect("well formed").expect("complete");
        assert_eq!(
            (head.method, head.target),
            (Method::Post, "/v1/models/m:predict")
        );
        assert_eq!(
            (head.framing, head.encoding),
            (Framing::Length(12), Encoding::Gzip)
        );
        assert_eq!(
            (head.request_id, head.traceparent),
            (Some(&b"a-1"[..]), Some("00-a-b-01"))
        );
        assert_eq!(
            head.timeout().expect("a number"),
            Some(Duration::from_millis(250))
        );
        assert!(head.expects_continue && head.keep_alive && !head.bodiless);
        assert_eq!(&text[head.length..], "body");
        for cut in 0..head.length {
            assert!(parse(&text[..cut]).expect("so far").is_none());
        }
    }

    #[test]
    fn connections_are_kept_by_version_and_wish() {
        let kept = |text: &str| {
            parse(text)
                .expect("well formed")
                .expect("complete")
                .keep_alive
        };
        assert!(kept(&get("")));
        assert!(!kept(&get("Connection: upgrade, Close\r\n")));
        assert!(!kept("GET / HTTP/1.0\r\n\r\n"));
        assert!(kept("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    }

    #[test]
    fn ambiguous_bodies_are_refused() {
        #[rustfmt::skip]
        let cases = [
            "Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: 1, 1\r\n", "Content-Length: +1\r\n",
            "Content-Length: -1\r\n", "Content-Length: 0x1\r\n", "Content-Length:\r\n", "Content-Length: 1 1\r\n",
            "Content-Length: 99999999999999999999\r\n", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n", "Transfer-Encoding : chunked\r\n", "Host: other\r\n", "Folded: a\r\n b\r\n",
            "Content-Length: 1\r\n\0: x\r\n",
        ];
        for headers in cases {
            assert_eq!(parse(&get(headers)).expect_err(headers).0, 400, "{headers}");
        }
        assert_eq!(
            parse("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
                .expect_err("1.0")
                .0,
            400
        );
        assert_eq!(parse("GET / HTTP/1.1\r\n\r\n").expect_err("no host").0, 400);
        let same = parse(&get("Content-Length: 1\r\nContent-Length: 1\r\n"))
            .expect("agree")
            .expect("complete")
            .framing;
        assert_eq!(same, Framing::Length(1));
    }

    #[test]
    fn heads_are_bounded() {
        let long = get(&format!("X: {}\r\n", "x".repeat(MAX_HEAD_BYTES)));
        assert_eq!(parse(&long).expect_err("long").0, 431);
        assert_eq!(parse(&long[..MAX_HEAD_BYTES]).expect_err("long").0, 431);
        assert_eq!(
            parse(&get(&"X: 1\r\n".repeat(MAX_HEADERS)))
                .expect_err("many")
                .0,
            431
        );
        assert_eq!(
            parse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                .expect_err("HTTP/2")
                .0,
            505
        );
        assert_eq!(parse("\u{16}\u{3}\u{1}").expect_err("TLS").0, 400);
    }

    #[test]
    fn encodings_are_told_apart() {
        use Encoding::{Compressed, Foreign, Gzip, Identity};
        #[rustfmt::skip]
        let cases = [
            ("", Identity), ("identity", Identity), ("gzip", Gzip), ("X-GZIP", Gzip), ("identity, gzip", Gzip),
            ("br", Compressed), ("Deflate", Compressed), ("identity , zstd", Compressed),
            ("utf-8", Foreign), ("application/json", Foreign), ("brotli", Foreign),
        ];
        for (value, want) in cases {
            let text = get(&format!("Content-Encoding: {value}\r\n"));
            let head = parse(&text).expect("well formed").expect("complete");
            assert_eq!(head.encoding, want, "{value}");
        }
        assert!(
            !Foreign.is_refused(false) && Foreign.is_refused(true) && Compressed.is_refused(false)
        );
    }

    #[test]
    fn time_outs_are_positive_whole_numbers() {
        for bad in ["0", "", "-1", "1.5", "1s", "99999999999999999999"] {
            let text = get(&format!("X-Request-Timeout-Ms: {bad}\r\n"));
            assert!(
                parse(&text)
                    .expect("well formed")
                    .expect("complete")
                    .timeout()
                    .is_err(),
                "{bad}"
            );
        }
    }
}
