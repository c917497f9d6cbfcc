//! `tensorflow.serving.ModelSpec`: which model, version and signature.

use super::WireError;
use super::fields::model_spec::{INT64_VALUE_VALUE, NAME, SIGNATURE_NAME, VERSION, VERSION_LABEL};
use super::reader::{Reader, Value, text};
use super::writer::{bytes_len, put_bytes, put_bytes_head, put_varint_field, varint_field_len};

/// The version choice as it is on the wire, where numbers may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum VersionField<'a> {
    #[default]
    None,
    Number(i64),
    Label(&'a str),
}

/// A `ModelSpec` that borrows from its message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModelSpecView<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: VersionField<'a>,
    pub(crate) signature_name: &'a str,
}

impl<'a> ModelSpecView<'a> {
    /// Takes over what `message` sets. A message that comes in several pieces is merged, as protobuf demands.
    pub(crate) fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (NAME, Value::Bytes(bytes)) => self.name = text(bytes)?,
                (VERSION, Value::Bytes(bytes)) => self.merge_version(bytes)?,
                (VERSION_LABEL, Value::Bytes(bytes)) => {
                    self.version = VersionField::Label(text(bytes)?);
                }
                (SIGNATURE_NAME, Value::Bytes(bytes)) => self.signature_name = text(bytes)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn merge_version(&mut self, message: &[u8]) -> Result<(), WireError> {
        let mut version = if let VersionField::Number(version) = self.version {
            version
        } else {
            0
        };
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            if let (INT64_VALUE_VALUE, Value::Varint(value)) = (number, value) {
                version = value.cast_signed();
            }
        }
        self.version = VersionField::Number(version);
        Ok(())
    }

    /// Bytes of the serialized message.
    pub(crate) fn encoded_len(&self) -> usize {
        let version = match self.version {
            VersionField::None => 0,
            VersionField::Number(version) => bytes_len(VERSION, version_len(version)),
            VersionField::Label(label) => bytes_len(VERSION_LABEL, label.len()),
        };
        text_len(NAME, self.name) + version + text_len(SIGNATURE_NAME, self.signature_name)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_text(out, NAME, self.name);
        match self.version {
            VersionField::None => {}
            VersionField::Number(version) => {
                put_bytes_head(out, VERSION, version_len(version));
                if version != 0 {
                    put_varint_field(out, INT64_VALUE_VALUE, version.cast_unsigned());
                }
            }
            VersionField::Label(label) => put_bytes(out, VERSION_LABEL, label.as_bytes()),
        }
        put_text(out, SIGNATURE_NAME, self.signature_name);
    }
}

fn version_len(version: i64) -> usize {
    if version == 0 {
        0
    } else {
        varint_field_len(INT64_VALUE_VALUE, version.cast_unsigned())
    }
}

/// Empty strings are not written: they are the default.
fn text_len(number: u32, text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        bytes_len(number, text.len())
    }
}

fn put_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        put_bytes(out, number, text.as_bytes());
    }
}
