//! `tensorflow.Example`: named features, each a list of bytes, of floats or of integers.

use std::collections::BTreeMap;

use bytes::Bytes;
use smallvec::SmallVec;
use turnout_core::Result;

use super::WireError;
use super::fields::example::{BYTES, FEATURE_ENTRY, FEATURES, FLOATS, INT64S, VALUE};
use super::fields::map_entry;
use super::predict_request::push;
use super::reader::{Reader, Value, text};
use super::writer::{bytes_len, put_bytes, put_bytes_head, put_varint, varint_len};

/// What a feature's list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeatureKind {
    Bytes,
    Floats,
    Int64s,
}

impl FeatureKind {
    fn of_field(number: u32) -> Option<Self> {
        match number {
            BYTES => Some(Self::Bytes),
            FLOATS => Some(Self::Floats),
            INT64S => Some(Self::Int64s),
            _ => None,
        }
    }

    fn field(self) -> u32 {
        match self {
            Self::Bytes => BYTES,
            Self::Floats => FLOATS,
            Self::Int64s => INT64S,
        }
    }

    /// The name of the list in a `Feature`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes_list",
            Self::Floats => "float_list",
            Self::Int64s => "int64_list",
        }
    }
}

/// A feature that borrows from its message.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeatureView<'a> {
    /// None where no list is set, which says as much as an empty one.
    pub(crate) kind: Option<FeatureKind>,
    /// Serialized lists of that kind; more than one only where the message comes in pieces.
    lists: SmallVec<[&'a [u8]; 1]>,
}

impl<'a> FeatureView<'a> {
    /// Takes over what `message` sets: a list of the same kind adds to the present one, one of another kind replaces it.
    fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            if let (Some(kind), Value::Bytes(list)) = (FeatureKind::of_field(number), value) {
                if self.kind != Some(kind) {
                    self.kind = Some(kind);
                    self.lists.clear();
                }
                push(&mut self.lists, list)?;
            }
        }
        Ok(())
    }

    fn each(
        &self,
        mut take: impl FnMut(Value<'a>) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        for list in &self.lists {
            let mut reader = Reader::new(list);
            while let Some((number, value)) = reader.field()? {
                if number == VALUE {
                    take(value)?;
                }
            }
        }
        Ok(())
    }

    /// How many values there are. Whole floats and integers are not checked.
    pub(crate) fn len(&self) -> Result<usize, WireError> {
        let kind = self.kind;
        let mut count = 0;
        self.each(|value| {
            count += match (kind, value) {
                (Some(FeatureKind::Bytes), Value::Bytes(_))
                | (Some(FeatureKind::Floats), Value::Fixed32(_))
                | (Some(FeatureKind::Int64s), Value::Varint(_)) => 1,
                (Some(FeatureKind::Floats), Value::Bytes(packed)) => packed.len() / 4,
                (Some(FeatureKind::Int64s), Value::Bytes(packed)) => {
                    packed.iter().filter(|byte| **byte < 0x80).count()
                }
                _ => 0,
            };
            Ok(())
        })?;
        Ok(count)
    }

    /// Hands over each of the bytes.
    pub(crate) fn bytes(&self, mut take: impl FnMut(&'a [u8])) -> Result<(), WireError> {
        self.each(|value| {
            if let Value::Bytes(bytes) = value {
                take(bytes);
            }
            Ok(())
        })
    }

    /// Hands over each float, packed or not.
    pub(crate) fn floats(&self, mut take: impl FnMut(f32)) -> Result<(), WireError> {
        self.each(|value| {
            match value {
                Value::Fixed32(bytes) => take(f32::from_le_bytes(bytes)),
                Value::Bytes(packed) => {
                    let (elements, rest) = packed.as_chunks::<4>();
                    if !rest.is_empty() {
                        return Err(WireError::PartialElement);
                    }
                    let values = elements.iter().map(|bytes| f32::from_le_bytes(*bytes));
                    values.for_each(&mut take);
                }
                _ => {}
            }
            Ok(())
        })
    }

    /// Hands over each integer, packed or not.
    pub(crate) fn int64s(&self, mut take: impl FnMut(i64)) -> Result<(), WireError> {
        self.each(|value| {
            match value {
                Value::Varint(value) => take(value.cast_signed()),
                Value::Bytes(packed) => {
                    let mut reader = Reader::new(packed);
                    while !reader.is_empty() {
                        take(reader.varint()?.cast_signed());
                    }
                }
                _ => {}
            }
            Ok(())
        })
    }
}

/// Hands over every feature of a serialized Example. Of a name that comes twice the last one counts.
pub(crate) fn for_each_feature<'a>(
    example: &'a [u8],
    mut take: impl FnMut(&'a str, FeatureView<'a>),
) -> Result<(), WireError> {
    let mut reader = Reader::new(example);
    while let Some((number, value)) = reader.field()? {
        let (FEATURES, Value::Bytes(features)) = (number, value) else {
            continue;
        };
        let mut reader = Reader::new(features);
        while let Some((number, value)) = reader.field()? {
            if let (FEATURE_ENTRY, Value::Bytes(entry)) = (number, value) {
                let (name, feature) = feature_entry(entry)?;
                take(name, feature);
            }
        }
    }
    Ok(())
}

fn feature_entry(entry: &[u8]) -> Result<(&str, FeatureView<'_>), WireError> {
    let (mut name, mut feature) = ("", FeatureView::default());
    let mut reader = Reader::new(entry);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (map_entry::KEY, Value::Bytes(key)) => name = text(key)?,
            (map_entry::VALUE, Value::Bytes(piece)) => feature.merge(piece)?,
            _ => {}
        }
    }
    Ok((name, feature))
}

/// The values of one feature, out of their message.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureValues {
    /// No list is set.
    None,
    Bytes(Vec<Bytes>),
    Floats(Vec<f32>),
    Int64s(Vec<i64>),
}

/// Parses an Example whose features are not known. The door itself reads only what a signature asks for.
///
/// The values take at most eight times the bytes of the message, and strings share it.
///
/// # Errors
/// `malformed_request` when it is not protobuf.
pub fn decode_example(example: &Bytes) -> Result<BTreeMap<String, FeatureValues>> {
    let mut views = BTreeMap::new();
    for_each_feature(example, |name, feature| {
        views.insert(name, feature);
    })?;
    let mut features = BTreeMap::new();
    for (name, view) in views {
        features.insert(name.to_owned(), feature_values(&view, example)?);
    }
    Ok(features)
}

fn feature_values(view: &FeatureView<'_>, message: &Bytes) -> Result<FeatureValues, WireError> {
    Ok(match view.kind {
        None => FeatureValues::None,
        Some(FeatureKind::Bytes) => {
            let mut values = Vec::new();
            view.bytes(|bytes| values.push(message.slice_ref(bytes)))?;
            FeatureValues::Bytes(values)
        }
        Some(FeatureKind::Floats) => {
            let mut values = Vec::new();
            view.floats(|value| values.push(value))?;
            FeatureValues::Floats(values)
        }
        Some(FeatureKind::Int64s) => {
            let mut values = Vec::new();
            view.int64s(|value| values.push(value))?;
            FeatureValues::Int64s(values)
        }
    })
}

/// Writes Examples value by value: `push_…`, then `end_feature`, and `end_example` behind the last feature.
#[derive(Debug, Default)]
pub(crate) struct ExampleWriter {
    /// The map entries of this Example.
    features: Vec<u8>,
    /// The payload of the open feature's list.
    values: Vec<u8>,
    kind: Option<FeatureKind>,
}

impl ExampleWriter {
    /// What the open feature holds so far; values of another kind may not be pushed.
    pub(crate) fn kind(&self) -> Option<FeatureKind> {
        self.kind
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.kind = Some(FeatureKind::Bytes);
        put_bytes(&mut self.values, VALUE, bytes);
    }

    pub(crate) fn push_float(&mut self, value: f32) {
        self.kind = Some(FeatureKind::Floats);
        self.values.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn push_int64(&mut self, value: i64) {
        self.kind = Some(FeatureKind::Int64s);
        put_varint(&mut self.values, value.cast_unsigned());
    }

    pub(crate) fn end_feature(&mut self, name: &[u8]) {
        let payload = self.values.len();
        // Floats and integers are packed into one field; bytes have their own already.
        let packed = !matches!(self.kind, None | Some(FeatureKind::Bytes));
        let list = if packed {
            bytes_len(VALUE, payload)
        } else {
            payload
        };
        let feature = self.kind.map_or(0, |kind| bytes_len(kind.field(), list));
        let entry = bytes_len(map_entry::KEY, name.len()) + bytes_len(map_entry::VALUE, feature);
        let out = &mut self.features;
        put_bytes_head(out, FEATURE_ENTRY, entry);
        put_bytes(out, map_entry::KEY, name);
        put_bytes_head(out, map_entry::VALUE, feature);
        if let Some(kind) = self.kind {
            put_bytes_head(out, kind.field(), list);
            if packed {
                put_bytes_head(out, VALUE, payload);
            }
        }
        out.extend_from_slice(&self.values);
        self.values.clear();
        self.kind = None;
    }

    /// Appends the Example as field `number` of the message that `out` holds.
    pub(crate) fn end_example(&mut self, out: &mut Vec<u8>, number: u32) {
        put_bytes_head(out, number, bytes_len(FEATURES, self.features.len()));
        put_bytes(out, FEATURES, &self.features);
        self.features.clear();
    }
}

/// Serializes an Example: floats and integers packed, features by name.
pub fn encode_example(features: &BTreeMap<String, FeatureValues>) -> Vec<u8> {
    let mut writer = ExampleWriter::default();
    for (name, values) in features {
        match values {
            FeatureValues::None => {}
            FeatureValues::Bytes(values) => {
                writer.kind = Some(FeatureKind::Bytes);
                for value in values {
                    writer.push_bytes(value);
                }
            }
            FeatureValues::Floats(values) => {
                writer.kind = Some(FeatureKind::Floats);
                for value in values {
                    writer.push_float(*value);
                }
            }
            FeatureValues::Int64s(values) => {
                writer.kind = Some(FeatureKind::Int64s);
                for value in values {
                    writer.push_int64(*value);
                }
            }
        }
        writer.end_feature(name.as_bytes());
    }
    let mut out = Vec::with_capacity(writer.features.len() + 1 + varint_len(u64::MAX));
    put_bytes(&mut out, FEATURES, &writer.features);
    out
}
