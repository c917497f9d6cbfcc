//! The elements of one input, collected from one value or from many.

use turnout_core::signature::TensorSpec;
use turnout_core::{DType, Result, Shape, Tensor, Values};

use super::cursor::{Cursor, Parse};
use super::leaf;
use super::nest;
use super::strings::Strings;

/// About as many bytes of text make one element: what is reserved before any element was seen.
const TEXT_BYTES_PER_ELEMENT: usize = 4;

#[derive(Debug)]
pub(super) enum Column {
    Fixed(Values),
    Strings(Strings),
    Unsupported(DType),
}

impl Column {
    /// `text_bytes` is how much text there is at most: it, and no number in it, decides what is reserved.
    pub(super) fn new(dtype: DType, text_bytes: usize) -> Self {
        let capacity = text_bytes / TEXT_BYTES_PER_ELEMENT + 1;
        match dtype {
            DType::String => Self::Strings(Strings::with_capacity(capacity / 4 + 1, text_bytes)),
            DType::Complex64 | DType::Complex128 => Self::Unsupported(dtype),
            fixed => Self::Fixed(Values::with_capacity(fixed, capacity)),
        }
    }

    /// Appends the elements of one scalar or nested list and returns its shape.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Parse<Shape> {
        match self {
            Self::Fixed(values) => read_fixed(cursor, values),
            Self::Strings(strings) => nest::read::<leaf::Text>(cursor, strings),
            Self::Unsupported(dtype) => nest::read::<leaf::Unsupported>(cursor, dtype),
        }
    }

    /// Elements so far.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Fixed(values) => values.len(),
            Self::Strings(strings) => strings.len(),
            Self::Unsupported(_) => 0,
        }
    }

    /// The tensor of all that was read, mended to fit `spec` where a client could not have known better.
    pub(super) fn finish(self, spec: &TensorSpec, shape: Shape) -> Result<Tensor> {
        let values = match self {
            Self::Fixed(values) => values,
            Self::Strings(strings) => Values::String(strings.finish()),
            Self::Unsupported(dtype) => Values::with_capacity(dtype, 0),
        };
        spec.fit(Tensor::new(shape, values)?)
    }
}

fn read_fixed(cursor: &mut Cursor<'_>, values: &mut Values) -> Parse<Shape> {
    match values {
        Values::Bool(values) => nest::read::<leaf::Bool>(cursor, values),
        Values::Int8(values) => nest::read::<leaf::Int8>(cursor, values),
        Values::Int16(values) => nest::read::<leaf::Int16>(cursor, values),
        Values::Int32(values) => nest::read::<leaf::Int32>(cursor, values),
        Values::Int64(values) => nest::read::<leaf::Int64>(cursor, values),
        Values::Uint8(values) => nest::read::<leaf::Uint8>(cursor, values),
        Values::Uint16(values) => nest::read::<leaf::Uint16>(cursor, values),
        Values::Uint32(values) => nest::read::<leaf::Uint32>(cursor, values),
        Values::Uint64(values) => nest::read::<leaf::Uint64>(cursor, values),
        Values::Float16(values) => nest::read::<leaf::Float16>(cursor, values),
        Values::Bfloat16(values) => nest::read::<leaf::Bfloat16>(cursor, values),
        Values::Float32(values) => nest::read::<leaf::Float32>(cursor, values),
        Values::Float64(values) => nest::read::<leaf::Float64>(cursor, values),
        Values::Complex64(_) | Values::Complex128(_) | Values::String(_) => {
            Err(turnout_core::Error::internal("bug: a column of another kind").into())
        }
    }
}
