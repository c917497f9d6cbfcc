//! An accepted socket, and the door it belongs to.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use tokio::io::{AsyncRead, AsyncWrite};
use turnout_core::{Door, Error, Result};

use crate::drain::Counted;
use crate::service::Service;
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
        counted,
    } = incoming;
    // A socket that cannot be registered is a lost connection, not a fault of the server.
    let _ = match socket {
        Socket::Tcp(stream) => serve_tcp(door, stream, service).await,
        Socket::Unix(stream) => serve_unix(door, stream, service).await,
    };
    drop(counted);
}

async fn serve_tcp(door: Door, stream: TcpStream, service: Service) -> io::Result<()> {
    stream.set_nodelay(true)?;
    speak(door, tokio::net::TcpStream::from_std(stream)?, service).await;
    Ok(())
}

async fn serve_unix(door: Door, stream: UnixStream, service: Service) -> io::Result<()> {
    speak(door, tokio::net::UnixStream::from_std(stream)?, service).await;
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
