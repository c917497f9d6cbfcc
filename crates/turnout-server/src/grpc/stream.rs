//! One stream of a connection: from its headers to its last trailer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use turnout_core::Error;

use super::body::{MessageReader, Patience};
use super::call::{self, Failure, Method, Unary, framed, refused};
use super::compression;
use super::health::Watch;
use super::metadata::{self, Metadata};
use super::reflection;
use super::response::{Blocks, Gone, Messages, Responder};
use super::status::Status;
use crate::drain::Stage;
use crate::service::Service;

/// What the streams of a connection share.
pub(crate) struct Door {
    pub(crate) service: Service,
    pub(crate) blocks: Rc<Blocks>,
    /// For the next bytes of a body.
    pub(crate) progress: Duration,
    /// For the next request on a stream of many.
    pub(crate) idle: Duration,
}

/// Answers one stream. A client that goes away ends it, and what it asked for is cancelled.
pub(crate) async fn serve(
    door: Rc<Door>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (head, body) = request.into_parts();
    let responder = Responder {
        respond,
        blocks: Rc::clone(&door.blocks),
    };
    // `Gone` is the end that a stream has when nobody listens any more.
    let _gone: Result<(), Gone> = match metadata::check(&head) {
        Err(why) => responder.refuse(why),
        Ok(()) => match route(&head) {
            Ok((Method::Unary(method), metadata)) => {
                unary(&door, method, &metadata, body, responder).await
            }
            Ok((Method::Watch, metadata)) => watch(&door, &metadata, body, responder).await,
            Ok((Method::Reflection, metadata)) => reflect(&door, &metadata, body, responder).await,
            Err(error) => responder.fail(&refused(&door.service, error.into()).into()),
        },
    };
}

fn route(head: &http::request::Parts) -> Result<(Method, Metadata<'_>), Error> {
    let path = head.uri.path();
    let unknown = || Error::unsupported(format!("unknown method: `{path}`"));
    let method = Method::find(path).ok_or_else(unknown)?;
    Ok((method, Metadata::read(&head.headers)?))
}

async fn unary(
    door: &Door,
    method: Unary,
    metadata: &Metadata<'_>,
    body: RecvStream,
    mut responder: Responder,
) -> Result<(), Gone> {
    let answer = async {
        let mut reader = MessageReader::new(body);
        let message = reader.only(&door.service, door.patience(metadata)).await;
        let message = message.map_err(|status| {
            let context = call::context(&door.service, metadata, Duration::ZERO);
            Failure {
                status: refused(&door.service, status),
                id: Some(context.id),
            }
        })?;
        call::unary(&door.service, method, metadata, message).await
    };
    let answer = unless_reset(answer, |task| responder.respond.poll_reset(task).map(drop)).await?;
    match answer {
        Ok(reply) => responder.reply(reply, metadata.request_id).await,
        Err(failure) => responder.fail(&failure),
    }
}

/// What `work` gives, unless the client resets the stream or the connection breaks first.
async fn unless_reset<T>(
    work: impl Future<Output = T>,
    mut reset: impl FnMut(&mut std::task::Context<'_>) -> Poll<()>,
) -> Result<T, Gone> {
    let mut work = pin!(work);
    poll_fn(|task| {
        if let Poll::Ready(result) = work.as_mut().poll(task) {
            return Poll::Ready(Ok(result));
        }
        reset(task).map(|()| Err(Gone))
    })
    .await
}

impl Door {
    fn patience(&self, metadata: &Metadata<'_>) -> Patience {
        Patience {
            progress: self.progress,
            total: call::timeout(&self.service, metadata),
        }
    }
}

async fn watch(
    door: &Door,
    metadata: &Metadata<'_>,
    body: RecvStream,
    responder: Responder,
) -> Result<(), Gone> {
    let mut reader = MessageReader::new(body);
    let begun = async {
        let message = reader.only(&door.service, door.patience(metadata)).await?;
        let message = compression::open(&door.service, message, metadata.encoding).await?;
        Ok(Watch::new(&door.service, &message.bytes)?)
    };
    let mut watch = match begun.await {
        Ok(watch) => watch,
        Err(status) => return responder.fail(&refused(&door.service, status).into()),
    };
    let messages = responder.begin(metadata.request_id)?;
    let next = async || match watch.next(&door.service).await {
        Some(response) => Ok(Some(framed(&response)?)),
        None => Err(ending()),
    };
    answer_each(messages, metadata.timeout, next).await
}

async fn reflect(
    door: &Door,
    metadata: &Metadata<'_>,
    body: RecvStream,
    responder: Responder,
) -> Result<(), Gone> {
    let mut reader = MessageReader::new(body);
    let mut stage = door.service.watch_drain();
    let patience = Patience {
        progress: door.idle,
        total: Duration::MAX,
    };
    let messages = responder.begin(metadata.request_id)?;
    let next = async || {
        let message = tokio::select! {
            message = reader.next(&door.service, reflection::MAX_REQUEST_BYTES, patience) => message?,
            _ = stage.wait_for(|stage| *stage >= Stage::Ending) => return Err(ending()),
        };
        let Some(message) = message else {
            return Ok(None);
        };
        let message = compression::open(&door.service, message, metadata.encoding).await?;
        Ok(Some(framed(&reflection::answer(&message.bytes)?)?))
    };
    answer_each(messages, metadata.timeout, next).await
}

/// Sends frame after frame until there are no more, the client's time-out passes, or the client goes away.
async fn answer_each(
    mut messages: Messages,
    timeout: Option<Duration>,
    mut next: impl AsyncFnMut() -> Result<Option<Bytes>, Status>,
) -> Result<(), Gone> {
    // Without a time-out of the client's own the stream may last as long as its connection.
    let timeout = timeout.unwrap_or(Duration::MAX);
    let mut deadline = pin!(tokio::time::sleep(timeout));
    loop {
        let frame = async {
            tokio::select! {
                frame = next() => frame,
                () = deadline.as_mut() => Err(passed()),
            }
        };
        let frame = unless_reset(frame, |task| messages.stream.poll_reset(task).map(drop)).await?;
        match frame {
            Ok(Some(frame)) => messages.send(frame).await?,
            Ok(None) => return messages.succeed(),
            Err(status) => return messages.fail(&status.into()),
        }
    }
}

/// A stream of many answers ends with its connection.
fn ending() -> Status {
    Error::unavailable("the server is draining").into()
}

fn passed() -> Status {
    Error::deadline_exceeded("the deadline of the stream passed").into()
}
