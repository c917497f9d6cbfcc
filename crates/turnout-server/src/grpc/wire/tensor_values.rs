//! From the fields of a `TensorProto` to values, by TensorFlow's rules.
//!
//! `tensor_content` wins and must be exact. Typed fields may hold fewer values than the shape says, and then the last one is
//! repeated; none, and then all are zero or empty; or more, and the rest is ignored. A field of another dtype does not count.

use bytes::Bytes;
use turnout_core::{DType, Values};

use super::WireError;
use super::fields::tensor::values_field;
use super::reader::{Reader, Value};
use super::tensor_view::{Fault, TensorView, Typed};

/// Makes `count` values, which the caller knows to fit in memory. Strings share `message`.
pub(super) fn values(
    view: &TensorView<'_>,
    dtype: DType,
    count: usize,
    message: &Bytes,
) -> Result<Values, Fault> {
    if !view.content.is_empty() {
        return content(view.content, dtype, count, message);
    }
    let field = TypedField {
        view,
        number: values_field(dtype),
        count,
    };
    typed(field, dtype, message).map_err(Fault::Wire)
}

fn content(content: &[u8], dtype: DType, count: usize, message: &Bytes) -> Result<Values, Fault> {
    let Some(element_bytes) = dtype.size_bytes() else {
        let strings = string_content(content, count, message);
        return strings.ok_or_else(|| {
            Fault::Invalid(format!("`tensor_content` does not hold {count} strings"))
        });
    };
    let values = Values::from_bytes(dtype, content).filter(|values| values.len() == count);
    values.ok_or_else(|| {
        let (got, expected) = (content.len(), count * element_bytes);
        Fault::Invalid(format!(
            "`tensor_content` has the wrong length: got {got}, expected {expected}"
        ))
    })
}

/// As many lengths as there are strings, then the strings.
fn string_content(content: &[u8], count: usize, message: &Bytes) -> Option<Values> {
    let mut reader = Reader::new(content);
    let mut lengths = Vec::with_capacity(count.min(content.len()));
    for _ in 0..count {
        lengths.push(usize::try_from(reader.varint().ok()?).ok()?);
    }
    let mut values = Vec::with_capacity(count);
    let mut strings = reader.rest();
    for length in lengths {
        let (string, rest) = strings.split_at_checked(length)?;
        values.push(message.slice_ref(string));
        strings = rest;
    }
    strings.is_empty().then_some(Values::String(values))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "protobuf and TensorFlow both keep the low bits of narrow integers"
)]
fn typed(field: TypedField<'_, '_>, dtype: DType, message: &Bytes) -> Result<Values, WireError> {
    Ok(match dtype {
        DType::Bool => Values::Bool(field.varints(|value| value != 0)?),
        DType::Int8 => Values::Int8(field.varints(|value| value as i8)?),
        DType::Int16 => Values::Int16(field.varints(|value| value as i16)?),
        DType::Int32 => Values::Int32(field.varints(|value| value as i32)?),
        DType::Int64 => Values::Int64(field.varints(|value| value as i64)?),
        DType::Uint8 => Values::Uint8(field.varints(|value| value as u8)?),
        DType::Uint16 => Values::Uint16(field.varints(|value| value as u16)?),
        DType::Uint32 => Values::Uint32(field.varints(|value| value as u32)?),
        DType::Uint64 => Values::Uint64(field.varints(|value| value)?),
        DType::Float16 => Values::Float16(field.varints(|value| value as u16)?),
        DType::Bfloat16 => Values::Bfloat16(field.varints(|value| value as u16)?),
        DType::Float32 => Values::Float32(filled(field.floats(field.count)?, field.count)),
        DType::Float64 => Values::Float64(filled(field.doubles(field.count)?, field.count)),
        DType::Complex64 => {
            Values::Complex64(filled(pairs(&field.floats(field.count * 2)?), field.count))
        }
        DType::Complex128 => {
            Values::Complex128(filled(pairs(&field.doubles(field.count * 2)?), field.count))
        }
        DType::String => Values::String(field.strings(message)?),
    })
}

/// The values of one typed field, of which `count` are wanted.
#[derive(Clone, Copy)]
struct TypedField<'view, 'message> {
    view: &'view TensorView<'message>,
    number: u32,
    count: usize,
}

impl<'message> TypedField<'_, 'message> {
    /// Hands every occurrence of the field to `take`, in order.
    fn each(
        &self,
        mut take: impl FnMut(Value<'message>) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        match self.view.typed {
            Typed::One(number, value) if number == self.number => take(value),
            Typed::None | Typed::One(..) => Ok(()),
            Typed::Many => {
                for part in &self.view.parts {
                    let mut reader = Reader::new(part);
                    while let Some((number, value)) = reader.field()? {
                        if number == self.number {
                            take(value)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn varints<T: Copy + Default>(&self, convert: impl Fn(u64) -> T) -> Result<Vec<T>, WireError> {
        let mut values = Vec::with_capacity(self.count);
        self.each(|value| {
            match value {
                Value::Varint(value) if values.len() < self.count => values.push(convert(value)),
                Value::Bytes(packed) => {
                    let mut reader = Reader::new(packed);
                    while values.len() < self.count && !reader.is_empty() {
                        values.push(convert(reader.varint()?));
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(filled(values, self.count))
    }

    fn floats(&self, limit: usize) -> Result<Vec<f32>, WireError> {
        let mut values = Vec::with_capacity(limit);
        self.each(|value| match value {
            Value::Fixed32(bytes) => extend(&mut values, &bytes, limit, f32::from_le_bytes),
            Value::Bytes(packed) => extend(&mut values, packed, limit, f32::from_le_bytes),
            _ => Ok(()),
        })?;
        Ok(values)
    }

    fn doubles(&self, limit: usize) -> Result<Vec<f64>, WireError> {
        let mut values = Vec::with_capacity(limit);
        self.each(|value| match value {
            Value::Fixed64(bytes) => extend(&mut values, &bytes, limit, f64::from_le_bytes),
            Value::Bytes(packed) => extend(&mut values, packed, limit, f64::from_le_bytes),
            _ => Ok(()),
        })?;
        Ok(values)
    }

    fn strings(&self, message: &Bytes) -> Result<Vec<Bytes>, WireError> {
        let mut values = Vec::with_capacity(self.count);
        self.each(|value| {
            if let Value::Bytes(bytes) = value
                && values.len() < self.count
            {
                values.push(message.slice_ref(bytes));
            }
            Ok(())
        })?;
        Ok(filled(values, self.count))
    }
}

/// Appends the elements of `packed`, up to `limit` values in all.
fn extend<const N: usize, T>(
    values: &mut Vec<T>,
    packed: &[u8],
    limit: usize,
    convert: impl Fn([u8; N]) -> T,
) -> Result<(), WireError> {
    let (elements, rest) = packed.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(WireError::PartialElement);
    }
    let room = elements.len().min(limit - values.len());
    values.extend(elements[..room].iter().map(|element| convert(*element)));
    Ok(())
}

/// Real and imaginary parts together; an odd one at the end is ignored.
fn pairs<T: Copy>(parts: &[T]) -> Vec<[T; 2]> {
    parts.as_chunks::<2>().0.to_vec()
}

/// Repeats the last value until there are `count`.
fn filled<T: Clone + Default>(mut values: Vec<T>, count: usize) -> Vec<T> {
    if values.len() < count {
        let last = values.last().cloned().unwrap_or_default();
        values.resize(count, last);
    }
    values
}
