//! The other end of a connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use crate::rest::connection::serve;
use crate::service::Service;

/// No wait of a test is longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer: status and body are compared, headers are looked up.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    headers: Vec<(String, String)>,
}

impl Reply {
    pub(super) fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
            headers: Vec::new(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        (self.status, &self.body) == (other.status, &other.body)
    }
}

pub(super) struct Client {
    stream: DuplexStream,
    received: Vec<u8>,
    server: JoinHandle<()>,
}

impl Client {
    pub(super) fn connect(service: &Service) -> Self {
        Self::connect_through(service, 1 << 20)
    }

    /// `bytes`: what fits between the two ends.
    pub(super) fn connect_through(service: &Service, bytes: usize) -> Self {
        let (stream, other) = duplex(bytes);
        let server = tokio::task::spawn_local(serve(other, service.clone()));
        Self {
            stream,
            received: Vec::new(),
            server,
        }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .await
            .expect("the server reads");
    }

    pub(super) async fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        self.reply().await
    }

    pub(super) async fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> Reply {
        self.post_with(path, "", body).await
    }

    /// `headers`: whole lines.
    pub(super) async fn post_with(
        &mut self,
        path: &str,
        headers: &str,
        body: impl AsRef<[u8]>,
    ) -> Reply {
        self.send(request(path, headers, body)).await;
        self.reply().await
    }

    pub(super) async fn reply(&mut self) -> Reply {
        self.reply_to("GET").await
    }

    /// Reads one answer to `method`.
    pub(super) async fn reply_to(&mut self, method: &str) -> Reply {
        let mut reply = self.read_head().await;
        if method == "HEAD" || reply.status == 100 {
            return reply;
        }
        let length: usize = reply
            .header("content-length")
            .and_then(|text| text.parse().ok())
            .expect("a length");
        while self.received.len() < length {
            assert!(self.read_more().await, "the connection ended in a body");
        }
        let body: Vec<u8> = self.received.drain(..length).collect();
        reply.body = String::from_utf8_lossy(&body).into_owned();
        reply
    }

    async fn read_head(&mut self) -> Reply {
        let end = loop {
            if let Some(end) = self
                .received
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break end;
            }
            assert!(
                self.read_more().await,
                "the connection ended: {}",
                self.received.escape_ascii()
            );
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("an ASCII head");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .expect("a status line");
        let headers = lines
            .map(|line| line.split_once(": ").expect("name and value"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Reply {
            status,
            body: String::new(),
            headers,
        }
    }

    /// False at the end of the stream.
    async fn read_more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.received);
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("an answer in time")
            .is_ok_and(|count| count > 0)
    }

    /// An answer that has been written already.
    pub(super) async fn reply_now(&mut self) -> Reply {
        let reply = tokio::time::timeout(Duration::ZERO, self.reply());
        reply.await.expect("the answer is there")
    }

    /// Waits for the server to give up, without reading.
    pub(super) async fn expect_server_to_end(self) {
        tokio::time::timeout(PATIENCE, self.server)
            .await
            .expect("the server ends")
            .expect("no panic");
    }

    /// Waits for the server to close without another answer.
    pub(super) async fn expect_end(mut self) {
        assert!(
            !self.read_more().await,
            "one answer too many: {}",
            self.received.escape_ascii()
        );
        self.leave().await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.server.is_finished()
    }

    /// Sends nothing more; returns all that is still answered, once the server has closed.
    pub(super) async fn rest(mut self) -> Vec<u8> {
        self.stream.shutdown().await.expect("open");
        while self.read_more().await {}
        std::mem::take(&mut self.received)
    }

    /// Goes away; returns when the server has noticed.
    pub(super) async fn leave(self) {
        drop(self.stream);
        tokio::time::timeout(PATIENCE, self.server)
            .await
            .expect("the server ends")
            .expect("no panic");
    }
}

/// A POST with the length of its body.
pub(super) fn request(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
