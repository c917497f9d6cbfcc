//! The frame layer of HTTP/2.
//!
//! Source: RFC 9113, sections 4 and 6.

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const HEADER_BYTES: usize = 9;

pub(super) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(super) mod flag {
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

pub(super) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
}

/// A whole frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

impl Frame<'_> {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The first frame of `input`, when it is there to its end.
pub(super) fn parse(input: &[u8]) -> Option<Frame<'_>> {
    let (head, rest) = input.split_first_chunk::<HEADER_BYTES>()?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let payload = rest.get(..length)?;
    Some(Frame {
        kind: head[3],
        flags: head[4],
        stream: u32_at(&head[5..]) & 0x7fff_ffff,
        payload,
    })
}

/// Appends a frame's header; the payload follows.
pub(super) fn write_header(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let length = u32::try_from(length).expect("bug: frames are cut to the peer's limit");
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
}

pub(super) fn write_window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    write_header(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&bytes.to_be_bytes());
}

/// The big-endian number at the beginning of `bytes`; 0 when they are too few.
pub(super) fn u32_at(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// What DATA and HEADERS carry, without padding and priority.
pub(super) fn content<'a>(frame: &Frame<'a>) -> Result<&'a [u8], String> {
    let cut = || format!("a frame of kind {} is too short", frame.kind);
    let mut payload = frame.payload;
    if frame.has(flag::PADDED) {
        let (padding, rest) = payload.split_first().ok_or_else(cut)?;
        let kept = rest
            .len()
            .checked_sub(usize::from(*padding))
            .ok_or_else(cut)?;
        payload = &rest[..kept];
    }
    if frame.kind == kind::HEADERS && frame.has(flag::PRIORITY) {
        payload = payload.get(5..).ok_or_else(cut)?;
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_once_it_is_whole() {
        let mut bytes = Vec::new();
        write_header(&mut bytes, 3, kind::DATA, flag::END_STREAM, 5);
        bytes.extend_from_slice(b"abc");
        for cut in 0..bytes.len() {
            assert!(parse(&bytes[..cut]).is_none());
        }
        let frame = parse(&bytes).unwrap();
        assert_eq!(
            (frame.kind, frame.stream, frame.payload),
            (kind::DATA, 5, &b"abc"[..])
        );
        assert!(frame.has(flag::END_STREAM));
    }

    #[test]
    fn padding_is_left_out() {
        let frame = Frame {
            kind: kind::DATA,
            flags: flag::PADDED,
            stream: 1,
            payload: &[2, 7, 8, 0, 0],
        };
        assert_eq!(content(&frame).unwrap(), [7, 8]);
        let frame = Frame {
            payload: &[9, 7],
            ..frame
        };
        assert!(content(&frame).is_err());
    }
}
