//! Binding listeners.

use std::io;
use std::net::ToSocketAddrs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use turnout_core::{Error, Result};

const BACKLOG: i32 = 1024;

/// A bound listener, non-blocking, and the address that clients use.
pub(crate) enum Bound {
    Tcp(std::net::TcpListener),
    /// Bound beside another server's listener, which gets all connections until [`begin`] is called on this one.
    Beside(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

impl Bound {
    /// `HOST:PORT` with the real port, or `unix:PATH`.
    pub(crate) fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) | Self::Beside(listener) => Ok(listener.local_addr()?.to_string()),
            Self::Unix(_, path) => Ok(format!("unix:{}", path.display())),
        }
    }
}

/// Binds `HOST:PORT` or `unix:PATH`, exclusively unless `reuse_port`; see [`Bound::Beside`].
///
/// # Errors
/// `address_in_use` when it is taken or cannot be bound, `config_invalid` when it cannot be read.
pub(crate) fn bind(address: &str, reuse_port: bool) -> Result<Bound> {
    if let Some(path) = address.strip_prefix("unix:") {
        return bind_unix(Path::new(path));
    }
    let unreadable = |source: io::Error| {
        Error::config_invalid(format!(
            "not an address of the form `HOST:PORT`: `{address}`"
        ))
        .with_source(source)
    };
    let mut candidates = address.to_socket_addrs().map_err(unreadable)?;
    let socket_address = candidates
        .next()
        .ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
    bind_tcp(socket_address, reuse_port)
        .map(if reuse_port {
            Bound::Beside
        } else {
            Bound::Tcp
        })
        .map_err(|source| {
            let hint = if source.kind() == io::ErrorKind::AddrNotAvailable {
                "choose an address of this machine; 0.0.0.0 stands for all of them"
            } else {
                "stop what listens there, or choose another port (0 takes any free one)"
            };
            Error::address_in_use(format!(
                "cannot listen on {address}: {}",
                kind_text(&source)
            ))
            .with_source(source)
            .with_hint(hint)
        })
}

fn bind_tcp(address: std::net::SocketAddr, reuse_port: bool) -> io::Result<std::net::TcpListener> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = net::socket_with(family, SocketType::STREAM, flags, None)?;
    // Restarts may bind while old connections linger in TIME_WAIT; a second listener is refused all the same.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if reuse_port {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    net::bind(&socket, &address)?;
    if !reuse_port {
        net::listen(&socket, BACKLOG)?;
    }
    Ok(socket.into())
}

/// Lets the kernel give connections to a listener that was bound [`Bound::Beside`] another one.
pub(crate) fn begin(listener: &std::net::TcpListener) -> io::Result<()> {
    Ok(net::listen(listener, BACKLOG)?)
}

fn bind_unix(path: &Path) -> Result<Bound> {
    let taken = |source: io::Error| {
        let message = format!(
            "cannot listen on unix:{}: {}",
            path.display(),
            kind_text(&source)
        );
        Error::address_in_use(message).with_source(source)
    };
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        // Nobody answers: left behind by a process that was killed.
        std::fs::remove_file(path).map_err(taken)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(taken)?;
    listener.set_nonblocking(true).map_err(taken)?;
    Ok(Bound::Unix(listener, path.to_owned()))
}

fn kind_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        _ => error.to_string(),
    }
}
