//! A client that can do more wrong than real ones do.

use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Method, Request};
use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use turnout_core::Tensor;

use crate::grpc::connection;
use crate::grpc::wire::decode_predict_response;
use crate::service::Service;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);

const PIPE_BYTES: usize = 1 << 16;

pub(super) struct Client {
    pub(super) requests: SendRequest<Bytes>,
    /// Ends when the server's side of the connection does.
    pub(super) server: JoinHandle<()>,
    /// Ends with the client's side; aborting it loses the connection.
    pub(super) connection: JoinHandle<Result<(), h2::Error>>,
}

/// How the client sets up its side.
#[derive(Clone, Copy)]
pub(super) struct Windows(pub(super) u32);

impl Client {
    pub(super) async fn connect(service: &Service) -> Self {
        Self::with_windows(service, Windows(1 << 24)).await
    }

    pub(super) async fn with_windows(service: &Service, windows: Windows) -> Self {
        let (here, there) = tokio::io::duplex(PIPE_BYTES);
        let server = tokio::task::spawn_local(connection::serve(there, service.clone()));
        Self::over(here, server, windows).await
    }

    /// A client whose bytes go through a pipe that falls silent at `silence`, without being closed: both ways, or only
    /// that of the answers.
    pub(super) async fn through_silence(
        service: &Service,
        silence: Rc<Notify>,
        answers_only: bool,
    ) -> Self {
        let (here, mut near) = tokio::io::duplex(PIPE_BYTES);
        let (mut far, there) = tokio::io::duplex(PIPE_BYTES);
        let server = tokio::task::spawn_local(connection::serve(there, service.clone()));
        drop(tokio::task::spawn_local(async move {
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                () = silence.notified() => {
                    if answers_only {
                        let _ = tokio::io::copy(&mut near, &mut far).await;
                    }
                    std::future::pending::<()>().await;
                }
            }
        }));
        Self::over(here, server, Windows(1 << 24)).await
    }

    async fn over(here: DuplexStream, server: JoinHandle<()>, Windows(bytes): Windows) -> Self {
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(bytes)
            .initial_connection_window_size(1 << 24);
        let (requests, connection) = builder.handshake(here).await.expect("a handshake");
        Self {
            requests,
            server,
            connection: tokio::task::spawn_local(connection),
        }
    }

    /// Opens a stream with the headers of a gRPC call and some more.
    pub(super) async fn open(&mut self, path: &str, headers: &[(&str, &str)]) -> Call {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let with = |request: http::request::Builder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        let request = headers.iter().fold(request, with).body(()).expect("valid");
        self.start(request, false).await
    }

    pub(super) async fn start(&mut self, request: Request<()>, end: bool) -> Call {
        let requests = self.requests.clone();
        let ready = tokio::time::timeout(PATIENCE, requests.ready()).await;
        self.requests = ready.expect("in time").expect("a connection");
        let (response, stream) = self.requests.send_request(request, end).expect("sent");
        Call { response, stream }
    }

    /// A whole unary call.
    pub(super) async fn call(&mut self, path: &str, message: &[u8]) -> Answer {
        self.call_with(path, &[], message).await
    }

    pub(super) async fn call_with(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        message: &[u8],
    ) -> Answer {
        let mut call = self.open(path, headers).await;
        call.send(frame(message), true);
        call.answer().await
    }
}

/// A message with its prefix, not compressed.
pub(super) fn frame(message: &[u8]) -> Bytes {
    flagged(0, message)
}

pub(super) fn flagged(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(u32::try_from(message.len()).expect("short"));
    frame.put_slice(message);
    frame.freeze()
}

pub(super) struct Call {
    response: ResponseFuture,
    pub(super) stream: SendStream<Bytes>,
}

impl Call {
    pub(super) fn send(&mut self, bytes: impl Into<Bytes>, end: bool) {
        self.stream.send_data(bytes.into(), end).expect("open");
    }

    /// The headers, and the messages to come.
    pub(super) async fn begun(self) -> Begun {
        let response = tokio::time::timeout(PATIENCE, self.response).await;
        let response = response.expect("in time").expect("an answer");
        let (head, body) = response.into_parts();
        Begun {
            status: head.status.as_u16(),
            head: head.headers,
            body,
            rest: BytesMut::new(),
            requests: self.stream,
        }
    }

    pub(super) async fn answer(self) -> Answer {
        self.begun().await.finish().await
    }
}

/// An answer whose headers are here.
pub(super) struct Begun {
    status: u16,
    head: HeaderMap,
    pub(super) body: RecvStream,
    rest: BytesMut,
    pub(super) requests: SendStream<Bytes>,
}

impl Begun {
    /// The next message; None when the trailers come.
    pub(super) async fn message(&mut self) -> Option<Bytes> {
        loop {
            if let Some(prefix) = self.rest.first_chunk::<5>() {
                let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
                let length = 5 + usize::try_from(length).expect("short");
                if self.rest.len() >= length {
                    return Some(self.rest.split_to(length).freeze().slice(5..));
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.data()).await;
            let chunk = chunk.expect("in time")?.expect("no reset");
            let released = self.body.flow_control().release_capacity(chunk.len());
            released.expect("was received");
            self.rest.extend_from_slice(&chunk);
        }
    }

    pub(super) async fn finish(mut self) -> Answer {
        let mut messages = Vec::new();
        while let Some(message) = self.message().await {
            messages.push(message);
        }
        assert!(self.rest.is_empty(), "a message is cut");
        let trailers = self.body.trailers().await.expect("no reset");
        Answer {
            status: self.status,
            trailers: trailers.unwrap_or_else(|| self.head.clone()),
            head: self.head,
            messages,
        }
    }
}

/// All of an answer; `trailers` are the headers where there is nothing else.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: HeaderMap,
    pub(super) trailers: HeaderMap,
    pub(super) messages: Vec<Bytes>,
}

impl Answer {
    pub(super) fn trailer(&self, name: &str) -> &str {
        let value = self
            .trailers
            .get(name)
            .map(|value| value.to_str().expect("ASCII"));
        value.unwrap_or_default()
    }

    /// Status number, catalogue code and message of a call that failed.
    pub(super) fn failure(&self) -> (&str, &str, &str) {
        assert_eq!((self.status, self.messages.len()), (200, 0), "{self:?}");
        let trailer = |name| self.trailer(name);
        (
            trailer("grpc-status"),
            trailer("x-turnout-code"),
            trailer("grpc-message"),
        )
    }

    /// The one message of a call that succeeded.
    pub(super) fn message(&self) -> &Bytes {
        let status = (
            self.status,
            self.trailer("grpc-status"),
            self.messages.len(),
        );
        assert_eq!(status, (200, "0", 1), "{self:?}");
        &self.messages[0]
    }

    pub(super) fn outputs(&self) -> Vec<(String, Tensor)> {
        let decoded = decode_predict_response(self.message(), usize::MAX);
        decoded.expect("a response").1
    }
}
