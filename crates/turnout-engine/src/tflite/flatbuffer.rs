//! Tables of a flatbuffer, read with every offset checked: what a reader of a few fields needs.
//!
//! Source: the FlatBuffers internals document: offsets are little-endian; a table begins with the distance back to its
//! list of fields, whose entries are distances from the table, 0 for absent ones.

use turnout_core::{Error, Result};

/// A table within a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'file> {
    file: &'file [u8],
    position: usize,
    /// Where the list of fields begins, and how many bytes it has.
    fields: usize,
    fields_bytes: usize,
}

/// Elements of equal size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vector<'file> {
    file: &'file [u8],
    start: usize,
    count: usize,
}

/// The table that a file begins with, if it has these four letters.
///
/// # Errors
/// `load_failed` when it is no such file; so below.
pub(super) fn root(file: &[u8], identifier: [u8; 4]) -> Result<Table<'_>> {
    if file.get(4..8) != Some(identifier.as_slice()) {
        return Err(Error::load_failed(format!(
            "not a file of this kind: the letters `{}` are missing at byte 4",
            String::from_utf8_lossy(&identifier)
        )));
    }
    Table::at(file, 0)
}

impl<'file> Table<'file> {
    /// The table that the offset at `position` leads to.
    fn at(file: &'file [u8], position: usize) -> Result<Self> {
        let position = follow(file, position)?;
        let back = i64::from(i32::from_le_bytes(bytes(file, position)?));
        let fields = i64::try_from(position)
            .ok()
            .and_then(|position| usize::try_from(position - back).ok())
            .ok_or_else(malformed)?;
        let fields_bytes = usize::from(u16::from_le_bytes(bytes(file, fields)?));
        if fields_bytes < 4
            || file
                .len()
                .checked_sub(fields)
                .is_none_or(|rest| rest < fields_bytes)
        {
            return Err(malformed());
        }
        Ok(Self {
            file,
            position,
            fields,
            fields_bytes,
        })
    }

    /// Where the field lies; None where the file leaves it out.
    fn field(&self, number: usize) -> Result<Option<usize>> {
        let entry = 4 + 2 * number;
        if entry + 2 > self.fields_bytes {
            return Ok(None);
        }
        match u16::from_le_bytes(bytes(self.file, self.fields + entry)?) {
            0 => Ok(None),
            distance => Ok(Some(self.position + usize::from(distance))),
        }
    }

    pub(super) fn u8(&self, number: usize) -> Result<Option<u8>> {
        self.number(number, u8::from_le_bytes)
    }

    pub(super) fn i32(&self, number: usize) -> Result<Option<i32>> {
        self.number(number, i32::from_le_bytes)
    }

    pub(super) fn u64(&self, number: usize) -> Result<Option<u64>> {
        self.number(number, u64::from_le_bytes)
    }

    /// An index, which files hold in four bytes and leave out when it is 0.
    pub(super) fn index(&self, number: usize) -> Result<usize> {
        let index = self.number(number, u32::from_le_bytes)?.unwrap_or(0);
        Ok(index as usize)
    }

    fn number<const SIZE: usize, T>(
        &self,
        number: usize,
        decode: fn([u8; SIZE]) -> T,
    ) -> Result<Option<T>> {
        self.field(number)?
            .map(|position| bytes(self.file, position).map(decode))
            .transpose()
    }

    /// A string; empty where the file leaves it out. Bytes that are no UTF-8 are replaced.
    pub(super) fn text(&self, number: usize) -> Result<String> {
        let Some(vector) = self.vector(number, 1)? else {
            return Ok(String::new());
        };
        let bytes = &self.file[vector.start..vector.start + vector.count];
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Elements of `size` bytes each.
    pub(super) fn vector(&self, number: usize, size: usize) -> Result<Option<Vector<'file>>> {
        let Some(position) = self.field(number)? else {
            return Ok(None);
        };
        let start = follow(self.file, position)?;
        let count = u32::from_le_bytes(bytes(self.file, start)?) as usize;
        let start = start + 4;
        let fits = count
            .checked_mul(size)
            .is_some_and(|bytes| self.file.len() - start >= bytes);
        if !fits {
            return Err(malformed());
        }
        Ok(Some(Vector {
            file: self.file,
            start,
            count,
        }))
    }

    /// Whole numbers; None where the file leaves them out.
    pub(super) fn integers(&self, number: usize) -> Result<Option<Vec<i32>>> {
        let Some(vector) = self.vector(number, 4)? else {
            return Ok(None);
        };
        (0..vector.count)
            .map(|index| bytes(vector.file, vector.start + 4 * index).map(i32::from_le_bytes))
            .collect::<Result<_>>()
            .map(Some)
    }

    /// Real numbers; none where the file leaves them out.
    pub(super) fn floats(&self, number: usize) -> Result<Vec<f32>> {
        self.elements(number, f32::from_le_bytes)
    }

    pub(super) fn longs(&self, number: usize) -> Result<Vec<i64>> {
        self.elements(number, i64::from_le_bytes)
    }

    fn elements<const SIZE: usize, T>(
        &self,
        number: usize,
        decode: fn([u8; SIZE]) -> T,
    ) -> Result<Vec<T>> {
        let Some(vector) = self.vector(number, SIZE)? else {
            return Ok(Vec::new());
        };
        (0..vector.count)
            .map(|index| bytes(vector.file, vector.start + SIZE * index).map(decode))
            .collect()
    }

    /// The table that a field leads to.
    pub(super) fn table(&self, number: usize) -> Result<Option<Table<'file>>> {
        self.field(number)?
            .map(|position| Table::at(self.file, position))
            .transpose()
    }

    /// Tables; none where the file leaves them out.
    pub(super) fn tables(&self, number: usize) -> Result<Vec<Table<'file>>> {
        let Some(vector) = self.vector(number, 4)? else {
            return Ok(Vec::new());
        };
        (0..vector.count)
            .map(|index| Table::at(vector.file, vector.start + 4 * index))
            .collect()
    }
}

impl Vector<'_> {
    /// Where an element of four bytes lies in the file.
    pub(super) fn place(&self, index: usize) -> usize {
        self.start + 4 * index
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The place that an offset leads to: forwards, and into the file.
fn follow(file: &[u8], position: usize) -> Result<usize> {
    let distance = u32::from_le_bytes(bytes(file, position)?) as usize;
    match position.checked_add(distance) {
        Some(target) if distance > 0 && target < file.len() => Ok(target),
        _ => Err(malformed()),
    }
}

fn bytes<const SIZE: usize>(file: &[u8], position: usize) -> Result<[u8; SIZE]> {
    position
        .checked_add(SIZE)
        .and_then(|end| file.get(position..end))
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(malformed)
}

fn malformed() -> Error {
    Error::load_failed("the file is cut off or malformed: an offset leads out of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one number, one string and one list of numbers.
    fn file() -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(24u32.to_le_bytes());
        file.extend(b"TEST");
        // The list of fields: its size, the table's, and four distances, the second absent.
        file.extend([12u16, 16, 4, 0, 8, 12].map(u16::to_le_bytes).concat());
        file.extend([0; 4]);
        file.extend(16i32.to_le_bytes());
        file.extend(7i32.to_le_bytes());
        file.extend(8u32.to_le_bytes());
        file.extend(12u32.to_le_bytes());
        file.extend([2, 0, 0, 0, b'h', b'i', 0, 0]);
        file.extend([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        file
    }

    #[test]
    fn fields_are_read_and_absent_ones_are_none() {
        let file = file();
        let table = root(&file, *b"TEST").expect("a table");
        assert_eq!(table.i32(0).expect("read"), Some(7));
        assert_eq!(table.i32(1).expect("read"), None);
        assert_eq!(table.i32(9).expect("read"), None);
        assert_eq!(table.text(2).expect("read"), "hi");
        assert_eq!(table.text(1).expect("read"), "");
        assert_eq!(table.integers(3).expect("read"), Some(vec![-1]));
        assert!(root(&file, *b"TFL3").is_err());
    }

    #[test]
    fn whatever_byte_is_wrong_or_missing_nothing_is_read_beyond_the_file() {
        let whole = file();
        let read = |file: &[u8]| -> Result<()> {
            let table = root(file, *b"TEST")?;
            table.i32(0)?;
            table.text(2)?;
            table.integers(3)?;
            table.tables(3).map(|_| ())
        };
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        for position in 0..whole.len() {
            for value in 0..=255 {
                let mut file = whole.clone();
                file[position] = value;
                let _ = read(&file);
            }
        }
    }
}
