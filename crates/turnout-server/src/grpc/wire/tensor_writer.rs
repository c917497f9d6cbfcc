//! `tensorflow.TensorProto`, written: typed fields for answers, `tensor_content` for requests.

use smallvec::SmallVec;
use turnout_core::tensor::element_count;
use turnout_core::{DType, Error, Result, Tensor, Values};

use super::dtype::data_type_number;
use super::fields::tensor::{
    DIM, DIM_SIZE, DTYPE, STRING_VAL, TENSOR_CONTENT, TENSOR_SHAPE, values_field,
};
use super::writer::{
    bytes_len, put_bytes, put_bytes_head, put_varint, put_varint_field, varint_field_len,
    varint_len,
};

/// An integer as protobuf's varint: negative ones are extended to 64 bits.
trait Varint: Copy {
    fn varint(self) -> u64;
}

macro_rules! varint {
    ($($type:ty => $through:ty),*) => {
        $(impl Varint for $type {
            #[inline]
            #[allow(clippy::cast_sign_loss, clippy::cast_lossless, reason = "sign extension is the encoding")]
            fn varint(self) -> u64 {
                self as $through as u64
            }
        })*
    };
}

varint!(bool => u64, i8 => i64, i16 => i64, i32 => i64, i64 => i64, u8 => u64, u16 => u64, u32 => u64, u64 => u64);

/// Runs `$varints` with `$values` bound to a vector of integers, `$raw` with the bytes of floats, or `$strings`.
macro_rules! by_encoding {
    ($subject:expr, $values:ident => $varints:expr, $bytes:ident => $raw:expr, $texts:ident => $strings:expr) => {
        match $subject {
            Values::Bool($values) => $varints,
            Values::Int8($values) => $varints,
            Values::Int16($values) => $varints,
            Values::Int32($values) => $varints,
            Values::Int64($values) => $varints,
            Values::Uint8($values) => $varints,
            Values::Uint16($values) | Values::Float16($values) | Values::Bfloat16($values) => {
                $varints
            }
            Values::Uint32($values) => $varints,
            Values::Uint64($values) => $varints,
            Values::String($texts) => $strings,
            floats @ (Values::Float32(_)
            | Values::Float64(_)
            | Values::Complex64(_)
            | Values::Complex128(_)) => {
                let $bytes = floats.as_bytes().expect("bug: floats have no bytes");
                $raw
            }
        }
    };
}

/// Which fields of a `TensorProto` carry an answer's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `float_val`, `int_val` and so on, which clients read directly.
    Typed,
    /// `tensor_content`, which is shorter for integers and as fast to read as to write. Strings stay in `string_val`: not
    /// every client reads them from elsewhere.
    Content,
}

/// A tensor to be written, and its lengths.
pub(super) struct AnswerTensor<'a> {
    tensor: &'a Tensor,
    /// The field of all values together; None for strings, which have one each.
    field: Option<u32>,
    shape_bytes: usize,
    /// Of the packed values, or of all the string fields.
    values_bytes: usize,
    total_bytes: usize,
}

impl<'a> AnswerTensor<'a> {
    pub(super) fn new(tensor: &'a Tensor, carrier: Carrier) -> Self {
        let field = match (tensor.dtype(), carrier) {
            (DType::String, _) => None,
            (_, Carrier::Content) => Some(TENSOR_CONTENT),
            (dtype, Carrier::Typed) => Some(values_field(dtype)),
        };
        let values_bytes = match content(tensor, field) {
            Some(bytes) => bytes.len(),
            None => by_encoding!(tensor.values(),
                values => values.iter().map(|value| varint_len(value.varint())).sum(),
                bytes => bytes.len(),
                texts => texts.iter().map(|text| bytes_len(STRING_VAL, text.len())).sum()),
        };
        let shape_bytes = shape_len(tensor.shape());
        let values_field_bytes = match field {
            None => values_bytes,
            Some(_) if values_bytes == 0 => 0,
            Some(field) => bytes_len(field, values_bytes),
        };
        let total_bytes = head_len(tensor.dtype(), shape_bytes) + values_field_bytes;
        Self {
            tensor,
            field,
            shape_bytes,
            values_bytes,
            total_bytes,
        }
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.total_bytes
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let shape = self.tensor.shape();
        put_head(out, self.tensor.dtype(), shape, self.shape_bytes);
        if let Some(field) = self.field.filter(|_| self.values_bytes > 0) {
            put_bytes_head(out, field, self.values_bytes);
        }
        if let Some(bytes) = content(self.tensor, self.field) {
            out.extend_from_slice(bytes);
            return;
        }
        by_encoding!(self.tensor.values(),
            values => for value in values { put_varint(out, value.varint()); },
            bytes => out.extend_from_slice(bytes),
            texts => for text in texts { put_bytes(out, STRING_VAL, text); });
    }
}

/// The elements as they lie in memory, if that is how the field has them.
fn content(tensor: &Tensor, field: Option<u32>) -> Option<&[u8]> {
    tensor
        .values()
        .as_bytes()
        .filter(|_| field == Some(TENSOR_CONTENT))
}

/// A tensor of a client, borrowed from wherever it is.
#[derive(Clone, Debug)]
pub struct TensorParts<'a> {
    pub dtype: DType,
    pub shape: SmallVec<[usize; 4]>,
    pub content: TensorContent<'a>,
}

/// The values of [`TensorParts`], in row-major order.
#[derive(Clone, Copy, Debug)]
pub enum TensorContent<'a> {
    /// Little-endian elements of a fixed-size dtype.
    Fixed(&'a [u8]),
    Strings(&'a [&'a [u8]]),
}

impl TensorParts<'_> {
    /// # Errors
    /// `invalid_input` when content, dtype and shape do not agree.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let count = element_count(&self.shape);
        let (got, expected) = match (self.content, self.dtype.size_bytes()) {
            (TensorContent::Fixed(bytes), Some(size)) => {
                (bytes.len(), count.and_then(|count| count.checked_mul(size)))
            }
            (TensorContent::Strings(strings), None) => (strings.len(), count),
            _ => {
                return Err(Error::invalid_input(format!(
                    "input `{name}` has data of another kind than its dtype: {}",
                    self.dtype
                )));
            }
        };
        if expected == Some(got) {
            return Ok(());
        }
        let unit = if self.dtype == DType::String {
            "strings"
        } else {
            "bytes"
        };
        let shape = turnout_core::signature::shape_text(self.shape.iter().map(|dim| Some(*dim)));
        Err(Error::invalid_input(format!(
            "input `{name}` does not have the data of its shape {shape}: got {got} {unit}"
        )))
    }

    pub(super) fn encoded_len(&self) -> usize {
        let content = match self.content {
            TensorContent::Fixed([]) => 0,
            TensorContent::Fixed(bytes) => bytes_len(TENSOR_CONTENT, bytes.len()),
            TensorContent::Strings(strings) => strings
                .iter()
                .map(|text| bytes_len(STRING_VAL, text.len()))
                .sum(),
        };
        head_len(self.dtype, shape_len(&self.shape)) + content
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_head(out, self.dtype, &self.shape, shape_len(&self.shape));
        match self.content {
            TensorContent::Fixed([]) => {}
            TensorContent::Fixed(bytes) => put_bytes(out, TENSOR_CONTENT, bytes),
            TensorContent::Strings(strings) => strings
                .iter()
                .for_each(|text| put_bytes(out, STRING_VAL, text)),
        }
    }
}

/// Bytes of dtype and shape.
fn head_len(dtype: DType, shape_bytes: usize) -> usize {
    varint_field_len(DTYPE, data_type(dtype)) + bytes_len(TENSOR_SHAPE, shape_bytes)
}

fn put_head(out: &mut Vec<u8>, dtype: DType, shape: &[usize], shape_bytes: usize) {
    put_varint_field(out, DTYPE, data_type(dtype));
    put_bytes_head(out, TENSOR_SHAPE, shape_bytes);
    for dim in shape {
        put_bytes_head(out, DIM, dim_len(*dim));
        if *dim != 0 {
            put_varint_field(out, DIM_SIZE, *dim as u64);
        }
    }
}

fn shape_len(shape: &[usize]) -> usize {
    shape.iter().map(|dim| bytes_len(DIM, dim_len(*dim))).sum()
}

fn dim_len(dim: usize) -> usize {
    if dim == 0 {
        0
    } else {
        varint_field_len(DIM_SIZE, dim as u64)
    }
}

fn data_type(dtype: DType) -> u64 {
    data_type_number(dtype).unsigned_abs().into()
}
