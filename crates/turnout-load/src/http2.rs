//! gRPC over HTTP/2 cleartext, the client's side of unary calls.
//!
//! Written for load: the requests' header block is six bytes and an id, nothing is allocated per call, and all frames of one
//! turn leave in one write.

mod frame;
mod hpack;
mod huffman;
mod stream;
mod streams;

use std::collections::VecDeque;

use frame::{Frame, flag, kind, setting, u32_at, write_header, write_window_update};
use stream::Stream;
use streams::Streams;

use crate::request::{Outcome, Pending, Sink};

/// Receive windows: so large that a server never waits for this client.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
const DEFAULT_WINDOW: u32 = 65_535;
const LAST_STREAM: u32 = (1 << 31) - 1;
const REFUSED_STREAM: u32 = 7;

/// The fixed parts of a request.
#[derive(Debug)]
pub(crate) struct Template {
    authority: String,
    path: String,
    message: Vec<u8>,
}

impl Template {
    pub(crate) fn new(address: &str, target: &str, body: &[u8]) -> Self {
        Self {
            authority: address.to_owned(),
            path: target.to_owned(),
            message: stream::with_prefix(body),
        }
    }
}

/// A header block that goes on in the next frame.
#[derive(Debug)]
struct Unfinished {
    stream: u32,
    ends_stream: bool,
    block: Vec<u8>,
}

/// One connection and its streams.
#[derive(Debug)]
pub(crate) struct GrpcConnection {
    streams: Streams,
    /// Streams whose message waits for a window.
    blocked: VecDeque<u32>,
    send_window: i64,
    unreturned: u32,
    peer_streams: usize,
    peer_stream_window: i64,
    peer_frame_bytes: usize,
    decoder: hpack::Decoder,
    unfinished: Option<Unfinished>,
    going_away: bool,
    spare: Vec<Vec<u8>>,
}

impl GrpcConnection {
    /// Writes what a connection begins with.
    pub(crate) fn open(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(frame::PREFACE);
        let settings = [
            (setting::ENABLE_PUSH, 0),
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        ];
        write_header(out, settings.len() * 6, kind::SETTINGS, 0, 0);
        for (name, value) in settings {
            out.extend_from_slice(&name.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
        write_window_update(out, 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
        Self {
            streams: Streams::default(),
            blocked: VecDeque::new(),
            send_window: i64::from(DEFAULT_WINDOW),
            unreturned: 0,
            peer_streams: usize::MAX,
            peer_stream_window: i64::from(DEFAULT_WINDOW),
            peer_frame_bytes: 16_384,
            decoder: hpack::Decoder::default(),
            unfinished: None,
            going_away: false,
            spare: Vec::new(),
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.streams.in_flight
    }

    /// Whether one more request may begin: the peer allows it, and nothing waits for a window.
    pub(crate) fn can_start(&self) -> bool {
        self.streams.in_flight < self.peer_streams && self.blocked.is_empty() && !self.is_closing()
    }

    /// The server announced the end of this connection, or its stream numbers are used up.
    pub(crate) fn is_closing(&self) -> bool {
        self.going_away || self.streams.next_id() > LAST_STREAM - 2
    }

    pub(crate) fn oldest_sent_ns(&self) -> Option<u64> {
        self.streams.oldest().map(|stream| stream.pending.sent_ns)
    }

    pub(crate) fn start(&mut self, template: &Template, pending: Pending, out: &mut Vec<u8>) {
        let id = self.streams.next_id();
        if id == 1 {
            let block = hpack::first_block(&template.authority, &template.path, pending.number);
            write_header(out, block.len(), kind::HEADERS, flag::END_HEADERS, id);
            out.extend_from_slice(&block);
        } else {
            let block = hpack::next_block(pending.number);
            write_header(out, block.len(), kind::HEADERS, flag::END_HEADERS, id);
            out.extend_from_slice(&block);
        }
        let message = self.spare.pop().unwrap_or_default();
        let mut stream = Stream::new(pending, self.peer_stream_window, message);
        let mut window = Window {
            bytes: &mut self.send_window,
            frame_bytes: self.peer_frame_bytes,
        };
        if !window.send(&mut stream, id, template, out) {
            self.blocked.push_back(id);
        }
        self.streams.push(stream);
    }

    fn end(&mut self, id: u32, sink: &mut Sink<'_>, outcome: impl FnOnce(&Stream) -> Outcome<'_>) {
        if let Some(mut stream) = self.streams.take(id) {
            sink(stream.pending, outcome(&stream));
            stream.message.clear();
            self.spare.push(stream.message);
        }
    }

    /// Takes whole frames from `input`; returns how many bytes it took. `templates` are those of the group's bodies.
    pub(crate) fn receive(
        &mut self,
        input: &[u8],
        templates: &[Template],
        out: &mut Vec<u8>,
        sink: &mut Sink<'_>,
    ) -> Result<usize, String> {
        let mut taken = 0;
        while let Some(frame) = frame::parse(&input[taken..]) {
            taken += frame::HEADER_BYTES + frame.payload.len();
            self.frame(&frame, templates, out, sink)?;
        }
        Ok(taken)
    }

    fn frame(
        &mut self,
        frame: &Frame<'_>,
        templates: &[Template],
        out: &mut Vec<u8>,
        sink: &mut Sink<'_>,
    ) -> Result<(), String> {
        match frame.kind {
            kind::DATA => self.data(frame, out, sink)?,
            kind::HEADERS | kind::CONTINUATION => self.headers(frame, sink)?,
            kind::SETTINGS if !frame.has(flag::ACK) => {
                self.settings(frame.payload)?;
                write_header(out, 0, kind::SETTINGS, flag::ACK, 0);
            }
            kind::PING if !frame.has(flag::ACK) => {
                write_header(out, frame.payload.len(), kind::PING, flag::ACK, 0);
                out.extend_from_slice(frame.payload);
            }
            kind::WINDOW_UPDATE => {
                let bytes = i64::from(u32_at(frame.payload));
                match self.streams.get(frame.stream) {
                    Some(stream) => stream.send_window += bytes,
                    None if frame.stream == 0 => self.send_window += bytes,
                    None => {}
                }
                self.send_blocked(templates, out);
            }
            kind::RST_STREAM => {
                let code = u32_at(frame.payload);
                self.end(frame.stream, sink, |_| match code {
                    REFUSED_STREAM => Outcome::NotProcessed,
                    code => Outcome::Failed("stream_reset", format!("error code {code}")),
                });
            }
            kind::GOAWAY => self.go_away(u32_at(frame.payload) & LAST_STREAM, sink),
            _ => {}
        }
        Ok(())
    }

    fn data(
        &mut self,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
        sink: &mut Sink<'_>,
    ) -> Result<(), String> {
        let bytes = u32::try_from(frame.payload.len()).map_err(|error| error.to_string())?;
        return_window(&mut self.unreturned, bytes, CONNECTION_WINDOW / 2, 0, out);
        let content = frame::content(frame)?;
        let Some(stream) = self.streams.get(frame.stream) else {
            return Ok(());
        };
        stream.message.extend_from_slice(content);
        if frame.has(flag::END_STREAM) {
            self.end(frame.stream, sink, Stream::outcome);
        } else {
            return_window(
                &mut stream.unreturned,
                bytes,
                STREAM_WINDOW / 2,
                frame.stream,
                out,
            );
        }
        Ok(())
    }

    fn headers(&mut self, frame: &Frame<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
        let content = frame::content(frame)?;
        let part = match self.unfinished.take() {
            Some(part) if frame.kind == kind::CONTINUATION && part.stream == frame.stream => part,
            None if frame.kind == kind::HEADERS && frame.has(flag::END_HEADERS) => {
                return self.block(frame.stream, frame.has(flag::END_STREAM), content, sink);
            }
            None if frame.kind == kind::HEADERS => Unfinished {
                stream: frame.stream,
                ends_stream: frame.has(flag::END_STREAM),
                block: Vec::new(),
            },
            _ => return Err("a header block was interrupted".to_owned()),
        };
        let part = Unfinished {
            block: [&part.block, content].concat(),
            ..part
        };
        if frame.has(flag::END_HEADERS) {
            return self.block(part.stream, part.ends_stream, &part.block, sink);
        }
        self.unfinished = Some(part);
        Ok(())
    }

    fn block(
        &mut self,
        id: u32,
        ends_stream: bool,
        block: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), String> {
        let mut stream = self.streams.get(id);
        self.decoder.read(block, |name, value| {
            if let Some(stream) = &mut stream {
                stream.field(name, value);
            }
        })?;
        if ends_stream {
            self.end(id, sink, Stream::outcome);
        }
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), String> {
        let (entries, _) = payload.as_chunks::<6>();
        for entry in entries {
            let value = u32_at(&entry[2..]);
            let size = usize::try_from(value).unwrap_or(usize::MAX);
            match u16::from_be_bytes([entry[0], entry[1]]) {
                setting::HEADER_TABLE_SIZE if value < 4096 => {
                    return Err(format!(
                        "the server's header table is below 4096 bytes: {value}"
                    ));
                }
                setting::MAX_CONCURRENT_STREAMS => self.peer_streams = size,
                setting::MAX_FRAME_SIZE => self.peer_frame_bytes = size,
                setting::INITIAL_WINDOW_SIZE => {
                    let change = i64::from(value) - self.peer_stream_window;
                    self.peer_stream_window = i64::from(value);
                    self.streams.each(|stream| stream.send_window += change);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn send_blocked(&mut self, templates: &[Template], out: &mut Vec<u8>) {
        for _ in 0..self.blocked.len() {
            let Some(id) = self.blocked.pop_front() else {
                return;
            };
            let Some(stream) = self.streams.get(id) else {
                continue;
            };
            let template = &templates[stream.pending.body];
            let mut window = Window {
                bytes: &mut self.send_window,
                frame_bytes: self.peer_frame_bytes,
            };
            if !window.send(stream, id, template, out) {
                self.blocked.push_back(id);
            }
        }
    }

    fn go_away(&mut self, last: u32, sink: &mut Sink<'_>) {
        self.going_away = true;
        let untouched = (last.saturating_add(1)..self.streams.next_id()).filter(|id| id % 2 == 1);
        for id in untouched.collect::<Vec<_>>() {
            self.end(id, sink, |_| Outcome::NotProcessed);
        }
    }

    /// Ends every request that is in flight as failed.
    pub(crate) fn lose(&mut self, kind: &'static str, reason: &str, sink: &mut Sink<'_>) {
        for pending in self.streams.drain() {
            sink(pending, Outcome::Failed(kind, reason.to_owned()));
        }
    }
}

/// What the connection's window and the peer's frame size allow to be sent.
struct Window<'a> {
    bytes: &'a mut i64,
    frame_bytes: usize,
}

impl Window<'_> {
    /// Sends as much of the stream's message as may be sent now; returns whether that was the rest of it.
    fn send(
        &mut self,
        stream: &mut Stream,
        id: u32,
        template: &Template,
        out: &mut Vec<u8>,
    ) -> bool {
        while stream.sent < template.message.len() {
            let allowed = (*self.bytes).min(stream.send_window).max(0);
            let rest = template.message.len() - stream.sent;
            let length = usize::try_from(allowed)
                .unwrap_or(0)
                .min(rest)
                .min(self.frame_bytes);
            if length == 0 {
                return false;
            }
            let end = if length == rest { flag::END_STREAM } else { 0 };
            write_header(out, length, kind::DATA, end, id);
            out.extend_from_slice(&template.message[stream.sent..stream.sent + length]);
            stream.sent += length;
            let length = i64::try_from(length).expect("bug: a frame is below 16 MiB");
            stream.send_window -= length;
            *self.bytes -= length;
        }
        true
    }
}

/// Counts received bytes and gives them back to the sender once `at` have gathered.
fn return_window(unreturned: &mut u32, bytes: u32, at: u32, stream: u32, out: &mut Vec<u8>) {
    *unreturned += bytes;
    if *unreturned >= at {
        write_window_update(out, stream, std::mem::take(unreturned));
    }
}

#[cfg(test)]
mod tests;
