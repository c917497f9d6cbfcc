//! Fields of a protobuf message, one after the other: what a reader of a few of them needs.

use turnout_core::{Error, Result};

/// The value of one field. Fixed-size numbers are of no interest here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'message> {
    Number(u64),
    /// A string, a message, or packed numbers.
    Bytes(&'message [u8]),
    Fixed,
}

impl<'message> Field<'message> {
    /// # Errors
    /// `load_failed` when it is something else; so below.
    pub(super) fn bytes(self) -> Result<&'message [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(malformed()),
        }
    }

    pub(super) fn text(self) -> Result<&'message str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| malformed())
    }

    pub(super) fn number(self) -> Result<u64> {
        match self {
            Self::Number(number) => Ok(number),
            _ => Err(malformed()),
        }
    }
}

/// The (number, value) pairs of a message.
pub(super) struct Fields<'message>(&'message [u8]);

pub(super) fn fields(message: &[u8]) -> Fields<'_> {
    Fields(message)
}

impl<'message> Iterator for Fields<'message> {
    type Item = Result<(u64, Field<'message>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(malformed))
    }
}

impl<'message> Fields<'message> {
    fn read(&mut self) -> Option<(u64, Field<'message>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    fn take(&mut self, length: usize) -> Option<&'message [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// The entry of a map: key 1, value 2.
///
/// # Errors
/// `load_failed` when it is malformed.
pub(super) fn map_entry(message: &[u8]) -> Result<(&str, &[u8])> {
    let (mut key, mut value) = ("", &[][..]);
    for field in fields(message) {
        match field? {
            (1, field) => key = field.text()?,
            (2, field) => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn malformed() -> Error {
    Error::load_failed("TensorFlow described the model by a message that is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_type_is_read_and_cut_messages_are_refused() {
        let message = [
            8, 0x96, 1, // 1: 150
            0x12, 2, b'h', b'i', // 2: "hi"
            0x19, 0, 0, 0, 0, 0, 0, 0, 0, // 3: fixed, 8 bytes
            0x25, 0, 0, 0, 0, // 4: fixed, 4 bytes
            0x80, 1, 7, // 16: 7
        ];
        let read: Vec<_> = fields(&message)
            .map(|field| field.expect("whole"))
            .collect();
        let want = [
            (1, Field::Number(150)),
            (2, Field::Bytes(b"hi")),
            (3, Field::Fixed),
            (4, Field::Fixed),
            (16, Field::Number(7)),
        ];
        assert_eq!(read, want);
        let starts = [0, 3, 7, 16, 21, 24];
        for end in 0..message.len() {
            let is_whole = fields(&message[..end]).all(|field| field.is_ok());
            assert_eq!(is_whole, starts.contains(&end), "{end}");
        }
    }

    #[test]
    fn numbers_of_eleven_bytes_and_groups_are_refused() {
        for message in [
            &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1][..],
            &[0x0b],
        ] {
            assert_eq!(fields(message).filter(Result::is_err).count(), 1);
        }
    }

    #[test]
    fn map_entries_have_keys_and_values_in_any_order() {
        assert_eq!(
            map_entry(&[0x12, 1, 9, 10, 1, b'k']).expect("an entry"),
            ("k", &[9][..])
        );
        assert_eq!(map_entry(&[]).expect("the default"), ("", &[][..]));
    }
}
