//! One request on its stream: what is still to be sent, what has come in.

use crate::request::{Outcome, Pending, id_text};

/// Length-prefixed messages begin with a flag and four bytes of length.
pub(super) const PREFIX_BYTES: usize = 5;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) pending: Pending,
    /// Bytes of the request's message that are on their way.
    pub(super) sent: usize,
    pub(super) send_window: i64,
    /// Received bytes that the peer has not been given back.
    pub(super) unreturned: u32,
    pub(super) message: Vec<u8>,
    http_ok: bool,
    id_matches: bool,
    grpc_status: Option<Vec<u8>>,
    grpc_message: Vec<u8>,
}

impl Stream {
    pub(super) fn new(pending: Pending, send_window: i64, message: Vec<u8>) -> Self {
        Self {
            pending,
            sent: 0,
            send_window,
            unreturned: 0,
            message,
            http_ok: false,
            id_matches: false,
            grpc_status: None,
            grpc_message: Vec::new(),
        }
    }

    /// A header or trailer of the answer.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b":status" => self.http_ok = value == b"200",
            b"x-request-id" => self.id_matches = value == id_text(self.pending.number),
            b"grpc-status" => self.grpc_status = Some(value.to_vec()),
            b"grpc-message" => self.grpc_message = value.to_vec(),
            _ => {}
        }
    }

    /// What the whole answer says.
    pub(super) fn outcome(&self) -> Outcome<'_> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match &self.grpc_status {
            _ if !self.http_ok => {
                Outcome::Failed("status", "the HTTP status is not 200".to_owned())
            }
            None => Outcome::Failed(
                "grpc_status",
                "the answer ends without `grpc-status`".to_owned(),
            ),
            Some(status) if status != b"0" => Outcome::Failed(
                "grpc_status",
                format!("status {}: {}", text(status), text(&self.grpc_message)),
            ),
            Some(_) if !self.id_matches => Outcome::Failed(
                "request_id",
                "the answer carries another id, or none".to_owned(),
            ),
            Some(_) => match whole_message(&self.message) {
                Some(message) => Outcome::Answer(message),
                None => Outcome::Failed(
                    "malformed",
                    "the answer is not one whole message".to_owned(),
                ),
            },
        }
    }
}

fn whole_message(bytes: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
    let length = u32::try_from(message.len()).ok()?;
    (prefix[0] == 0 && prefix[1..] == length.to_be_bytes()).then_some(message)
}

/// A message with its prefix, as DATA frames carry it.
pub(super) fn with_prefix(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("bug: a plan's bodies are below 4 GiB");
    [&[0][..], &length.to_be_bytes(), message].concat()
}
