//! Answers on an HTTP/2 stream: headers, messages, trailers.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use turnout_core::{ErrorCode, RequestId};

use super::call::Reply;
use super::compression;
use super::metadata::NotGrpc;
use super::status::{Status, percent_encoded};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The catalogue's slug, for Turnout's own clients.
const CODE: HeaderName = HeaderName::from_static("x-turnout-code");

/// Frames up to this are handed to HTTP/2 whole and without their permit: at most `max_streams` of them lie unsent. Larger
/// ones go in pieces, as the client makes room, and keep their permit until the socket has taken the last.
const UNHURRIED_BYTES: usize = 4 * 1024;

/// Header blocks that every answer begins and ends with.
pub(crate) struct Blocks {
    head: HeaderMap,
    success: HeaderMap,
    /// How long a client may leave an answer unread.
    progress: Duration,
}

impl Blocks {
    pub(crate) fn new(progress: Duration) -> Self {
        let one = |name: HeaderName, value| {
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        Self {
            head: one(CONTENT_TYPE, "application/grpc"),
            success: one(GRPC_STATUS, "0"),
            progress,
        }
    }
}

/// The answering half of a stream, before anything was sent.
pub(crate) struct Responder {
    respond: SendResponse<Bytes>,
    blocks: Rc<Blocks>,
}

/// The client has gone, or does not read: there is nobody to tell.
#[derive(Debug)]
pub(crate) struct Gone;

impl From<h2::Error> for Gone {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

impl Responder {
    pub(crate) fn new(respond: SendResponse<Bytes>, blocks: Rc<Blocks>) -> Self {
        Self { respond, blocks }
    }

    /// Ready when the client has reset the stream or the connection is gone.
    pub(crate) fn poll_reset(&mut self, task: &mut Context<'_>) -> Poll<()> {
        self.respond.poll_reset(task).map(drop)
    }

    /// Sends the one answer of a unary call.
    pub(crate) async fn reply(&mut self, reply: Reply, id: &RequestId) -> Result<(), Gone> {
        let mut messages = self.begin(id)?;
        if reply.frame.len() <= UNHURRIED_BYTES {
            messages.send_at_once(reply.frame)?;
        } else {
            let frame = Bytes::from_owner(Unsent(reply));
            Box::pin(messages.send(frame)).await?;
        }
        messages.succeed()
    }

    /// Sends the headers of a stream of messages.
    pub(crate) fn begin(&mut self, id: &RequestId) -> Result<Messages, Gone> {
        let mut response = Response::new(());
        *response.headers_mut() = self.blocks.head.clone();
        response.headers_mut().insert(REQUEST_ID, id_value(id));
        let stream = self.respond.send_response(response, false)?;
        Ok(Messages {
            stream,
            blocks: Rc::clone(&self.blocks),
        })
    }

    /// Answers with a status alone.
    pub(crate) fn fail(&mut self, status: &Status, id: &RequestId) -> Result<(), Gone> {
        let mut response = Response::new(());
        *response.headers_mut() = self.blocks.head.clone();
        put_status(response.headers_mut(), status, id);
        self.respond.send_response(response, true)?;
        Ok(())
    }

    /// Answers what is not a gRPC call in HTTP's own words.
    pub(crate) fn refuse(&mut self, why: NotGrpc) -> Result<(), Gone> {
        let mut response = Response::new(());
        match why {
            NotGrpc::Method => {
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                let headers = response.headers_mut();
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            NotGrpc::ContentType => *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
        self.respond.send_response(response, true)?;
        Ok(())
    }
}

/// A frame whose permit ends with its last byte in memory.
struct Unsent(Reply);

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.0.frame
    }
}

/// The messages of an answer.
pub(crate) struct Messages {
    stream: SendStream<Bytes>,
    blocks: Rc<Blocks>,
}

impl Messages {
    /// Ready when the client has reset the stream or the connection is gone.
    pub(crate) fn poll_reset(&mut self, task: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(task).map(drop)
    }

    fn send_at_once(&mut self, frame: Bytes) -> Result<(), Gone> {
        Ok(self.stream.send_data(frame, false)?)
    }

    /// Sends one frame, waiting for room where it is large.
    pub(crate) async fn send(&mut self, mut frame: Bytes) -> Result<(), Gone> {
        if frame.len() <= UNHURRIED_BYTES {
            return self.send_at_once(frame);
        }
        while !frame.is_empty() {
            self.stream.reserve_capacity(frame.len());
            let room = match self.stream.capacity() {
                0 => self.room().await?,
                room => room,
            };
            self.stream
                .send_data(frame.split_to(room.min(frame.len())), false)?;
        }
        Ok(())
    }

    /// Waits until the client makes room. One that does not is cut off.
    async fn room(&mut self) -> Result<usize, Gone> {
        let room = std::future::poll_fn(|task| self.stream.poll_capacity(task));
        match tokio::time::timeout(self.blocks.progress, room).await {
            Ok(Some(room)) => Ok(room?),
            Ok(None) => Err(Gone),
            Err(_) => {
                self.stream.send_reset(Reason::CANCEL);
                Err(Gone)
            }
        }
    }

    /// Ends the answer.
    pub(crate) fn succeed(mut self) -> Result<(), Gone> {
        Ok(self.stream.send_trailers(self.blocks.success.clone())?)
    }

    /// Ends the answer with a status other than OK.
    pub(crate) fn fail(mut self, status: &Status, id: &RequestId) -> Result<(), Gone> {
        let mut trailers = HeaderMap::new();
        put_status(&mut trailers, status, id);
        Ok(self.stream.send_trailers(trailers)?)
    }
}

fn put_status(headers: &mut HeaderMap, status: &Status, id: &RequestId) {
    let message = status.message(id);
    let message = HeaderValue::from_str(&percent_encoded(&message));
    let slug = status.catalogue_code().slug();
    headers.insert(GRPC_STATUS, HeaderValue::from(status.code().number()));
    headers.insert(
        GRPC_MESSAGE,
        message.expect("bug: a percent-encoded message is not ASCII"),
    );
    headers.insert(CODE, HeaderValue::from_static(slug));
    headers.insert(REQUEST_ID, id_value(id));
    if status.catalogue_code() == ErrorCode::Unsupported {
        let accepted = HeaderValue::from_static(compression::ACCEPTED);
        headers.insert(GRPC_ACCEPT_ENCODING, accepted);
    }
}

/// Ids differ from call to call: they are kept out of the compression's table, where they would push out what repeats.
fn id_value(id: &RequestId) -> HeaderValue {
    let value = HeaderValue::from_str(&id.to_string());
    let mut value = value.expect("bug: a request id is not printable ASCII");
    value.set_sensitive(true);
    value
}
