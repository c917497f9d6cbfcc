//! Whether anybody is still at the other end of a connection.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

/// What went through a byte stream since the last look.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    heard: Cell<bool>,
    written: Cell<bool>,
    /// The peer takes no more bytes at present.
    blocked: Cell<bool>,
}

impl Traffic {
    /// Whether bytes have arrived since the last look.
    pub(crate) fn take_heard(&self) -> bool {
        self.heard.take()
    }

    /// Whether bytes wait to be written, and none was since the last look.
    pub(crate) fn take_stuck(&self) -> bool {
        let written = self.written.take();
        self.blocked.get() && !written
    }

    fn note_write(&self, ready: bool) {
        self.blocked.set(!ready);
        if ready {
            self.written.set(true);
        }
    }
}

/// A byte stream that notes what goes through it, and that leaves the loop to others from time to time.
#[derive(Debug)]
pub(crate) struct Listening<S> {
    stream: S,
    traffic: Rc<Traffic>,
    /// Read since the loop was last left to other connections.
    read_bytes: usize,
}

/// What one connection may read before others have their turn. Reading and keeping so much takes a fraction of a
/// millisecond.
const TURN_BYTES: usize = 256 * 1024;

impl<S> Listening<S> {
    pub(crate) fn new(stream: S) -> (Self, Rc<Traffic>) {
        let traffic = Rc::new(Traffic::default());
        let listening = Self {
            stream,
            traffic: Rc::clone(&traffic),
            read_bytes: 0,
        };
        (listening, traffic)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_bytes >= TURN_BYTES {
            self.read_bytes = 0;
            // Wakes this task when the loop has looked at its sockets and timers.
            ready!(pin!(yield_now()).poll(task));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(task, buffer);
        if read.is_ready() {
            self.traffic.heard.set(true);
            self.read_bytes += buffer.filled().len() - before;
        } else {
            self.read_bytes = 0;
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
        let written = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.traffic.note_write(written.is_ready());
        written
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
        let written = Pin::new(&mut self.stream).poll_write_vectored(task, slices);
        self.traffic.note_write(written.is_ready());
        written
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
    /// A ping or a goodbye was not answered, or answers are not read.
    Drop,
}

/// What happened since the timer rang last.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on one another"
)]
pub(crate) struct Since {
    pub(crate) requests: bool,
    pub(crate) heard: bool,
    /// Bytes wait to be written, and the peer took none.
    pub(crate) stuck: bool,
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
        if unanswered || since.stuck || self.closing && !since.streams {
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
            stuck: false,
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
            (
                "answers are not read",
                vec![Since {
                    stuck: true,
                    ..since(true, true, true)
                }],
                vec![Verdict::Drop],
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

    #[test]
    fn a_stream_is_stuck_when_nothing_of_what_waits_is_taken() {
        let (near, far) = tokio::io::duplex(4);
        let (mut listening, traffic) = Listening::new(near);
        let mut task = Context::from_waker(std::task::Waker::noop());
        let mut write = || {
            Pin::new(&mut listening)
                .poll_write(&mut task, b"four")
                .is_ready()
        };
        assert!(write() && !traffic.take_stuck(), "there was room");
        assert!(!write() && traffic.take_stuck(), "there is none");
        drop(far);
        assert!(
            write() && !traffic.take_stuck(),
            "an error is an end to waiting"
        );
    }

    #[test]
    fn a_stream_that_has_much_to_read_leaves_the_loop_to_others() {
        let (near, mut far) = tokio::io::duplex(2 * TURN_BYTES);
        let (mut listening, _) = Listening::new(near);
        let mut task = Context::from_waker(std::task::Waker::noop());
        let sent = Pin::new(&mut far).poll_write(&mut task, &vec![0; TURN_BYTES + 1]);
        assert!(sent.is_ready());
        let mut read = |most: usize| {
            let mut bytes = vec![0; most];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut listening).poll_read(&mut task, &mut buffer);
            read.map(|_| buffer.filled().len())
        };
        assert_eq!(read(TURN_BYTES), Poll::Ready(TURN_BYTES));
        assert_eq!(read(TURN_BYTES), Poll::Pending, "others have their turn");
        assert_eq!(read(TURN_BYTES), Poll::Ready(1), "and then it goes on");
    }
}
