//! Many strings in one buffer: no allocation per string, and nothing kept of the request's body.

use bytes::Bytes;

/// Strings, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Strings {
    pub(super) fn with_capacity(strings: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(strings),
        }
    }

    /// Adds the string that `append` appends.
    pub(super) fn push(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The strings as parts of one shared buffer.
    pub(super) fn finish(self) -> Vec<Bytes> {
        let shared = Bytes::from(self.bytes);
        let mut start = 0;
        self.ends
            .into_iter()
            .map(|end| {
                let string = shared.slice(start..end);
                start = end;
                string
            })
            .collect()
    }
}
