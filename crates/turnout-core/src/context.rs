//! What travels with a request from its door to its answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    Rest,
    Grpc,
    InProcess,
}

impl Door {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Grpc => "grpc",
            Self::InProcess => "in_process",
        }
    }
}

/// How much a request matters when not all can be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

/// The name of one request in logs and answers: the client's own, or one that is unique in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestId {
    Given(Box<str>),
    Generated(u64),
}

impl RequestId {
    /// The longest id that is taken from a client; others are replaced by a generated one.
    pub const MAX_BYTES: usize = 128;

    /// Takes a client's id if it is printable ASCII of reasonable length.
    #[must_use]
    pub fn from_client(id: &[u8]) -> Option<Self> {
        let printable =
            !id.is_empty() && id.len() <= Self::MAX_BYTES && id.iter().all(u8::is_ascii_graphic);
        let text = printable.then(|| std::str::from_utf8(id).ok()).flatten()?;
        Some(Self::Given(text.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(id) => formatter.write_str(id),
            Self::Generated(id) => write!(formatter, "{id:016x}"),
        }
    }
}

/// Set once when nobody waits for the answer any more; work that has not begun is then dropped.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The one context of a request, made by its door.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub id: RequestId,
    /// The W3C `traceparent` header as it came, for logs and for calls further on.
    pub traceparent: Option<Box<str>>,
    pub deadline: Instant,
    pub cancellation: Cancellation,
    /// Who calls, once a door has authenticated them.
    pub principal: Option<Arc<str>>,
    pub priority: Priority,
    pub door: Door,
    /// When the request's last byte had arrived.
    pub received: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_are_taken_only_when_printable_and_short() {
        assert_eq!(
            RequestId::from_client(b"abc-1")
                .map(|id| id.to_string())
                .as_deref(),
            Some("abc-1")
        );
        for bad in [b"".as_slice(), b"a b", b"a\n", &[b'x'; 129], "é".as_bytes()] {
            assert_eq!(RequestId::from_client(bad), None);
        }
        assert_eq!(RequestId::Generated(255).to_string(), "00000000000000ff");
    }
}
