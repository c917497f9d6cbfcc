//! `TFRecord`, in which TensorFlow keeps records: length, check of the length, data, check of the data.
//!
//! Source: the file format in TensorFlow's guide "`TFRecord` and `tf.train.Example`": integers are little-endian, and a check is
//! the CRC-32C of its bytes (RFC 3720, section 12.1), rotated right by 15 bits, plus a constant.

use std::fmt;

/// Length and its check.
const HEAD_BYTES: usize = 12;
/// The check of the data.
const TAIL_BYTES: usize = 4;
const MASK_DELTA: u32 = 0xa282_ead8;
/// The polynomial of CRC-32C, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Bytes that a record of `length` bytes takes in a file.
#[must_use]
pub const fn framed_len(length: usize) -> usize {
    length.saturating_add(HEAD_BYTES + TAIL_BYTES)
}

/// Appends a record to a file's bytes.
pub fn put_record(out: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&masked_crc32c(&length).to_le_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(&masked_crc32c(data).to_le_bytes());
}

/// Why bytes are not a file of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// A length or data that is not what its check says.
    Corrupted { offset: usize },
    /// The file ends inside a record.
    Truncated { offset: usize },
}

impl RecordFault {
    /// Where the faulty record begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        match self {
            Self::Corrupted { offset } | Self::Truncated { offset } => *offset,
        }
    }
}

impl fmt::Display for RecordFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupted { offset } => write!(formatter, "corrupted record at {offset}"),
            Self::Truncated { offset } => write!(formatter, "truncated record at {offset}"),
        }
    }
}

impl std::error::Error for RecordFault {}

/// The records of a file that is in memory. Ends at the first fault.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Records<'a> {
    #[must_use]
    pub fn new(file: &'a [u8]) -> Self {
        Self {
            rest: file,
            offset: 0,
        }
    }

    /// Bytes of the records so far.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    fn read(&mut self) -> Result<&'a [u8], RecordFault> {
        let offset = self.offset;
        let truncated = RecordFault::Truncated { offset };
        let corrupted = RecordFault::Corrupted { offset };
        let (length, rest) = self.rest.split_first_chunk::<8>().ok_or(truncated)?;
        let (check, rest) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        if masked_crc32c(length) != u32::from_le_bytes(*check) {
            return Err(corrupted);
        }
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| truncated)?;
        let (data, rest) = rest.split_at_checked(length).ok_or(truncated)?;
        let (check, rest) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        if masked_crc32c(data) != u32::from_le_bytes(*check) {
            return Err(corrupted);
        }
        self.rest = rest;
        self.offset += framed_len(length);
        Ok(data)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a [u8], RecordFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// The check of a length or of data, as it stands in a file.
#[must_use]
pub fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(MASK_DELTA)
}

/// Eight bytes a step, by a table for each of them (Kounavis and Berry, "Novel table lookup-based algorithms for
/// high-performance CRC generation", 2008): about 2 GB/s.
fn crc32c(bytes: &[u8]) -> u32 {
    let (blocks, rest) = bytes.as_chunks::<8>();
    let crc = blocks.iter().fold(u32::MAX, |crc, block| {
        let word = u64::from_le_bytes(*block) ^ u64::from(crc);
        let table = |index: usize| TABLES[7 - index][usize::from(word.to_le_bytes()[index])];
        (0..8).fold(0, |sum, index| sum ^ table(index))
    });
    let step =
        |crc: u32, byte: &u8| TABLES[0][usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8);
    !rest.iter().fold(crc, step)
}

static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut slice = 1;
    while slice < 8 {
        let mut byte = 0;
        while byte < 256 {
            let former = tables[slice - 1][byte];
            tables[slice][byte] = (former >> 8) ^ tables[0][(former & 0xff) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for data in records {
            put_record(&mut out, data);
        }
        out
    }

    #[test]
    fn checks_are_those_of_the_standard() {
        // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
        let rising: Vec<u8> = (0..32).collect();
        for (bytes, want) in [
            (vec![0; 32], 0x8a91_36aa),
            (vec![0xff; 32], 0x62a8_ab43),
            (rising, 0x46dd_794e),
            (b"123456789".to_vec(), 0xe306_9283),
            (Vec::new(), 0),
        ] {
            assert_eq!(crc32c(&bytes), want, "{bytes:?}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let records: [&[u8]; 4] = [b"first", b"", &[7; 1000], b"last"];
        let file = file(&records);
        let mut read = Records::new(&file);
        let got: Result<Vec<&[u8]>, _> = read.by_ref().collect();
        assert_eq!(got.expect("whole"), records);
        assert_eq!(read.offset(), file.len());
        assert_eq!(
            file.len(),
            records
                .iter()
                .map(|data| framed_len(data.len()))
                .sum::<usize>()
        );
    }

    #[test]
    fn every_changed_byte_and_every_end_inside_a_record_is_seen() {
        let whole = file(&[b"one", b"three"]);
        let second = framed_len(3);
        for index in 0..whole.len() {
            let mut changed = whole.clone();
            changed[index] ^= 0x10;
            let fault = Records::new(&changed)
                .find_map(Result::err)
                .expect("a fault");
            let offset = if index < second { 0 } else { second };
            assert_eq!(fault, RecordFault::Corrupted { offset }, "byte {index}");
        }
        for length in (1..whole.len()).filter(|length| *length != second) {
            let mut records = Records::new(&whole[..length]);
            let fault = records.find_map(Result::err).expect("a fault");
            let offset = if length < second { 0 } else { second };
            assert_eq!(fault, RecordFault::Truncated { offset }, "{length} bytes");
            assert_eq!((records.offset(), records.next()), (offset, None));
        }
    }

    #[test]
    fn a_length_beyond_the_file_takes_no_memory() {
        let length = u64::MAX.to_le_bytes();
        let mut hostile = length.to_vec();
        hostile.extend_from_slice(&masked_crc32c(&length).to_le_bytes());
        assert_eq!(
            Records::new(&hostile).next(),
            Some(Err(RecordFault::Truncated { offset: 0 }))
        );
    }
}
