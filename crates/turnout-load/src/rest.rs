//! HTTP/1.1, the client's side: requests in order on a kept connection, answers with a `content-length`.

use std::collections::VecDeque;

use crate::answer::excerpt;
use crate::request::{Outcome, Pending, Sink, id_text};

const MAX_HEADERS: usize = 32;

/// The bytes of a request around its id.
#[derive(Debug)]
pub(crate) struct Template {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Template {
    pub(crate) fn new(address: &str, target: &str, body: &[u8]) -> Self {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nX-Request-Id: "
        );
        let tail = format!("\r\nContent-Length: {}\r\n\r\n", body.len());
        Self {
            head: head.into_bytes(),
            tail: [tail.as_bytes(), body].concat(),
        }
    }
}

#[derive(Debug)]
struct Head {
    status: u16,
    length: usize,
    body_start: usize,
    close: bool,
    id_matches: bool,
}

/// One connection's requests, in the order of their answers.
#[derive(Debug, Default)]
pub(crate) struct RestConnection {
    pending: VecDeque<Pending>,
    /// Bytes that must be there before looking again is worth while.
    wanted: usize,
    closing: bool,
}

impl RestConnection {
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// The server announced the end of this connection: nothing more may be sent on it.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn oldest_sent_ns(&self) -> Option<u64> {
        self.pending.front().map(|pending| pending.sent_ns)
    }

    pub(crate) fn start(&mut self, template: &Template, pending: Pending, out: &mut Vec<u8>) {
        out.extend_from_slice(&template.head);
        out.extend_from_slice(&id_text(pending.number));
        out.extend_from_slice(&template.tail);
        self.pending.push_back(pending);
    }

    /// Takes whole answers from `input`; returns how many bytes it took.
    pub(crate) fn receive(&mut self, input: &[u8], sink: &mut Sink<'_>) -> Result<usize, String> {
        let mut taken = 0;
        while taken < input.len() && input.len() - taken >= self.wanted {
            let rest = &input[taken..];
            let Some(pending) = self.pending.front().copied() else {
                return Err(format!("bytes that nobody asked for: {}", excerpt(rest)));
            };
            let Some(head) = read_head(rest, pending.number)? else {
                break;
            };
            let end = head.body_start + head.length;
            if rest.len() < end {
                self.wanted = end;
                break;
            }
            self.wanted = 0;
            self.pending.pop_front();
            sink(pending, outcome(&head, &rest[head.body_start..end]));
            taken += end;
            if head.close {
                self.closing = true;
                // What was sent after the answered request was never read.
                self.pending
                    .drain(..)
                    .for_each(|pending| sink(pending, Outcome::NotProcessed));
                break;
            }
        }
        Ok(taken)
    }

    /// Ends every request that is in flight as failed.
    pub(crate) fn lose(&mut self, kind: &'static str, reason: &str, sink: &mut Sink<'_>) {
        for pending in self.pending.drain(..) {
            sink(pending, Outcome::Failed(kind, reason.to_owned()));
        }
    }
}

fn outcome<'a>(head: &Head, body: &'a [u8]) -> Outcome<'a> {
    if head.status != 200 {
        let text = format!("status {}: {}", head.status, excerpt(body));
        return Outcome::Failed("status", text);
    }
    if !head.id_matches {
        return Outcome::Failed(
            "request_id",
            "the answer carries another id, or none".to_owned(),
        );
    }
    Outcome::Answer(body)
}

fn read_head(input: &[u8], number: u64) -> Result<Option<Head>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response
        .parse(input)
        .map_err(|error| format!("not an HTTP answer ({error}): {}", excerpt(input)))?;
    let httparse::Status::Complete(body_start) = parsed else {
        return Ok(None);
    };
    let mut head = Head {
        status: response.code.unwrap_or_default(),
        length: usize::MAX,
        body_start,
        close: false,
        id_matches: false,
    };
    for header in response.headers.iter() {
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let text = String::from_utf8_lossy(header.value);
                head.length = text
                    .parse()
                    .map_err(|_| format!("content-length `{text}`"))?;
            }
            12 if header.name.eq_ignore_ascii_case("x-request-id") => {
                head.id_matches = header.value == id_text(number);
            }
            10 if header.name.eq_ignore_ascii_case("connection") => {
                head.close = header.value.eq_ignore_ascii_case(b"close");
            }
            _ => {}
        }
    }
    if head.length == usize::MAX {
        return Err(format!(
            "an answer without content-length: {}",
            excerpt(input)
        ));
    }
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, number: u64, extra: &str, body: &str) -> Vec<u8> {
        let id = String::from_utf8(id_text(number).to_vec()).unwrap();
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nx-request-id: {id}\r\n{extra}\r\n{body}")
            .into_bytes()
    }

    fn connection(numbers: &[u64]) -> RestConnection {
        let template = Template::new("h:1", "/p", b"{}");
        let mut connection = RestConnection::default();
        for number in numbers {
            let pending = Pending {
                body: 0,
                intended_ns: 0,
                sent_ns: 0,
                number: *number,
            };
            connection.start(&template, pending, &mut Vec::new());
        }
        connection
    }

    fn feed(connection: &mut RestConnection, input: &[u8]) -> (Result<usize, String>, Vec<String>) {
        let mut ends = Vec::new();
        let taken = connection.receive(input, &mut |pending, outcome| {
            ends.push(match outcome {
                Outcome::Answer(body) => format!("{} {}", pending.number, excerpt(body)),
                Outcome::Failed(kind, _) => format!("{} {kind}", pending.number),
                Outcome::NotProcessed => format!("{} again", pending.number),
            });
        });
        (taken, ends)
    }

    #[test]
    fn a_request_carries_its_id_and_its_body() {
        let template = Template::new("h:1", "/p", b"{}");
        let pending = Pending {
            body: 0,
            intended_ns: 0,
            sent_ns: 0,
            number: 10,
        };
        let mut out = Vec::new();
        RestConnection::default().start(&template, pending, &mut out);
        let expected = "POST /p HTTP/1.1\r\nHost: h:1\r\nContent-Type: application/json\r\n\
            X-Request-Id: 000000000000000a\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(excerpt(&out), expected);
    }

    #[test]
    fn answers_come_in_order_however_they_are_cut() {
        let input = [
            answer("200 OK", 1, "", "one"),
            answer("200 OK", 2, "", "two"),
        ]
        .concat();
        for cut in 0..input.len() {
            let mut connection = connection(&[1, 2]);
            let (taken, mut ends) = feed(&mut connection, &input[..cut]);
            let (rest, more) = feed(&mut connection, &input[taken.clone().unwrap()..]);
            ends.extend(more);
            assert_eq!(ends, ["1 one", "2 two"]);
            assert_eq!(taken.unwrap() + rest.unwrap(), input.len());
        }
    }

    #[test]
    fn failures_are_told_apart() {
        let failed = |input: Vec<u8>| feed(&mut connection(&[1]), &input).1;
        assert_eq!(failed(answer("503 Busy", 1, "", "x")), ["1 status"]);
        assert_eq!(failed(answer("200 OK", 2, "", "x")), ["1 request_id"]);
        assert!(feed(&mut connection(&[]), b"x").0.is_err());
        assert!(
            feed(&mut connection(&[1]), b"HTTP/1.1 200 OK\r\n\r\n")
                .0
                .is_err()
        );
    }

    #[test]
    fn what_follows_a_closing_answer_may_be_sent_again() {
        let mut connection = connection(&[1, 2, 3]);
        let (_, ends) = feed(
            &mut connection,
            &answer("200 OK", 1, "Connection: close\r\n", "x"),
        );
        assert_eq!(ends, ["1 x", "2 again", "3 again"]);
        assert!(connection.is_closing());
    }
}
