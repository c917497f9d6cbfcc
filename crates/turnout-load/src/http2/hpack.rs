//! Header compression: reading the answers' header blocks, and the one block that requests need.
//!
//! Source: RFC 7541.

use std::collections::VecDeque;

use super::huffman;
use crate::request::id_text;

/// What both sides start with and this side keeps.
const TABLE_BYTES: usize = 4096;
/// Each entry counts this much above its own bytes.
const ENTRY_BYTES: usize = 32;

#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

#[derive(Debug)]
struct Entry {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// The reading side of one connection.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    dynamic: VecDeque<Entry>,
    bytes: usize,
    limit: Option<usize>,
    /// Bytes of evicted entries, used again.
    spare: Vec<Entry>,
}

impl Decoder {
    /// Reads one whole block and shows each field in turn.
    pub(super) fn read(
        &mut self,
        mut block: &[u8],
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), String> {
        while let Some(first) = block.first().copied() {
            match first {
                0x80.. => {
                    let index = integer(&mut block, 7)?;
                    let (name, value) = self.entry(index)?;
                    field(name, value);
                }
                0x40..=0x7f => {
                    let entry = self.literal(&mut block, 6)?;
                    field(&entry.name, &entry.value);
                    self.insert(entry);
                }
                0x20..=0x3f => {
                    let size = integer(&mut block, 5)?;
                    if size > TABLE_BYTES {
                        return Err(format!("a header table of {size} bytes"));
                    }
                    self.limit = Some(size);
                    self.evict(0);
                }
                _ => {
                    let entry = self.literal(&mut block, 4)?;
                    field(&entry.name, &entry.value);
                    self.spare.push(entry);
                }
            }
        }
        Ok(())
    }

    fn entry(&self, index: usize) -> Result<(&[u8], &[u8]), String> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|index| STATIC.get(index)) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        let dynamic = index.checked_sub(STATIC.len() + 1);
        dynamic
            .and_then(|index| self.dynamic.get(index))
            .map(|entry| (&entry.name[..], &entry.value[..]))
            .ok_or_else(|| format!("header index {index} is not in the table"))
    }

    fn literal(&mut self, block: &mut &[u8], prefix: u32) -> Result<Entry, String> {
        let index = integer(block, prefix)?;
        let mut entry = self.spare.pop().unwrap_or(Entry {
            name: Vec::new(),
            value: Vec::new(),
        });
        entry.name.clear();
        entry.value.clear();
        if index == 0 {
            string(block, &mut entry.name)?;
        } else {
            entry.name.extend_from_slice(self.entry(index)?.0);
        }
        string(block, &mut entry.value)?;
        Ok(entry)
    }

    fn insert(&mut self, entry: Entry) {
        let size = size_of_entry(&entry);
        self.evict(size);
        if size <= self.limit.unwrap_or(TABLE_BYTES) {
            self.bytes += size;
            self.dynamic.push_front(entry);
        }
    }

    /// Makes room for `size` more bytes.
    fn evict(&mut self, size: usize) {
        let limit = self.limit.unwrap_or(TABLE_BYTES);
        while self.bytes + size > limit {
            let Some(oldest) = self.dynamic.pop_back() else {
                return;
            };
            self.bytes -= size_of_entry(&oldest);
            self.spare.push(oldest);
        }
    }
}

fn size_of_entry(entry: &Entry) -> usize {
    entry.name.len() + entry.value.len() + ENTRY_BYTES
}

fn integer(block: &mut &[u8], prefix: u32) -> Result<usize, String> {
    let cut = || "a header block is cut off".to_owned();
    let (first, mut rest) = block.split_first().ok_or_else(cut)?;
    let mask = (1usize << prefix) - 1;
    let mut value = *first as usize & mask;
    if value == mask {
        for shift in (0..=21).step_by(7) {
            let (byte, after) = rest.split_first().ok_or_else(cut)?;
            rest = after;
            value += (*byte as usize & 0x7f) << shift;
            if byte & 0x80 == 0 {
                *block = rest;
                return Ok(value);
            }
        }
        return Err("a header integer is too large".to_owned());
    }
    *block = rest;
    Ok(value)
}

fn string(block: &mut &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    let huffman = block.first().is_some_and(|byte| byte & 0x80 != 0);
    let length = integer(block, 7)?;
    let (bytes, rest) = block
        .split_at_checked(length)
        .ok_or("a header string is cut off")?;
    *block = rest;
    if huffman {
        huffman::decode(bytes, into)
    } else {
        into.extend_from_slice(bytes);
        Ok(())
    }
}

/// The header block of a connection's first request: every field but the id goes into the peer's table.
pub(super) fn first_block(authority: &str, path: &str, number: u64) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let mut indexed = |name: Result<u8, &str>, value: &[u8]| {
        match name {
            Ok(index) => block.push(0x40 | index),
            Err(name) => {
                block.push(0x40);
                plain(&mut block, name.as_bytes());
            }
        }
        plain(&mut block, value);
    };
    indexed(Ok(4), path.as_bytes());
    indexed(Ok(1), authority.as_bytes());
    indexed(Err("te"), b"trailers");
    indexed(Ok(31), b"application/grpc");
    indexed(Ok(58), b"turnout-load");
    indexed(Err("x-request-id"), &id_text(number));
    block
}

/// The block of every later request: five indices, and the id as a literal that stays out of the table.
pub(super) fn next_block(number: u64) -> [u8; 26] {
    let mut block = [0; 26];
    // POST and http of the static table; then indices 67 (path) down to 63 (user-agent), each with the upper bit set. The
    // newest entry, the first request's id, is 62: its name is used again.
    block[..7].copy_from_slice(&[0x83, 0x86, 0xc3, 0xc2, 0xc1, 0xc0, 0xbf]);
    block[7..10].copy_from_slice(&[0x0f, 62 - 15, 16]);
    block[10..].copy_from_slice(&id_text(number));
    block
}

fn plain(block: &mut Vec<u8>, text: &[u8]) {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
    block.push(length.expect("bug: the plan's paths and addresses are short"));
    block.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, String> {
        let mut fields = Vec::new();
        decoder.read(block, |name, value| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            fields.push(format!("{}: {}", text(name), text(value)));
        })?;
        Ok(fields)
    }

    #[test]
    fn answers_of_the_specification_are_read() {
        // RFC 7541, C.6.1 without the eviction-prone table size, then C.6.2's way of repeating it by index.
        let first = [
            0x48, 0x82, 0x64, 0x02, 0x58, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b, 0x61, 0x96, 0xd0,
            0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81,
            0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        let mut decoder = Decoder::default();
        let fields = read(&mut decoder, &first).unwrap();
        assert_eq!(fields[0], ":status: 302");
        assert_eq!(fields[2], "date: Mon, 21 Oct 2013 20:13:21 GMT");
        assert_eq!(
            read(&mut decoder, &[0xc0, 0xbe]).unwrap(),
            [":status: 302".to_owned(), fields[2].clone()]
        );
        assert!(read(&mut decoder, &[0xc1]).is_err());
    }

    #[test]
    fn the_table_keeps_its_size() {
        let mut decoder = Decoder::default();
        // 100 + 32 bytes each: 31 of them fit in 4096.
        let block = [&[0x40, 1, b'n', 99][..], &[b'v'; 99]].concat();
        for _ in 0..40 {
            read(&mut decoder, &block).unwrap();
        }
        assert_eq!(decoder.dynamic.len(), 31);
        read(&mut decoder, &[0x20]).unwrap();
        assert!(decoder.dynamic.is_empty());
        read(&mut decoder, &block).unwrap();
        assert!(decoder.dynamic.is_empty());
    }

    #[test]
    fn requests_read_the_same_by_index() {
        let mut decoder = Decoder::default();
        let mut first = read(&mut decoder, &first_block("h:1", "/s/m", 1)).unwrap();
        let second = read(&mut decoder, &next_block(2)).unwrap();
        assert_eq!(first[2], ":path: /s/m");
        assert_eq!(first.pop().unwrap(), "x-request-id: 0000000000000001");
        assert_eq!(second[..7], first);
        assert_eq!(second[7], "x-request-id: 0000000000000002");
    }

    #[test]
    fn blocks_that_are_cut_off_are_refused() {
        for block in [
            &[0x40, 5, b'a'][..],
            &[0xff, 0x80],
            &[0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ] {
            assert!(read(&mut Decoder::default(), block).is_err());
        }
    }
}
