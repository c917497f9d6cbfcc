//! One answer, and how it is written.

use std::io::Write as _;

use turnout_core::admission::BytePermit;
use turnout_core::{ErrorCode, RequestId};

use super::date;
use super::errors::{Failure, reason_phrase};

pub(super) const JSON: &str = "application/json";
/// The text format of Prometheus.
pub(super) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The line and the blank line that ask a client to go on with its body.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What TensorFlow Serving allows web pages.
const CORS: &[u8] =
    b"\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: POST, GET\r\n\
    Access-Control-Allow-Headers: Content-Type";

/// Longest advice; what is longer is cut.
const MAX_HINT_CHARACTERS: usize = 500;

/// An answer that is ready to be written.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) request_id: RequestId,
    /// Which version answered.
    pub(super) version: Option<u64>,
    pub(super) code: Option<ErrorCode>,
    /// Advice for the client, in the words of the catalogue.
    hint: Option<String>,
    pub(super) allow: Option<&'static str>,
    /// Web pages of every origin may read this.
    pub(super) cors: bool,
    /// Counts the bytes of request and answer until the answer is written.
    pub(super) permit: Option<BytePermit>,
}

/// What the answer says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// As HTTP/1.1 has it anyway.
    Implied,
    KeepAlive,
    Close,
}

impl Response {
    pub(super) fn ok(request_id: RequestId, content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type,
            body,
            request_id,
            version: None,
            code: None,
            hint: None,
            allow: None,
            cors: false,
            permit: None,
        }
    }

    /// An answer that is its headers.
    pub(super) fn empty(request_id: RequestId) -> Self {
        Self::ok(request_id, "", Vec::new())
    }

    pub(super) fn failure(request_id: RequestId, failure: &Failure) -> Self {
        let mut response = Self::ok(request_id, JSON, failure.body());
        response.status = failure.status;
        response.code = Some(failure.error.code());
        response.hint = failure.error.hint().map(header_text);
        response
    }

    /// Appends the status line and the headers.
    pub(super) fn write_head(&self, persistence: Persistence, out: &mut Vec<u8>) {
        if self.status == 200 {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\nDate: ");
        } else {
            // Writing to a vector cannot fail.
            let _ = write!(
                out,
                "HTTP/1.1 {} {}\r\nDate: ",
                self.status,
                reason_phrase(self.status)
            );
        }
        out.extend_from_slice(&date::now());
        if !self.content_type.is_empty() {
            header(out, "Content-Type", self.content_type);
        }
        out.extend_from_slice(b"\r\nX-Request-Id: ");
        let _ = write!(out, "{}", self.request_id);
        if let Some(version) = self.version {
            header(
                out,
                "X-Turnout-Model-Version",
                itoa::Buffer::new().format(version),
            );
        }
        if let Some(code) = self.code {
            header(out, "X-Turnout-Code", code.slug());
        }
        if let Some(hint) = &self.hint {
            header(out, "X-Turnout-Hint", hint);
        }
        if self.cors {
            out.extend_from_slice(CORS);
        }
        if let Some(allow) = self.allow {
            header(out, "Allow", allow);
        }
        if matches!(self.status, 429 | 503) {
            header(out, "Retry-After", "1");
        }
        match persistence {
            Persistence::Implied => {}
            Persistence::KeepAlive => header(out, "Connection", "keep-alive"),
            Persistence::Close => header(out, "Connection", "close"),
        }
        header(
            out,
            "Content-Length",
            itoa::Buffer::new().format(self.body.len()),
        );
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// A text as the value of a header: printable ASCII, and not without end.
fn header_text(text: &str) -> String {
    let printable = |character: char| match character {
        ' '..='~' => character,
        character if character.is_whitespace() => ' ',
        _ => '?',
    };
    text.chars()
        .take(MAX_HINT_CHARACTERS)
        .map(printable)
        .collect()
}

/// Ends the line before it, and begins one of its own.
fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use turnout_core::Error;

    use super::*;

    fn head(response: &Response, persistence: Persistence) -> String {
        let mut out = Vec::new();
        response.write_head(persistence, &mut out);
        let text = String::from_utf8(out).expect("ASCII");
        let (before, after) = text.split_once("Date: ").expect("a date");
        format!("{before}{}", &after[31..])
    }

    #[test]
    fn heads_are_complete() {
        let id = || RequestId::from_client(b"a-1").expect("printable");
        let mut ok = Response::ok(id(), JSON, b"{}".to_vec());
        ok.version = Some(3);
        let want = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: a-1\r\n\
            X-Turnout-Model-Version: 3\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(head(&ok, Persistence::Implied), want);
        let error = Error::queue_full("full").with_hint("Füll\r\nX: less");
        let failed = Response::failure(id(), &Failure::from(error));
        let want = format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nX-Request-Id: a-1\r\n\
            X-Turnout-Code: queue_full\r\nX-Turnout-Hint: F?ll  X: less\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            failed.body.len()
        );
        assert_eq!(head(&failed, Persistence::Close), want);
        let mut empty = Response::empty(id());
        empty.cors = true;
        let want = "HTTP/1.1 200 OK\r\nX-Request-Id: a-1\r\nAccess-Control-Allow-Origin: *\r\n\
            Access-Control-Allow-Methods: POST, GET\r\nAccess-Control-Allow-Headers: Content-Type\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(head(&empty, Persistence::Implied), want);
    }
}
