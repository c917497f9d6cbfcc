//! One stream of a connection: from its headers to its last trailer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use http::request::Parts;
use turnout_core::{Error, RequestId};

use super::body::{MessageReader, Patience};
use super::call::{self, Answered, Method, Unary, framed, refused};
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

/// One stream, as HTTP/2 hands it over.
///
/// Futures of streams are made and thrown away with every request, so they are kept small: what is large stays here, what is
/// rare is boxed where it is needed, and nothing of either is copied on the way.
pub(crate) struct Exchange {
    door: Rc<Door>,
    head: Parts,
    reader: MessageReader,
    responder: Responder,
}

impl Exchange {
    pub(crate) fn new(
        door: Rc<Door>,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) -> Self {
        let (head, body) = request.into_parts();
        Self {
            head,
            reader: MessageReader::new(body),
            responder: Responder::new(respond, Rc::clone(&door.blocks)),
            door,
        }
    }

    /// Answers the stream. A client that goes away ends it, and what it asked for is cancelled.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would hold its arguments twice"
    )]
    pub(crate) fn serve(mut self) -> impl Future<Output = ()> {
        async move {
            // `Gone` is the end that a stream has when nobody listens any more.
            let _: Result<(), Gone> = self.answer().await;
        }
    }

    async fn answer(&mut self) -> Result<(), Gone> {
        let Self {
            door,
            head,
            reader,
            responder,
        } = self;
        if let Err(why) = metadata::check(head) {
            return responder.refuse(why);
        }
        match route(head) {
            Ok((Method::Unary(method), metadata)) => {
                unary(door, method, &metadata, reader, responder).await
            }
            Ok((Method::Watch, metadata)) => {
                Box::pin(watch(door, &metadata, reader, responder)).await
            }
            Ok((Method::Reflection, metadata)) => {
                Box::pin(reflect(door, &metadata, reader, responder)).await
            }
            Err(error) => {
                let id = call::request_id(&door.service, &Metadata::default());
                responder.fail(&refused(&door.service, error.into()), &id)
            }
        }
    }
}

fn route(head: &Parts) -> Result<(Method, Metadata<'_>), Error> {
    let path = head.uri.path();
    let unknown = || Error::unsupported(format!("unknown method: `{path}`"));
    let method = Method::find(path).ok_or_else(unknown)?;
    Ok((method, Metadata::read(&head.headers)?))
}

async fn unary(
    door: &Door,
    method: Unary,
    metadata: &Metadata<'_>,
    reader: &mut MessageReader,
    responder: &mut Responder,
) -> Result<(), Gone> {
    let service = &door.service;
    let Answered { id, result } = {
        let mut work = pin!(async {
            let message = match poll_fn(|task| Poll::Ready(reader.whole(service, task))).await {
                Some(message) => message,
                None => Box::pin(reader.only(service, door.patience(metadata))).await,
            };
            match message {
                Ok(message) => call::unary(service, method, metadata, message).await,
                Err(status) => unread(service, metadata, status),
            }
        });
        unless_reset(work.as_mut(), |task| responder.poll_reset(task)).await?
    };
    match result {
        Ok(reply) => responder.reply(reply, &id).await,
        Err(status) => responder.fail(&status, &id),
    }
}

/// The end of a call whose message could not be read.
fn unread(service: &Service, metadata: &Metadata<'_>, status: Status) -> Answered {
    Answered {
        id: call::request_id(service, metadata),
        result: Err(refused(service, status)),
    }
}

/// What `work` gives, unless the client resets the stream or the connection breaks first.
async fn unless_reset<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
    mut reset: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Result<T, Gone> {
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
    reader: &mut MessageReader,
    responder: &mut Responder,
) -> Result<(), Gone> {
    let id = call::request_id(&door.service, metadata);
    let begun = async {
        let message = reader.only(&door.service, door.patience(metadata)).await?;
        let message = compression::open(&door.service, message, metadata.encoding).await?;
        Ok(Watch::new(&door.service, &message.bytes)?)
    };
    let mut watch = match begun.await {
        Ok(watch) => watch,
        Err(status) => return responder.fail(&refused(&door.service, status), &id),
    };
    let messages = responder.begin(&id)?;
    let next = async || match watch.next(&door.service).await {
        Some(response) => Ok(Some(framed(&response)?)),
        None => Err(ending()),
    };
    answer_each(messages, &id, metadata.timeout, next).await
}

async fn reflect(
    door: &Door,
    metadata: &Metadata<'_>,
    reader: &mut MessageReader,
    responder: &mut Responder,
) -> Result<(), Gone> {
    let mut stage = door.service.watch_drain();
    let patience = Patience {
        progress: door.idle,
        total: Duration::MAX,
    };
    let id = call::request_id(&door.service, metadata);
    let messages = responder.begin(&id)?;
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
    answer_each(messages, &id, metadata.timeout, next).await
}

/// Sends frame after frame until there are no more, the client's time-out passes, or the client goes away.
async fn answer_each(
    mut messages: Messages,
    id: &RequestId,
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
        let frame = unless_reset(pin!(frame), |task| messages.poll_reset(task)).await?;
        match frame {
            Ok(Some(frame)) => messages.send(frame).await?,
            Ok(None) => return messages.succeed(),
            Err(status) => return messages.fail(&status, id),
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
