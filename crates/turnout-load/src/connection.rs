//! A socket, its buffers, and the protocol that it speaks.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::http2::{self, GrpcConnection};
use crate::plan::Door;
use crate::request::{Pending, Sink};
use crate::rest::{self, RestConnection};

const READ_BYTES: usize = 64 * 1024;

/// The fixed bytes of a group's requests, one template per body.
#[derive(Debug)]
pub(crate) enum Templates {
    Rest(Vec<rest::Template>),
    Grpc(Vec<http2::Template>),
}

impl Templates {
    pub(crate) fn new(door: Door, address: &str, target: &str, bodies: &[Vec<u8>]) -> Self {
        let bodies = bodies.iter();
        match door {
            Door::Rest => Self::Rest(
                bodies
                    .map(|body| rest::Template::new(address, target, body))
                    .collect(),
            ),
            Door::Grpc => Self::Grpc(
                bodies
                    .map(|body| http2::Template::new(address, target, body))
                    .collect(),
            ),
        }
    }
}

#[derive(Debug)]
enum Protocol {
    Rest(RestConnection),
    Grpc(Box<GrpcConnection>),
}

/// Whether the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    Ended,
}

/// A connected socket. Non-blocking.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    protocol: Protocol,
    inbox: Vec<u8>,
    filled: usize,
    outbox: Vec<u8>,
    written: usize,
    /// Whether epoll was told to report when it can be written to.
    pub(crate) watches_writable: bool,
}

impl Connection {
    pub(crate) fn open(door: Door, address: &str) -> std::io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut outbox = Vec::new();
        let protocol = match door {
            Door::Rest => Protocol::Rest(RestConnection::default()),
            Door::Grpc => Protocol::Grpc(Box::new(GrpcConnection::open(&mut outbox))),
        };
        Ok(Self {
            socket,
            protocol,
            inbox: vec![0; READ_BYTES],
            filled: 0,
            outbox,
            written: 0,
            watches_writable: false,
        })
    }

    pub(crate) fn in_flight(&self) -> usize {
        match &self.protocol {
            Protocol::Rest(rest) => rest.in_flight(),
            Protocol::Grpc(grpc) => grpc.in_flight(),
        }
    }

    pub(crate) fn can_start(&self, depth: usize) -> bool {
        self.in_flight() < depth
            && match &self.protocol {
                Protocol::Rest(rest) => !rest.is_closing(),
                Protocol::Grpc(grpc) => grpc.can_start(),
            }
    }

    /// Nothing is in flight and nothing may be started: it is to be replaced.
    pub(crate) fn is_finished(&self) -> bool {
        let closing = match &self.protocol {
            Protocol::Rest(rest) => rest.is_closing(),
            Protocol::Grpc(grpc) => grpc.is_closing(),
        };
        closing && self.in_flight() == 0
    }

    pub(crate) fn oldest_sent_ns(&self) -> Option<u64> {
        match &self.protocol {
            Protocol::Rest(rest) => rest.oldest_sent_ns(),
            Protocol::Grpc(grpc) => grpc.oldest_sent_ns(),
        }
    }

    /// Puts a request into the buffer; [`Self::flush`] sends it.
    pub(crate) fn start(&mut self, templates: &Templates, pending: Pending) {
        match (&mut self.protocol, templates) {
            (Protocol::Rest(rest), Templates::Rest(templates)) => {
                rest.start(&templates[pending.body], pending, &mut self.outbox);
            }
            (Protocol::Grpc(grpc), Templates::Grpc(templates)) => {
                grpc.start(&templates[pending.body], pending, &mut self.outbox);
            }
            _ => unreachable!("bug: a group's templates are of its door"),
        }
    }

    /// Reads what is there. Call `digest` afterwards.
    pub(crate) fn read(&mut self) -> Result<Progress, String> {
        if self.inbox.len() - self.filled < READ_BYTES / 2 {
            self.inbox.resize(self.inbox.len() * 2, 0);
        }
        match self.socket.read(&mut self.inbox[self.filled..]) {
            Ok(0) => Ok(Progress::Ended),
            Ok(count) => {
                self.filled += count;
                Ok(Progress::Open)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(Progress::Open)
            }
            Err(error) => Err(format!("reading failed: {error}")),
        }
    }

    /// Takes the whole answers out of what was read.
    pub(crate) fn digest(
        &mut self,
        templates: &Templates,
        sink: &mut Sink<'_>,
    ) -> Result<(), String> {
        let input = &self.inbox[..self.filled];
        let taken = match (&mut self.protocol, templates) {
            (Protocol::Rest(rest), _) => rest.receive(input, sink)?,
            (Protocol::Grpc(grpc), Templates::Grpc(templates)) => {
                grpc.receive(input, templates, &mut self.outbox, sink)?
            }
            _ => unreachable!("bug: a group's templates are of its door"),
        };
        self.inbox.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(())
    }

    /// Writes what is in the buffer; returns whether all of it went.
    pub(crate) fn flush(&mut self) -> Result<bool, String> {
        while self.written < self.outbox.len() {
            match self.socket.write(&self.outbox[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("writing failed: {error}")),
            }
        }
        self.outbox.clear();
        self.written = 0;
        Ok(true)
    }

    /// Ends every request that is in flight as failed.
    pub(crate) fn lose(&mut self, kind: &'static str, reason: &str, sink: &mut Sink<'_>) {
        match &mut self.protocol {
            Protocol::Rest(rest) => rest.lose(kind, reason, sink),
            Protocol::Grpc(grpc) => grpc.lose(kind, reason, sink),
        }
    }
}
