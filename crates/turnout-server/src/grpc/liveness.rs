//! Whether anybody is still at the other end of a connection.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Set whenever bytes arrive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Rc<Cell<bool>>);

impl Heard {
    /// Whether bytes have arrived since the last look.
    pub(crate) fn take(&self) -> bool {
        self.0.take()
    }
}

/// A byte stream that notes when it is heard from.
#[derive(Debug)]
pub(crate) struct Listening<S> {
    stream: S,
    heard: Heard,
}

impl<S> Listening<S> {
    pub(crate) fn new(stream: S) -> (Self, Heard) {
        let heard = Heard::default();
        let listening = Self {
            stream,
            heard: heard.clone(),
        };
        (listening, heard)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(task, buffer);
        if read.is_ready() {
            self.heard.0.set(true);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What to do with a connection when its timer rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wait,
    /// Nothing was heard while requests are open: ask whether anybody is there.
    Ping,
    /// Without requests for long enough: say goodbye.
    Close,
    /// Neither a ping nor a goodbye was answered.
    Drop,
}

/// What happened since the timer rang last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    pub(crate) requests: bool,
    pub(crate) heard: bool,
    /// Streams are open now.
    pub(crate) streams: bool,
}

/// The verdicts over the life of a connection.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    pinged: bool,
    closing: bool,
}

impl Judge {
    pub(crate) fn verdict(&mut self, since: Since) -> Verdict {
        let unanswered = std::mem::take(&mut self.pinged) && !since.heard;
        if unanswered || self.closing && !since.streams {
            return Verdict::Drop;
        }
        if !since.streams && !since.requests {
            self.closing = true;
            return Verdict::Close;
        }
        if !since.heard {
            self.pinged = true;
            return Verdict::Ping;
        }
        Verdict::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_what_was_heard() {
        let since = |requests, heard, streams| Since {
            requests,
            heard,
            streams,
        };
        let cases = [
            (
                "busy",
                vec![since(true, true, true), since(true, true, false)],
                vec![Verdict::Wait; 2],
            ),
            (
                "idle",
                vec![since(false, false, false)],
                vec![Verdict::Close],
            ),
            (
                "idle but pinging",
                vec![since(false, true, false)],
                vec![Verdict::Close],
            ),
            (
                "goodbye not answered",
                vec![since(false, true, false), since(false, false, false)],
                vec![Verdict::Close, Verdict::Drop],
            ),
            (
                "long stream, peer alive",
                vec![
                    since(false, false, true),
                    since(false, true, true),
                    since(false, false, true),
                ],
                vec![Verdict::Ping, Verdict::Wait, Verdict::Ping],
            ),
            (
                "long stream, peer dead",
                vec![since(false, false, true), since(false, false, true)],
                vec![Verdict::Ping, Verdict::Drop],
            ),
        ];
        for (name, events, expected) in cases {
            let mut judge = Judge::default();
            let verdicts: Vec<Verdict> = events
                .into_iter()
                .map(|event| judge.verdict(event))
                .collect();
            assert_eq!(verdicts, expected, "{name}");
        }
    }
}
