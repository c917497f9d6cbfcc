//! An accepted socket, and the door it belongs to.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use turnout_core::{Door, Error, Result};

use crate::drain::Counted;
use crate::service::Service;
use crate::tls::Tls;
use crate::{grpc, rest};

/// A connected socket that belongs to no event loop yet; non-blocking.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection on its way to a loop. The counts end with it.
pub(crate) struct Incoming {
    pub(crate) door: Door,
    pub(crate) socket: Socket,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) counted: [Counted; 2],
}

/// The door of a listener, by the name that Python uses.
pub(crate) fn door(name: &str) -> Result<Door> {
    match name {
        "rest" => Ok(Door::Rest),
        "grpc" => Ok(Door::Grpc),
        other => Err(Error::config_invalid(format!(
            "unknown door, expected `rest` or `grpc`: `{other}`"
        ))),
    }
}

/// Serves a connection to its end on the present loop.
pub(crate) async fn serve(incoming: Incoming, service: Service) {
    let Incoming {
        door,
        socket,
        tls,
        counted,
    } = incoming;
    // A socket that cannot be registered is a lost connection, not a fault of the server.
    let _ = match socket {
        Socket::Tcp(stream) => serve_tcp(door, stream, tls, service).await,
        Socket::Unix(stream) => serve_unix(door, stream, tls, service).await,
    };
    drop(counted);
}

async fn serve_tcp(
    door: Door,
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    service: Service,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    secure(door, tokio::net::TcpStream::from_std(stream)?, tls, service).await
}

async fn serve_unix(
    door: Door,
    stream: UnixStream,
    tls: Option<Arc<Tls>>,
    service: Service,
) -> io::Result<()> {
    secure(
        door,
        tokio::net::UnixStream::from_std(stream)?,
        tls,
        service,
    )
    .await
}

/// Shakes hands where the listener wants TLS; the client has as long for it as for the head of a request.
async fn secure(
    door: Door,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    tls: Option<Arc<Tls>>,
    service: Service,
) -> io::Result<()> {
    let Some(tls) = tls else {
        speak(door, stream, service).await;
        return Ok(());
    };
    let patience = Duration::from_millis(service.settings().header_timeout_ms);
    let handshake = tls.acceptor().accept(stream);
    let stream = tokio::time::timeout(patience, handshake).await??;
    speak(door, stream, service).await;
    Ok(())
}

async fn speak(
    door: Door,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    service: Service,
) {
    match door {
        Door::Grpc => grpc::connection::serve(stream, service).await,
        Door::Rest | Door::InProcess => rest::connection::serve(stream, service).await,
    }
}
