//! The byte stream of a connection with its two buffers. Every wait on it is bounded.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::alarm::Alarm;

/// Most bytes that one read takes.
pub(super) const READ_BYTES: usize = 64 << 10;
/// What a buffer may keep while its connection is idle.
const KEPT_BYTES: usize = 4 << 10;
/// How long the rest of a client's bytes are thrown away, so that the last answer is not lost by a reset.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    /// All connections of a loop read into one buffer, so that an idle connection has none of its own.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Why a connection ends without another answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client closed or broke it.
    Gone,
    /// The client let a deadline pass.
    TimedOut,
}

pub(super) struct Link<S> {
    stream: S,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) alarm: Alarm,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            alarm: Alarm::default(),
        }
    }

    /// Appends what has arrived to the input; an end of the stream is an end of the connection.
    pub(super) fn poll_fill(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(task, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Err(Ended::Gone));
            }
            self.input.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(()))
        })
    }

    /// Waits for more input.
    pub(super) async fn fill(&mut self, deadline: Instant) -> Result<(), Ended> {
        poll_fn(|task| match self.poll_fill(task) {
            Poll::Pending => self
                .alarm
                .poll(task, deadline)
                .map(|()| Err(Ended::TimedOut)),
            filled @ Poll::Ready(_) => filled,
        })
        .await
    }

    /// Writes the output buffer.
    pub(super) async fn flush(&mut self, patience: Duration) -> Result<(), Ended> {
        let output = std::mem::take(&mut self.output);
        let written = self.write_all(&output, patience).await;
        self.output = output;
        self.output.clear();
        written
    }

    /// Writes `bytes`; the client must take some of them within every `patience`.
    pub(super) async fn write_all(
        &mut self,
        bytes: &[u8],
        patience: Duration,
    ) -> Result<(), Ended> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = self.write_some(rest, patience).await?;
            rest = &rest[count..];
        }
        self.flush_stream(patience).await
    }

    /// Lets the stream itself send what it has taken: under TLS that may wait for the client.
    async fn flush_stream(&mut self, patience: Duration) -> Result<(), Ended> {
        let mut deadline = None;
        poll_fn(|task| match Pin::new(&mut self.stream).poll_flush(task) {
            Poll::Ready(flushed) => Poll::Ready(flushed.map_err(|_| Ended::Gone)),
            Poll::Pending => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
                self.alarm
                    .poll(task, deadline)
                    .map(|()| Err(Ended::TimedOut))
            }
        })
        .await
    }

    async fn write_some(&mut self, bytes: &[u8], patience: Duration) -> Result<usize, Ended> {
        let mut deadline = None;
        poll_fn(
            |task| match Pin::new(&mut self.stream).poll_write(task, bytes) {
                Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(Ok(count)),
                Poll::Ready(_) => Poll::Ready(Err(Ended::Gone)),
                Poll::Pending => {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience);
                    self.alarm
                        .poll(task, deadline)
                        .map(|()| Err(Ended::TimedOut))
                }
            },
        )
        .await
    }

    /// Gives back memory that an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.is_empty() && buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }

    /// Says that nothing more will come, and waits a little for the client to close.
    pub(super) async fn close(&mut self) {
        let deadline = Instant::now() + LINGER;
        // The client may be gone already, or read no more.
        let shutdown = poll_fn(
            |task| match Pin::new(&mut self.stream).poll_shutdown(task) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => self.alarm.poll(task, deadline),
            },
        );
        shutdown.await;
        while self.fill(deadline).await.is_ok() {
            self.input.clear();
        }
    }
}
