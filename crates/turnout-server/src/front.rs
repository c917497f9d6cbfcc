//! The front thread: accepts for all loops, and answers probes itself.
//!
//! A new connection goes to the loop with the fewest. One whose first bytes ask for `/livez`, `/readyz` or `/metrics` stays
//! here, so that probes are answered while every loop is busy.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use turnout_core::event::LogLevel;
use turnout_core::{Door, ErrorCode};

use crate::connection::{self, Incoming, Socket};
use crate::drain::{Counted, Drain, Stage};
use crate::event_loop::{self, LoopHandle};
use crate::listen::{self, Bound};
use crate::service::Service;
use crate::shared::Shared;
use crate::threads::{self, Niceness};
use crate::tls::Tls;

const PROBES: [&[u8]; 6] = [
    b"GET /livez",
    b"GET /readyz",
    b"GET /metrics",
    b"HEAD /livez",
    b"HEAD /readyz",
    b"HEAD /metrics",
];

/// How long to rest when the process has run out of descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A listener on its way to the front.
struct Listen {
    bound: Bound,
    door: Door,
    tls: Option<Arc<Tls>>,
    open: Counted,
}

/// The way to the front thread.
pub(crate) struct Front {
    // A handful of listeners for the life of a server.
    sender: mpsc::UnboundedSender<Listen>,
    shared: Arc<Shared>,
}

impl Front {
    /// Starts the thread; it runs until [`Stage::Stopped`].
    pub(crate) fn start(
        shared: Arc<Shared>,
        loops: Vec<LoopHandle>,
        shard: usize,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let front = Self {
            sender,
            shared: Arc::clone(&shared),
        };
        let thread =
            threads::spawn(
                "front".into(),
                Niceness::Normal,
                move || match event_loop::runtime() {
                    Ok(runtime) => runtime.block_on(run(shared, loops, shard, receiver)),
                    Err(error) => shared.log(
                        LogLevel::Error,
                        "front",
                        format!("the front thread could not start: {error}"),
                    ),
                },
            )?;
        Ok((front, thread))
    }

    /// Begins to accept.
    pub(crate) fn listen(&self, bound: Bound, door: Door, tls: Option<Arc<Tls>>) {
        let open = self.shared.listeners.enter();
        let _ = self.sender.send(Listen {
            bound,
            door,
            tls,
            open,
        });
    }
}

/// What the acceptors of one front share.
struct Acceptor {
    shared: Arc<Shared>,
    service: Service,
    loops: Rc<[LoopHandle]>,
    door: Door,
    tls: Option<Arc<Tls>>,
}

async fn run(
    shared: Arc<Shared>,
    loops: Vec<LoopHandle>,
    shard: usize,
    mut receiver: mpsc::UnboundedReceiver<Listen>,
) {
    let service = event_loop::service(&shared, shard);
    let loops: Rc<[LoopHandle]> = loops.into();
    let mut stage = shared.drain.watch();
    loop {
        tokio::select! {
            listen = receiver.recv() => {
                let Some(Listen { bound, door, tls, open }) = listen else { return };
                let (shared, service, loops) = (Arc::clone(&shared), service.clone(), Rc::clone(&loops));
                let acceptor = Acceptor { shared, service, loops, door, tls };
                drop(tokio::task::spawn_local(acceptor.run(bound, open)));
            }
            _ = stage.wait_for(|stage| *stage >= Stage::Stopped) => return,
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

impl Listener {
    /// What waits in the kernel's queue, asked of the kernel itself: the runtime learns of it only at its next look. Closes
    /// the listener.
    fn taken(self) -> io::Result<Vec<Stream>> {
        fn until_empty<T>(mut accept: impl FnMut() -> io::Result<T>) -> Vec<T> {
            std::iter::from_fn(|| accept().ok()).collect()
        }
        match self {
            Self::Tcp(listener) => {
                let listener = listener.into_std()?;
                Ok(until_empty(|| {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    TcpStream::from_std(stream).map(Stream::Tcp)
                }))
            }
            Self::Unix(listener) => {
                let listener = listener.into_std()?;
                Ok(until_empty(|| {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    UnixStream::from_std(stream).map(Stream::Unix)
                }))
            }
        }
    }
}

impl Stream {
    fn into_socket(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Socket::Tcp),
            Self::Unix(stream) => stream.into_std().map(Socket::Unix),
        }
    }

    /// Waits for the first bytes and looks at them without taking them.
    async fn asks_for_probe(&self) -> io::Result<bool> {
        let mut first = [0u8; 16];
        let count = loop {
            let looked = match self {
                Self::Tcp(stream) => {
                    stream.readable().await?;
                    stream.try_io(Interest::READABLE, || look(stream.as_fd(), &mut first))
                }
                Self::Unix(stream) => {
                    stream.readable().await?;
                    stream.try_io(Interest::READABLE, || look(stream.as_fd(), &mut first))
                }
            };
            match looked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                looked => break looked?,
            }
        };
        Ok(PROBES.iter().any(|probe| first[..count].starts_with(probe)))
    }
}

fn look(socket: BorrowedFd<'_>, first: &mut [u8]) -> io::Result<usize> {
    let (_, count) = rustix::net::recv(socket, first, RecvFlags::PEEK)?;
    Ok(count)
}

impl Acceptor {
    async fn run(self, bound: Bound, open: Counted) {
        let (listener, socket_file) = match bound {
            Bound::Tcp(listener) => (TcpListener::from_std(listener).map(Listener::Tcp), None),
            Bound::Beside(listener) => {
                if !self.service.becomes_ready().await {
                    return;
                }
                let begun = listen::begin(&listener);
                let listener = begun.and_then(|()| TcpListener::from_std(listener));
                (listener.map(Listener::Tcp), None)
            }
            Bound::Unix(listener, path) => (
                UnixListener::from_std(listener).map(Listener::Unix),
                Some(path),
            ),
        };
        match listener {
            Ok(listener) => self.accept_all(listener).await,
            Err(error) => self.shared.log(
                LogLevel::Error,
                "front",
                format!("a listener could not start: {error}"),
            ),
        }
        if let Some(path) = socket_file {
            // Somebody else may have removed it; nothing depends on it any more.
            let _ = std::fs::remove_file(path);
        }
        drop(open);
    }

    async fn accept_all(&self, listener: Listener) {
        let mut stage = self.shared.drain.watch();
        loop {
            tokio::select! {
                accepted = listener.accept() => self.accepted(accepted).await,
                _ = stage.wait_for(|stage| *stage >= Stage::Closing) => break,
            }
        }
        // Connections that the kernel has taken are ours: serve them before the listener closes.
        for stream in listener.taken().unwrap_or_default() {
            self.dispatch(stream);
        }
    }

    async fn accepted(&self, accepted: io::Result<Stream>) {
        match accepted {
            Ok(stream) => self.dispatch(stream),
            Err(error) => {
                self.shared.log(
                    LogLevel::Warning,
                    "front",
                    format!("a connection could not be accepted: {error}"),
                );
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }

    fn dispatch(&self, stream: Stream) {
        self.shared.metrics.count_connection(self.door);
        if self.shared.connections.get() >= self.shared.settings.max_connections {
            // Closing is all that is cheap enough here; clients see a reset and may try again.
            return self.service.refuse(self.door, ErrorCode::Overloaded);
        }
        let counted = self.shared.connections.enter();
        let (service, loops) = (self.service.clone(), self.loops.clone());
        let (door, tls) = (self.door, self.tls.clone());
        // What asks for a probe under TLS cannot be told from the rest.
        if door != Door::Rest || tls.is_some() {
            return drop(tokio::task::spawn_local(hand_over(
                stream, door, tls, counted, loops, None,
            )));
        }
        let patience = Duration::from_millis(self.shared.settings.idle_timeout_ms);
        drop(tokio::task::spawn_local(async move {
            let first = tokio::time::timeout(patience, stream.asks_for_probe());
            let probe = tokio::select! {
                probe = first => probe,
                () = Drain::last_chance(service.watch_drain()) => return,
            };
            if let Ok(Ok(probe)) = probe {
                hand_over(stream, door, None, counted, loops, probe.then_some(service)).await;
            }
        }));
    }
}

/// Gives the connection to the loop with the fewest, or serves it here.
async fn hand_over(
    stream: Stream,
    door: Door,
    tls: Option<Arc<Tls>>,
    counted: Counted,
    loops: Rc<[LoopHandle]>,
    here: Option<Service>,
) {
    let Ok(socket) = stream.into_socket() else {
        return;
    };
    let fewest = loops
        .iter()
        .min_by_key(|handle| handle.load(door))
        .expect("bug: a front without loops");
    let counted = [counted, fewest.connections(door).enter()];
    let incoming = Incoming {
        door,
        socket,
        tls,
        counted,
    };
    match here {
        Some(service) => connection::serve(incoming, service).await,
        None => fewest.send(incoming),
    }
}

#[cfg(test)]
mod tests;
