//! Which calls are logged, and what is kept of them until they are answered.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use turnout_core::admission::BytePermit;
use turnout_core::{Signature, Tensor};

use super::{Loss, RequestLog};
use crate::grpc::wire::LogKind;
use crate::servable::Servable;

thread_local! {
    static RANDOM: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish() | 1);
}

/// Decides for one servable. Shared by all threads; a snapshot sets the rate.
pub(crate) struct Sampler {
    log: Arc<RequestLog>,
    /// Bits of the rate; those of 0.0 are 0.
    rate: AtomicU64,
}

impl Sampler {
    pub(crate) fn new(log: Arc<RequestLog>) -> Self {
        Self {
            log,
            rate: AtomicU64::new(0),
        }
    }

    /// From now on, this part of the calls is logged: 0 is none, 1 is all.
    pub(crate) fn set_rate(&self, rate: f64) {
        self.rate.store(rate.max(0.0).to_bits(), Ordering::Relaxed);
    }

    /// Draws whether a call is logged whose request takes so many bytes of memory.
    pub(crate) fn sample(&self, request_bytes: usize) -> Option<Ticket> {
        let rate = match self.rate.load(Ordering::Relaxed) {
            0 => return None,
            bits => f64::from_bits(bits),
        };
        if random() >= rate {
            return None;
        }
        self.log.admit(request_bytes).map(|permit| Ticket {
            log: Arc::clone(&self.log),
            rate,
            received: SystemTime::now(),
            permit,
        })
    }
}

/// A call that was drawn; its request is still its door's.
pub(crate) struct Ticket {
    log: Arc<RequestLog>,
    rate: f64,
    received: SystemTime,
    permit: BytePermit,
}

impl Ticket {
    /// Takes the request.
    pub(crate) fn with(self, request: Part) -> Sampled {
        Sampled {
            ticket: self,
            request,
        }
    }

    /// Counts the call as lost: its request could not be had.
    pub(crate) fn lose(self) {
        self.log.counters.count_lost(Loss::Queue, 1);
    }
}

/// A request or an answer, as its door has it.
pub(crate) enum Part {
    /// The protobuf message.
    Message(Bytes),
    /// In the order of the signature.
    Tensors(Vec<Tensor>),
}

impl Part {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Message(bytes) => bytes.len(),
            Self::Tensors(tensors) => tensors.iter().map(|each| each.values().size_bytes()).sum(),
        }
    }
}

/// A call that is to be logged once it has been answered; dropping it logs nothing.
pub(crate) struct Sampled {
    ticket: Ticket,
    request: Part,
}

impl Sampled {
    /// Logs the call, whose request had arrived at `received`.
    pub(crate) fn answered(
        self,
        servable: &Servable,
        signature: usize,
        answer: Part,
        received: Instant,
    ) {
        let Self {
            mut ticket,
            request,
        } = self;
        let log = Arc::clone(&ticket.log);
        if ticket.permit.grow(answer.size_bytes()).is_err() {
            return ticket.lose();
        }
        let since_epoch = ticket.received.duration_since(UNIX_EPOCH);
        let record = Record {
            kind: LogKind::Predict,
            model: Arc::clone(&servable.model),
            version: servable.version,
            signature: servable.signatures[signature].clone(),
            rate: ticket.rate,
            timestamp_secs: since_epoch.unwrap_or_default().as_secs(),
            duration_us: u64::try_from(received.elapsed().as_micros()).unwrap_or(u64::MAX),
            request,
            answer,
            _permit: ticket.permit,
        };
        log.submit(Box::new(record));
    }
}

/// A call on its way to a file.
pub(super) struct Record {
    pub(super) kind: LogKind,
    pub(super) model: Arc<str>,
    pub(super) version: u64,
    pub(super) signature: Signature,
    pub(super) rate: f64,
    pub(super) timestamp_secs: u64,
    pub(super) duration_us: u64,
    pub(super) request: Part,
    pub(super) answer: Part,
    pub(super) _permit: BytePermit,
}

/// From 0 to below 1. Marsaglia's xorshift (2003): which calls are drawn is no secret.
fn random() -> f64 {
    let mut state = RANDOM.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    RANDOM.set(state);
    (state >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_evenly_between_0_and_1() {
        let mut tenths = [0u32; 10];
        for _ in 0..100_000 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 9; anything else is out of range and so a failure"
            )]
            let tenth = (random() * 10.0) as usize;
            tenths[tenth] += 1;
        }
        for count in tenths {
            assert!((9_000..11_000).contains(&count), "{tenths:?}");
        }
    }
}
