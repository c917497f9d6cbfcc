//! A request on its way to its answer.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use turnout_core::admission::BytePermit;
use turnout_core::{Door, Error};

use super::errors::Failure;
use super::handlers;
use super::head::{Head, Http};
use super::response::{Persistence, Response};
use super::routes;
use crate::execute::panic_text;
use crate::service::{Arrival, Service};

/// What a handler makes of a request: an answer, or the way to one.
pub(super) enum Work {
    Done(Response),
    Waiting(Pin<Box<dyn Future<Output = Response>>>),
}

/// The bytes behind a head.
pub(super) enum Body<'a> {
    /// Whole, in the connection's own buffer.
    Borrowed(&'a [u8]),
    /// Received apart, and counted by the permit.
    Owned(Vec<u8>, BytePermit),
}

/// One request of a connection. Dropping it before it is done cancels it.
pub(super) struct Exchange {
    work: Work,
    bodiless: bool,
    http: Http,
    cors: bool,
    /// Nothing more is read from the connection.
    pub(super) closes: bool,
}

impl Exchange {
    /// Starts what `head` and `body` ask for.
    pub(super) fn begin(
        service: &Service,
        head: &Head<'_>,
        body: Body<'_>,
        received: Instant,
    ) -> Self {
        let begun = catch_unwind(AssertUnwindSafe(|| {
            handlers::begin(service, head, body, received)
        }));
        Self {
            work: begun.unwrap_or_else(|panic| Work::Done(panicked(service, &*panic))),
            bodiless: head.bodiless,
            http: head.http,
            cors: service.settings().rest_cors && routes::is_of_protocol(head.target),
            closes: !head.keep_alive,
        }
    }

    /// A request that could not be read, so that what follows it cannot be either.
    pub(super) fn unreadable(service: &Service, failure: &Failure) -> Self {
        let context = service.context(&nameless());
        service.refuse(Door::Rest, failure.error.code());
        Self {
            work: Work::Done(Response::failure(context.id, failure)),
            bodiless: false,
            http: Http::V11,
            cors: false,
            closes: true,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.work, Work::Done(_))
    }

    /// The size of the answer, if there is one.
    pub(super) fn unwritten_bytes(&self) -> usize {
        match &self.work {
            Work::Done(response) => response.body.len(),
            Work::Waiting(_) => 0,
        }
    }

    /// Goes on towards the answer, if there is none yet. A panic is an answer too, for this request alone.
    pub(super) fn poll(&mut self, service: &Service, task: &mut Context<'_>) {
        let Work::Waiting(future) = &mut self.work else {
            return;
        };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(task))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(response)) => self.work = Work::Done(response),
            Err(panic) => self.work = Work::Done(panicked(service, &*panic)),
        }
    }

    /// The answer, and whether its body is to be sent; None while there is no answer.
    pub(super) fn finish(self) -> Option<(Response, bool)> {
        match self.work {
            Work::Done(mut response) => {
                response.cors = self.cors;
                Some((response, !self.bodiless))
            }
            Work::Waiting(_) => None,
        }
    }

    /// What the answer's head says of the connection.
    pub(super) fn persistence(&self) -> Persistence {
        match (self.closes, self.http) {
            (true, _) => Persistence::Close,
            (false, Http::V10) => Persistence::KeepAlive,
            (false, Http::V11) => Persistence::Implied,
        }
    }
}

fn nameless() -> Arrival<'static> {
    Arrival {
        door: Door::Rest,
        id: None,
        traceparent: None,
        timeout: None,
        received: Instant::now(),
    }
}

fn panicked(service: &Service, panic: &(dyn Any + Send)) -> Response {
    let context = service.context(&nameless());
    let error = Error::internal("the request failed unexpectedly").with_source(panic_text(panic));
    service.log_failure(&context, &error);
    Response::failure(context.id, &error.into())
}
