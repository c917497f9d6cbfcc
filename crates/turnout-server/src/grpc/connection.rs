//! One HTTP/2 connection: takes streams, gives each a task, watches idleness and the orderly end.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Ping, PingPong, RecvStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use turnout_core::snapshot::Settings;

use super::liveness::{Judge, Listening, Since, Traffic, Verdict};
use super::response::Blocks;
use super::stream::{Door, Exchange};
use crate::drain::Stage;
use crate::service::Service;

const KIB: u32 = 1024;

/// Frames of large tensors: fewer turns of the codec, and still no more than a fraction of a millisecond each.
const MAX_FRAME_BYTES: u32 = 256 * KIB;

/// Of one stream: what may be under way without the loop having read it.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * KIB;

const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * KIB;

const MAX_HEADER_BYTES: u32 = 16 * KIB;

/// Streams that clients may open and reset before the loop has looked at them.
const MIN_UNSEEN_RESETS: usize = 64;

/// Serves a connection to its end on the present loop.
pub(crate) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, service: Service) {
    let settings = service.settings();
    let progress = Duration::from_millis(settings.header_timeout_ms);
    let idle = Duration::from_millis(settings.idle_timeout_ms);
    let (stream, traffic) = Listening::new(stream);
    let handshake = builder(settings).handshake(stream);
    // A peer that does not greet, or not in HTTP/2, is a lost connection.
    let Ok(Ok(mut connection)) = tokio::time::timeout(progress, handshake).await else {
        return;
    };
    let served = Served {
        ping: connection.ping_pong(),
        connection,
        door: Rc::new(Door {
            service,
            blocks: Rc::new(Blocks::new(progress)),
            progress,
            idle,
        }),
        requests: false,
        traffic,
        judge: Judge::default(),
    };
    served.run().await;
}

enum Event {
    /// The connection is closed.
    Over,
    /// The server ends its connections.
    Ending,
    Timer,
}

fn restart(mut timer: Pin<&mut Sleep>, after: Duration) {
    let now = Instant::now();
    timer.as_mut().reset(
        now.checked_add(after)
            .unwrap_or(now + Duration::from_secs(1 << 30)),
    );
}

fn builder(settings: &Settings) -> Builder {
    let streams = usize::try_from(settings.max_streams).unwrap_or(usize::MAX);
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(settings.max_streams)
        .max_pending_accept_reset_streams(streams.max(MIN_UNSEEN_RESETS));
    builder
}

/// A connection after its handshake.
struct Served<S> {
    connection: Connection<Listening<S>, Bytes>,
    door: Rc<Door>,
    ping: Option<PingPong>,
    /// Requests came since the timer rang last.
    requests: bool,
    traffic: Rc<Traffic>,
    judge: Judge,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Served<S> {
    async fn run(mut self) {
        let idle = self.door.idle;
        let mut stage = self.door.service.watch_drain();
        let mut ending = pin!(async move {
            // An error says that the server is gone already.
            let _ = stage.wait_for(|stage| *stage >= Stage::Ending).await;
        });
        let mut timer = pin!(tokio::time::sleep(idle));
        let mut ended = false;
        loop {
            let event = poll_fn(|task| {
                if self.accept(task).is_ready() {
                    return Poll::Ready(Event::Over);
                }
                if !ended && ending.as_mut().poll(task).is_ready() {
                    return Poll::Ready(Event::Ending);
                }
                timer.as_mut().poll(task).map(|()| Event::Timer)
            });
            match event.await {
                Event::Over => return,
                Event::Ending => {
                    ended = true;
                    self.connection.graceful_shutdown();
                }
                Event::Timer => {
                    if self.judge().is_break() {
                        return;
                    }
                    restart(timer.as_mut(), idle);
                }
            }
        }
    }

    /// Asks whether the connection is still worth its place.
    fn judge(&mut self) -> ControlFlow<()> {
        let since = Since {
            requests: std::mem::take(&mut self.requests),
            heard: self.traffic.take_heard(),
            stuck: self.traffic.take_stuck(),
            streams: self.connection.has_streams(),
        };
        match self.judge.verdict(since) {
            Verdict::Wait => {}
            Verdict::Ping => self.send_ping(),
            Verdict::Close => self.connection.graceful_shutdown(),
            Verdict::Drop => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// Drives the connection and starts a task for each new stream; ready when the connection is over.
    ///
    /// Replies are never written from here: that would flush once per reply and halve the throughput.
    fn accept(&mut self, task: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.connection.poll_accept(task) {
                Poll::Ready(Some(Ok((request, respond)))) => self.start(request, respond),
                // An error has told the peer what there is to tell; the streams learn it by themselves.
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn start(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        self.requests = true;
        let door = Rc::clone(&self.door);
        let exchange = Exchange::new(door, request, respond);
        // Boxed here, it is copied once; the runtime alone would copy it four times on its way to the heap.
        drop(tokio::task::spawn_local(Box::pin(exchange.serve())));
    }

    fn send_ping(&mut self) {
        let Some(ping) = &mut self.ping else { return };
        // The answer to an earlier ping, if any, makes room for this one; a ping that is still under way does as well.
        let _ = ping.poll_pong(&mut Context::from_waker(Waker::noop()));
        let _ = ping.send_ping(Ping::opaque());
    }
}
