//! The messages in the body of a call: five bytes of flag and length before each.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use h2::RecvStream;
use turnout_core::Error;
use turnout_core::admission::BytePermit;

use super::compression::too_large;
use super::status::{Situation, Status};
use crate::service::Service;

/// Flag and length.
pub(crate) const PREFIX_BYTES: usize = 5;

/// Chunks above this give their window back at once, smaller ones when their stream is done.
const PROMPT_RELEASE_BYTES: usize = 16 * 1024;

/// One message, admitted to memory by its permit.
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    pub(crate) compressed: bool,
    pub(crate) permit: BytePermit,
    /// How long it took to arrive; not measured, and zero, when it came with its headers.
    pub(crate) waited: Duration,
}

/// Reads messages off a stream.
pub(crate) struct MessageReader {
    stream: RecvStream,
    rest: Bytes,
    /// When the present message was first waited for.
    waiting_since: Option<Instant>,
}

/// How long to wait for bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the next bytes.
    pub(crate) progress: Duration,
    /// For a whole message.
    pub(crate) total: Duration,
}

impl MessageReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            rest: Bytes::new(),
            waiting_since: None,
        }
    }

    /// The one message of a unary call that came whole and in one piece, as nearly all do. None for any other: what came is
    /// kept for [`Self::only`].
    pub(crate) fn whole(
        &mut self,
        service: &Service,
        task: &mut Context<'_>,
    ) -> Option<Result<Message, Status>> {
        self.rest = match self.stream.poll_data(task) {
            Poll::Ready(Some(Ok(chunk))) => chunk,
            Poll::Ready(Some(Err(error))) => return Some(Err(gone(error))),
            Poll::Ready(None) => return Some(Err(no_message())),
            Poll::Pending => return None,
        };
        let prefix = *self.rest.first_chunk::<PREFIX_BYTES>()?;
        let length = length(prefix);
        if self.rest.len() != PREFIX_BYTES + length || !self.stream.is_end_stream() {
            return None;
        }
        let admitted = admit(prefix, service, service.settings().max_body_bytes);
        Some(admitted.map(|(compressed, permit)| {
            self.rest.advance(PREFIX_BYTES);
            Message {
                bytes: std::mem::take(&mut self.rest),
                compressed,
                permit,
                waited: Duration::ZERO,
            }
        }))
    }

    /// The one message of a unary call.
    ///
    /// # Errors
    /// What [`Self::next`] refuses, and UNIMPLEMENTED for none or several, as gRPC demands.
    pub(crate) async fn only(
        &mut self,
        service: &Service,
        patience: Patience,
    ) -> Result<Message, Status> {
        let max_bytes = service.settings().max_body_bytes;
        let message = self.next(service, max_bytes, patience).await?;
        let mut message = message.ok_or_else(no_message)?;
        loop {
            if !self.rest.is_empty() {
                return Err(Status::by_contract(
                    Situation::MessageCount,
                    Error::malformed("a unary call has more than one message"),
                ));
            }
            if self.stream.is_end_stream() || !self.fill(patience).await? {
                message.waited = self.waited();
                return Ok(message);
            }
        }
    }

    /// The next message; None at the end of the stream.
    ///
    /// # Errors
    /// `request_too_large` beyond `max_bytes` and `overloaded` when no permit is left, both before anything is buffered;
    /// INTERNAL for a broken frame; `deadline_exceeded` when the bytes stop coming.
    pub(crate) async fn next(
        &mut self,
        service: &Service,
        max_bytes: usize,
        patience: Patience,
    ) -> Result<Option<Message>, Status> {
        self.waiting_since = None;
        let Some(prefix) = self.prefix(patience).await? else {
            return Ok(None);
        };
        let (compressed, permit) = admit(prefix, service, max_bytes)?;
        let bytes = self.bytes(length(prefix), patience).await?;
        Ok(Some(Message {
            bytes: bytes.ok_or_else(|| broken("a message ends before its length"))?,
            compressed,
            permit,
            waited: self.waited(),
        }))
    }

    fn waited(&self) -> Duration {
        self.waiting_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    async fn prefix(&mut self, patience: Patience) -> Result<Option<[u8; PREFIX_BYTES]>, Status> {
        while self.rest.is_empty() {
            if !self.fill(patience).await? {
                return Ok(None);
            }
        }
        let mut prefix = [0; PREFIX_BYTES];
        if self.rest.len() >= PREFIX_BYTES {
            self.rest.copy_to_slice(&mut prefix);
            return Ok(Some(prefix));
        }
        match self.bytes(PREFIX_BYTES, patience).await? {
            Some(bytes) => {
                prefix.copy_from_slice(&bytes);
                Ok(Some(prefix))
            }
            None => Err(broken("a message ends inside its prefix")),
        }
    }

    /// The next `length` bytes, without a copy where one chunk holds them; None when the stream ends before.
    async fn bytes(&mut self, length: usize, patience: Patience) -> Result<Option<Bytes>, Status> {
        if self.rest.len() >= length {
            return Ok(Some(self.rest.split_to(length)));
        }
        let mut bytes = BytesMut::with_capacity(length);
        loop {
            let take = self.rest.len().min(length - bytes.len());
            bytes.extend_from_slice(&self.rest.split_to(take));
            if bytes.len() == length {
                return Ok(Some(bytes.freeze()));
            }
            if !self.fill(patience).await? {
                return Ok(None);
            }
        }
    }

    /// Takes the next chunk into `rest`, which is empty; false at the end of the stream.
    async fn fill(&mut self, patience: Patience) -> Result<bool, Status> {
        let at_once = poll_fn(|task| match self.stream.poll_data(task) {
            Poll::Ready(data) => Poll::Ready(Some(data)),
            Poll::Pending => Poll::Ready(None),
        });
        let data = if let Some(data) = at_once.await {
            data
        } else {
            let since = *self.waiting_since.get_or_insert_with(Instant::now);
            let left = patience.total.saturating_sub(since.elapsed());
            tokio::time::timeout(left.min(patience.progress), self.stream.data())
                .await
                .map_err(|_| {
                    Error::deadline_exceeded("the body of the request did not arrive in time")
                })?
        };
        let Some(chunk) = data else { return Ok(false) };
        self.rest = chunk.map_err(gone)?;
        if self.rest.len() > PROMPT_RELEASE_BYTES {
            let released = self.stream.flow_control().release_capacity(self.rest.len());
            released.map_err(gone)?;
        }
        Ok(true)
    }
}

fn length(prefix: [u8; PREFIX_BYTES]) -> usize {
    u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize
}

/// Whether the message is compressed, and the permit for it.
fn admit(
    prefix: [u8; PREFIX_BYTES],
    service: &Service,
    max_bytes: usize,
) -> Result<(bool, BytePermit), Status> {
    let length = length(prefix);
    if prefix[0] > 1 {
        return Err(broken("a message has an invalid compression flag"));
    }
    if length > max_bytes {
        return Err(too_large(&length.to_string(), max_bytes).into());
    }
    Ok((prefix[0] == 1, service.budget().acquire(length)?))
}

fn broken(text: &str) -> Status {
    Status::by_contract(Situation::BrokenFrame, Error::malformed(text))
}

fn no_message() -> Status {
    let error = Error::malformed("a unary call has no message");
    Status::by_contract(Situation::MessageCount, error)
}

fn gone(source: h2::Error) -> Status {
    let error = Error::cancelled("the stream broke before the request was whole");
    error.with_source(source).into()
}
