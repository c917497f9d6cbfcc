//! One connection of HTTP/1.1: requests are read as they come, run together, and answered in their order.

mod alarm;
mod link;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use turnout_core::admission::BytePermit;
use turnout_core::{Error, Result};

use self::link::{Ended, Link, READ_BYTES};
use super::chunked::Chunked;
use super::errors::Failure;
use super::exchange::{Body, Exchange};
use super::head::{Framing, Head, Http};
use super::predict::{admit, json_options};
use super::response::{CONTINUE, Response};
use super::routes;
use crate::drain::{Drain, Stage};
use crate::service::Service;

/// Most requests of one connection that are under way at a time.
const MAX_PIPELINED: usize = 64;
/// No more requests are begun while answers of this size wait to be written.
const MAX_UNWRITTEN_BYTES: usize = 64 << 10;
/// Most bytes that are read while requests are under way.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// Bodies up to this are received into the input buffer; larger ones apart, once there is room for them.
const SMALL_BODY_BYTES: usize = 64 << 10;
/// A long body is received in portions: after each the other connections of the loop have their turn.
const PORTION_BYTES: usize = 128 << 10;
/// Answers from this size on are written from where they are, and the output buffer never grows much beyond it.
const LARGE_ANSWER_BYTES: usize = 64 << 10;

/// Serves a connection to its end.
pub(crate) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, service: Service) {
    let mut connection = Connection::new(stream, service);
    // However it ends, there is nobody left to tell.
    let _ = connection.run().await;
}

struct Connection<S> {
    link: Link<S>,
    service: Service,
    /// Requests under way, in the order of their answers.
    exchanges: VecDeque<Exchange>,
    /// When the first byte came of a head that is not complete.
    head_since: Option<Instant>,
    last_chance: Pin<Box<dyn Future<Output = ()>>>,
}

/// What the input needs before it can be another request.
enum Next {
    Head,
    /// More of a small body.
    Rest,
    /// A large body, or one whose length is not known.
    Body,
    Nothing,
}

/// Where the body of a request is.
enum Place {
    /// In the input, up to here.
    Buffered(usize),
    Missing(Next),
}

/// Why a body was not received.
enum NoBody {
    Failure(Failure),
    Ended(Ended),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(stream: S, service: Service) -> Self {
        let last_chance = Box::pin(Drain::last_chance(service.watch_drain()));
        Self {
            link: Link::new(stream),
            service,
            exchanges: VecDeque::new(),
            head_since: None,
            last_chance,
        }
    }

    async fn run(&mut self) -> Result<(), Ended> {
        loop {
            let next = self.collect();
            if !self.exchanges.is_empty() {
                if self.answer().await? {
                    self.link.close().await;
                    return Ok(());
                }
                continue;
            }
            match next {
                Next::Head if self.link.input.is_empty() => self.wait_idle().await?,
                Next::Head => self.wait_for_head().await?,
                Next::Rest => self.wait_for_rest().await?,
                Next::Body => self.receive_body().await?,
                Next::Nothing => {}
            }
        }
    }

    /// Starts every request that is complete in the input.
    fn collect(&mut self) -> Next {
        let received = Instant::now();
        let mut taken = 0;
        let next = loop {
            if self.is_occupied() {
                break Next::Nothing;
            }
            let input = &self.link.input[taken..];
            if input.is_empty() {
                break Next::Head;
            }
            let head = match Head::parse(input) {
                Ok(Some(head)) => head,
                Ok(None) => break Next::Head,
                Err(failure) => {
                    self.exchanges
                        .push_back(Exchange::unreadable(&self.service, &failure));
                    break Next::Nothing;
                }
            };
            let end = match place(&head, input.len(), self.service.settings().max_body_bytes) {
                Place::Buffered(end) => end,
                Place::Missing(next) => break next,
            };
            let body = Body::Borrowed(&input[head.length..end]);
            self.exchanges
                .push_back(Exchange::begin(&self.service, &head, body, received));
            taken += end;
        };
        if taken > 0 {
            self.link.input.drain(..taken);
            self.head_since = None;
        }
        next
    }

    /// Whether what is under way comes before any other request.
    fn is_occupied(&self) -> bool {
        let unwritten_bytes: usize = self.exchanges.iter().map(Exchange::unwritten_bytes).sum();
        self.exchanges.len() >= MAX_PIPELINED
            || unwritten_bytes >= MAX_UNWRITTEN_BYTES
            || self.exchanges.back().is_some_and(|last| last.closes)
    }

    /// Answers all that is under way; true when the connection is to be closed then.
    async fn answer(&mut self) -> Result<bool, Ended> {
        let mut closes = false;
        while !self.exchanges.is_empty() {
            poll_fn(|task| self.poll_answers(task)).await?;
            while self.exchanges.front().is_some_and(Exchange::is_done) {
                let Some(mut exchange) = self.exchanges.pop_front() else {
                    break;
                };
                let last = self.exchanges.is_empty();
                exchange.closes |= last && self.service.stage() >= Stage::Closing;
                closes = exchange.closes;
                self.write_answer(exchange).await?;
            }
            self.link.flush(self.patience()).await?;
        }
        Ok(closes)
    }

    /// Ready when there is an answer to write, or nobody to write it to.
    fn poll_answers(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        for exchange in &mut self.exchanges {
            exchange.poll(&self.service, task);
        }
        if self.exchanges.front().is_none_or(Exchange::is_done) {
            return Poll::Ready(Ok(()));
        }
        while self.link.input.len() < READ_AHEAD_BYTES {
            match self.link.poll_fill(task) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(ended)) => return Poll::Ready(Err(ended)),
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }

    async fn write_answer(&mut self, exchange: Exchange) -> Result<(), Ended> {
        let persistence = exchange.persistence();
        let Some((response, with_body)) = exchange.finish() else {
            return Ok(());
        };
        response.write_head(persistence, &mut self.link.output);
        let Response { body, permit, .. } = response;
        if with_body && body.len() >= LARGE_ANSWER_BYTES {
            self.link.flush(self.patience()).await?;
            self.link.write_all(&body, self.patience()).await?;
        } else if with_body {
            self.link.output.extend_from_slice(&body);
        }
        if self.link.output.len() >= LARGE_ANSWER_BYTES {
            self.link.flush(self.patience()).await?;
        }
        drop(permit);
        Ok(())
    }

    /// How long a client may take for its next step.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.service.settings().header_timeout_ms)
    }

    /// Waits for the first byte of a request.
    async fn wait_idle(&mut self) -> Result<(), Ended> {
        self.link.shrink();
        if self.exchanges.capacity() > 4 {
            self.exchanges = VecDeque::new();
        }
        let deadline =
            Instant::now() + Duration::from_millis(self.service.settings().idle_timeout_ms);
        poll_fn(|task| {
            if let Poll::Ready(filled) = self.link.poll_fill(task) {
                return Poll::Ready(filled);
            }
            if self.last_chance.as_mut().poll(task).is_ready() {
                return Poll::Ready(Err(Ended::TimedOut));
            }
            self.link
                .alarm
                .poll(task, deadline)
                .map(|()| Err(Ended::TimedOut))
        })
        .await
    }

    /// Waits for more of a head that has begun.
    async fn wait_for_head(&mut self) -> Result<(), Ended> {
        let since = *self.head_since.get_or_insert_with(Instant::now);
        let filled = self.link.fill(since + self.patience()).await;
        self.or_too_slow(filled, "the head of the request")
    }

    /// Waits for more of a body, which must make progress.
    async fn wait_for_rest(&mut self) -> Result<(), Ended> {
        let filled = self.link.fill(Instant::now() + self.patience()).await;
        self.or_too_slow(filled, "the body")
    }

    fn or_too_slow(&mut self, filled: Result<(), Ended>, what: &str) -> Result<(), Ended> {
        if filled != Err(Ended::TimedOut) {
            return filled;
        }
        self.exchanges
            .push_back(Exchange::unreadable(&self.service, &too_slow(what)));
        Ok(())
    }

    /// Receives a request whose body is large, chunked or not complete yet.
    async fn receive_body(&mut self) -> Result<(), Ended> {
        let Ok(Some(Head { length, .. })) = Head::parse(&self.link.input) else {
            return Ok(());
        };
        let head_bytes: Vec<u8> = self.link.input.drain(..length).collect();
        self.head_since = None;
        let Ok(Some(head)) = Head::parse(&head_bytes) else {
            return Ok(());
        };
        let exchange = match self.read_body(&head).await {
            Ok(Some((body, permit))) => Exchange::begin(
                &self.service,
                &head,
                Body::Owned(body, permit),
                Instant::now(),
            ),
            // Its answer does not depend on its body, which is left unread.
            Ok(None) => {
                let mut exchange =
                    Exchange::begin(&self.service, &head, Body::Borrowed(&[]), Instant::now());
                exchange.closes = true;
                exchange
            }
            Err(NoBody::Failure(failure)) => Exchange::unreadable(&self.service, &failure),
            Err(NoBody::Ended(ended)) => return Err(ended),
        };
        self.exchanges.push_back(exchange);
        Ok(())
    }

    async fn read_body(
        &mut self,
        head: &Head<'_>,
    ) -> Result<Option<(Vec<u8>, BytePermit)>, NoBody> {
        let wanted =
            routes::find(head.method, head.target, None).is_ok_and(|call| call.target.reads_body());
        let strict = json_options(&self.service).strict;
        if !wanted || head.encoding.is_refused(strict) || head.timeout().is_err() {
            return Ok(None);
        }
        let limit = self.service.settings().max_body_bytes;
        let length = match head.framing {
            Framing::Length(length) if length > limit => {
                return Err(super::body_too_large(limit).into());
            }
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        };
        let permit = admit(&self.service, length.unwrap_or(0))?;
        if head.expects_continue && head.http == Http::V11 && self.link.input.is_empty() {
            self.link
                .write_all(CONTINUE, self.patience())
                .await
                .map_err(NoBody::Ended)?;
        }
        match length {
            Some(length) => self.read_length(length, permit).await.map(Some),
            None => self.read_chunks(limit, permit).await.map(Some),
        }
    }

    async fn read_length(
        &mut self,
        length: usize,
        permit: BytePermit,
    ) -> Result<(Vec<u8>, BytePermit), NoBody> {
        let mut body = Vec::new();
        loop {
            let count = self.link.input.len().min(length - body.len());
            body.extend_from_slice(&self.link.input[..count]);
            self.link.input.drain(..count);
            if body.len() == length {
                return Ok((body, permit));
            }
            self.fill_body(body.len()).await?;
        }
    }

    async fn read_chunks(
        &mut self,
        limit: usize,
        mut permit: BytePermit,
    ) -> Result<(Vec<u8>, BytePermit), NoBody> {
        let (mut chunked, mut body) = (Chunked::new(limit), Vec::new());
        loop {
            let before = body.len();
            let taken = chunked.feed(&self.link.input, &mut body)?;
            self.link.input.drain(..taken);
            permit.grow(body.len() - before)?;
            if chunked.is_done() {
                return Ok((body, permit));
            }
            self.fill_body(body.len()).await?;
        }
    }

    /// Receives more of a body of which `received` bytes are there; it must make progress as a head must.
    async fn fill_body(&mut self, received: usize) -> Result<(), NoBody> {
        if received / PORTION_BYTES > received.saturating_sub(READ_BYTES) / PORTION_BYTES {
            tokio::task::yield_now().await;
        }
        match self.link.fill(Instant::now() + self.patience()).await {
            Err(Ended::TimedOut) => Err(NoBody::Failure(too_slow("the body"))),
            filled => filled.map_err(NoBody::Ended),
        }
    }
}

impl From<Error> for NoBody {
    fn from(error: Error) -> Self {
        Self::Failure(error.into())
    }
}

fn place(head: &Head<'_>, bytes: usize, max_body_bytes: usize) -> Place {
    let Framing::Length(length) = head.framing else {
        return Place::Missing(Next::Body);
    };
    match head.length.checked_add(length) {
        Some(end) if end <= bytes && length <= max_body_bytes => Place::Buffered(end),
        Some(_) if length <= SMALL_BODY_BYTES.min(max_body_bytes) && !head.expects_continue => {
            Place::Missing(Next::Rest)
        }
        _ => Place::Missing(Next::Body),
    }
}

fn too_slow(what: &str) -> Failure {
    let text = format!("{what} did not arrive in time (`header_timeout_ms`)");
    Failure::new(408, Error::deadline_exceeded(text))
}
