//! `tensorflow.TensorProto`, read but not yet turned into values.

use bytes::Bytes;
use smallvec::SmallVec;
use turnout_core::tensor::{MAX_RANK, element_count};
use turnout_core::{DType, Error, Result, Shape, Tensor, Values};

use super::dtype::dtype_from_number;
use super::fields::tensor::{
    BOOL_VAL, DIM, DIM_SIZE, DTYPE, FLOAT_VAL, HALF_VAL, STRING_VAL, TENSOR_CONTENT, TENSOR_SHAPE,
    UINT32_VAL, UINT64_VAL, UNKNOWN_RANK,
};
use super::reader::{Reader, Value};
use super::{WireError, tensor_values};

/// A tensor whose parts borrow from the message that it came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct TensorView<'a> {
    data_type: i32,
    shape: Shape,
    shape_fault: Option<ShapeFault>,
    pub(super) content: &'a [u8],
    pub(super) typed: Typed<'a>,
    strings: usize,
    last_string_bytes: usize,
    /// More than one only where the message comes in pieces, which protobuf merges.
    pub(super) parts: SmallVec<[&'a [u8]; 1]>,
}

/// How much memory tensors may take, and which setting says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    pub(crate) setting: &'static str,
}

impl Limit {
    /// A limit that a caller of the codec passed in.
    pub(crate) fn of_caller(bytes: usize) -> Self {
        Self {
            bytes,
            setting: "limit_bytes",
        }
    }

    /// What is left beside `tensor`.
    pub(crate) fn less(self, tensor: &Tensor) -> Self {
        let bytes = self.bytes.saturating_sub(tensor.values().size_bytes());
        Self { bytes, ..self }
    }
}

/// Where the typed values are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Typed<'a> {
    #[default]
    None,
    /// All of them are in one field: what every client sends, but for strings.
    One(u32, Value<'a>),
    /// In several fields: the parts are read again.
    Many,
}

#[derive(Clone, Copy, Debug)]
enum ShapeFault {
    UnknownRank,
    NegativeDimension(i64),
    TooManyDimensions,
}

impl<'a> TensorView<'a> {
    /// Takes over what `part` sets; repeated fields add up.
    pub(crate) fn merge(&mut self, part: &'a [u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(part);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (DTYPE, Value::Varint(data_type)) => self.data_type = int32(data_type),
                (TENSOR_SHAPE, Value::Bytes(shape)) => self.merge_shape(shape)?,
                (TENSOR_CONTENT, Value::Bytes(content)) => self.content = content,
                (FLOAT_VAL..=HALF_VAL | UINT32_VAL..=UINT64_VAL, value) => {
                    self.note_values(number, value);
                }
                _ => {}
            }
        }
        self.parts.push(part);
        Ok(())
    }

    fn note_values(&mut self, number: u32, value: Value<'a>) {
        if let (STRING_VAL, Value::Bytes(bytes)) = (number, value) {
            self.strings += 1;
            self.last_string_bytes = bytes.len();
        }
        self.typed = if matches!(self.typed, Typed::None) {
            Typed::One(number, value)
        } else {
            Typed::Many
        };
    }

    fn merge_shape(&mut self, message: &[u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (DIM, Value::Bytes(dim)) => {
                    let size = dimension(dim)?;
                    self.push_dimension(size);
                }
                (UNKNOWN_RANK, Value::Varint(unknown)) if unknown != 0 => {
                    self.shape_fault = Some(ShapeFault::UnknownRank);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn push_dimension(&mut self, size: i64) {
        if self.shape.len() == MAX_RANK {
            self.shape_fault
                .get_or_insert(ShapeFault::TooManyDimensions);
            return;
        }
        match usize::try_from(size) {
            Ok(size) => self.shape.push(size),
            Err(_) => self.shape_fault = Some(ShapeFault::NegativeDimension(size)),
        }
    }

    /// Makes the tensor, unless its values would take more memory than `limit`.
    ///
    /// `message` is the buffer that this view borrows from: strings share it. `alias` is the tensor's name.
    ///
    /// # Errors
    /// `request_too_large` beyond the limit, `malformed_request` when a typed field cannot be read, and `invalid_input` for
    /// the rest, by TensorFlow Serving's text and with the evidence behind it.
    pub(crate) fn to_tensor(&self, alias: &str, message: &Bytes, limit: Limit) -> Result<Tensor> {
        let values = self
            .values(message, limit)
            .map_err(|fault| fault.into_error(alias))?;
        Tensor::new(self.shape.clone(), values)
    }

    fn values(&self, message: &Bytes, limit: Limit) -> Result<Values, Fault> {
        let dtype = dtype_from_number(self.data_type).ok_or_else(|| {
            Fault::Invalid(format!("invalid or unsupported dtype: {}", self.data_type))
        })?;
        let count = self.count().map_err(Fault::Invalid)?;
        match self.size_bytes(dtype, count) {
            Some(bytes) if bytes <= limit.bytes => {
                tensor_values::values(self, dtype, count, message)
            }
            _ => Err(Fault::TooLarge {
                count,
                dtype,
                limit,
            }),
        }
    }

    fn count(&self) -> Result<usize, String> {
        match self.shape_fault {
            None => {}
            Some(ShapeFault::UnknownRank) => return Err("the shape has unknown rank".to_owned()),
            Some(ShapeFault::NegativeDimension(size)) => {
                return Err(format!("the shape has a negative dimension: {size}"));
            }
            Some(ShapeFault::TooManyDimensions) => {
                return Err(format!("the shape has more than {MAX_RANK} dimensions"));
            }
        }
        element_count(&self.shape).ok_or_else(|| "the number of elements overflows".to_owned())
    }

    /// Bytes of memory behind the values; None on overflow. Strings that repeat the last one count in full, since engines
    /// copy each.
    fn size_bytes(&self, dtype: DType, count: usize) -> Option<usize> {
        if let Some(element_bytes) = dtype.size_bytes() {
            return count.checked_mul(element_bytes);
        }
        let repeated = if self.content.is_empty() {
            count.saturating_sub(self.strings)
        } else {
            0
        };
        count
            .checked_mul(size_of::<Bytes>())?
            .checked_add(repeated.checked_mul(self.last_string_bytes)?)
    }
}

/// The size of one `TensorShapeProto.Dim`.
fn dimension(message: &[u8]) -> Result<i64, WireError> {
    let mut size = 0;
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field()? {
        if let (DIM_SIZE, Value::Varint(value)) = (number, value) {
            size = value.cast_signed();
        }
    }
    Ok(size)
}

/// The low 32 bits, as protobuf reads 32-bit fields.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "protobuf drops the upper bits"
)]
fn int32(varint: u64) -> i32 {
    varint as u32 as i32
}

/// Why a tensor cannot be made.
pub(super) enum Fault {
    Wire(WireError),
    Invalid(String),
    TooLarge {
        count: usize,
        dtype: DType,
        limit: Limit,
    },
}

impl Fault {
    fn into_error(self, alias: &str) -> Error {
        match self {
            Self::Wire(error) => error.into(),
            Self::Invalid(fault) => {
                Error::invalid_input(format!("tensor parsing error: {alias}: {fault}"))
            }
            Self::TooLarge {
                count,
                dtype,
                limit,
            } => Error::too_large(format!(
                "the tensors are over the limit of decoded bytes (`{}`): tensor `{alias}` has {count} elements of {dtype}, and \
                 {} bytes are left",
                limit.setting, limit.bytes
            )),
        }
    }
}

// `merge` names the typed fields by two ranges.
const _: () =
    assert!(FLOAT_VAL == 5 && HALF_VAL == 13 && BOOL_VAL == 11 && UINT32_VAL + 1 == UINT64_VAL);
