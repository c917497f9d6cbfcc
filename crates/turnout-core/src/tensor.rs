//! Tensors: a shape and its values in row-major order, one typed vector per dtype.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{DType, Error, Result};

/// Dimensions; up to four stay on the stack.
pub type Shape = SmallVec<[usize; 4]>;

/// The largest rank that the doors accept.
pub const MAX_RANK: usize = 8;

/// Row-major values. `Float16` and `Bfloat16` hold raw bits, the complex types (real, imaginary).
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Bool(Vec<bool>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Float16(Vec<u16>),
    Bfloat16(Vec<u16>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Complex64(Vec<[f32; 2]>),
    Complex128(Vec<[f64; 2]>),
    String(Vec<Bytes>),
}

/// Runs `$body` with `$values` bound to the vector inside, whatever its type.
#[macro_export]
macro_rules! for_each_values {
    ($subject:expr, $values:ident => $body:expr) => {
        match $subject {
            $crate::Values::Bool($values) => $body,
            $crate::Values::Int8($values) => $body,
            $crate::Values::Int16($values) => $body,
            $crate::Values::Int32($values) => $body,
            $crate::Values::Int64($values) => $body,
            $crate::Values::Uint8($values) => $body,
            $crate::Values::Uint16($values) => $body,
            $crate::Values::Uint32($values) => $body,
            $crate::Values::Uint64($values) => $body,
            $crate::Values::Float16($values) => $body,
            $crate::Values::Bfloat16($values) => $body,
            $crate::Values::Float32($values) => $body,
            $crate::Values::Float64($values) => $body,
            $crate::Values::Complex64($values) => $body,
            $crate::Values::Complex128($values) => $body,
            $crate::Values::String($values) => $body,
        }
    };
}

/// Runs `$body` with `$left` and `$right` bound to two vectors of one type, or `$otherwise` when the types differ.
macro_rules! for_both_values {
    ($subject:expr, $other:expr, $left:ident, $right:ident => $body:expr, $otherwise:expr, [$($variant:ident),*]) => {
        match ($subject, $other) {
            $((Values::$variant($left), Values::$variant($right)) => $body,)*
            _ => $otherwise,
        }
    };
}

/// Builds `Values::$variant` from `$make`, an expression that works for every element type.
#[macro_export]
macro_rules! make_values {
    ($dtype:expr, $make:expr) => {
        match $dtype {
            $crate::DType::Bool => $crate::Values::Bool($make),
            $crate::DType::Int8 => $crate::Values::Int8($make),
            $crate::DType::Int16 => $crate::Values::Int16($make),
            $crate::DType::Int32 => $crate::Values::Int32($make),
            $crate::DType::Int64 => $crate::Values::Int64($make),
            $crate::DType::Uint8 => $crate::Values::Uint8($make),
            $crate::DType::Uint16 => $crate::Values::Uint16($make),
            $crate::DType::Uint32 => $crate::Values::Uint32($make),
            $crate::DType::Uint64 => $crate::Values::Uint64($make),
            $crate::DType::Float16 => $crate::Values::Float16($make),
            $crate::DType::Bfloat16 => $crate::Values::Bfloat16($make),
            $crate::DType::Float32 => $crate::Values::Float32($make),
            $crate::DType::Float64 => $crate::Values::Float64($make),
            $crate::DType::Complex64 => $crate::Values::Complex64($make),
            $crate::DType::Complex128 => $crate::Values::Complex128($make),
            $crate::DType::String => $crate::Values::String($make),
        }
    };
}

impl Values {
    /// An empty vector of `dtype` with room for `capacity` elements.
    #[must_use]
    pub fn with_capacity(dtype: DType, capacity: usize) -> Self {
        make_values!(dtype, Vec::with_capacity(capacity))
    }

    #[must_use]
    pub fn dtype(&self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int8(_) => DType::Int8,
            Self::Int16(_) => DType::Int16,
            Self::Int32(_) => DType::Int32,
            Self::Int64(_) => DType::Int64,
            Self::Uint8(_) => DType::Uint8,
            Self::Uint16(_) => DType::Uint16,
            Self::Uint32(_) => DType::Uint32,
            Self::Uint64(_) => DType::Uint64,
            Self::Float16(_) => DType::Float16,
            Self::Bfloat16(_) => DType::Bfloat16,
            Self::Float32(_) => DType::Float32,
            Self::Float64(_) => DType::Float64,
            Self::Complex64(_) => DType::Complex64,
            Self::Complex128(_) => DType::Complex128,
            Self::String(_) => DType::String,
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        for_each_values!(self, values => values.len())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The little-endian bytes of fixed-size values; None for strings.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        use bytemuck::cast_slice;
        Some(match self {
            Self::Bool(values) => cast_slice(values),
            Self::Int8(values) => cast_slice(values),
            Self::Int16(values) => cast_slice(values),
            Self::Int32(values) => cast_slice(values),
            Self::Int64(values) => cast_slice(values),
            Self::Uint8(values) => values,
            Self::Uint16(values) | Self::Float16(values) | Self::Bfloat16(values) => {
                cast_slice(values)
            }
            Self::Uint32(values) => cast_slice(values),
            Self::Uint64(values) => cast_slice(values),
            Self::Float32(values) => cast_slice(values),
            Self::Float64(values) => cast_slice(values),
            Self::Complex64(values) => cast_slice(values),
            Self::Complex128(values) => cast_slice(values),
            Self::String(_) => return None,
        })
    }

    /// Copies little-endian bytes into values of a fixed-size dtype.
    ///
    /// None when `dtype` is `string` or the length is not a whole number of elements. A boolean byte other than 0 is true.
    #[must_use]
    pub fn from_bytes(dtype: DType, bytes: &[u8]) -> Option<Self> {
        fn cast<T: bytemuck::Pod>(bytes: &[u8]) -> Vec<T> {
            let mut values = vec![T::zeroed(); bytes.len() / size_of::<T>()];
            bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
            values
        }
        if !bytes.len().is_multiple_of(dtype.size_bytes()?) {
            return None;
        }
        Some(match dtype {
            DType::Bool => Self::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
            DType::Int8 => Self::Int8(cast(bytes)),
            DType::Int16 => Self::Int16(cast(bytes)),
            DType::Int32 => Self::Int32(cast(bytes)),
            DType::Int64 => Self::Int64(cast(bytes)),
            DType::Uint8 => Self::Uint8(bytes.to_vec()),
            DType::Uint16 => Self::Uint16(cast(bytes)),
            DType::Uint32 => Self::Uint32(cast(bytes)),
            DType::Uint64 => Self::Uint64(cast(bytes)),
            DType::Float16 => Self::Float16(cast(bytes)),
            DType::Bfloat16 => Self::Bfloat16(cast(bytes)),
            DType::Float32 => Self::Float32(cast(bytes)),
            DType::Float64 => Self::Float64(cast(bytes)),
            DType::Complex64 => Self::Complex64(cast(bytes)),
            DType::Complex128 => Self::Complex128(cast(bytes)),
            DType::String => return None,
        })
    }

    /// Appends `other`, which must have the same dtype.
    ///
    /// # Errors
    /// `internal` when the dtypes differ: callers merge only tensors of one signature.
    pub fn append(&mut self, other: &Self) -> Result<()> {
        for_both_values!(self, other, left, right => { left.extend_from_slice(right); Ok(()) },
            Err(Error::internal("bug: appended values of another dtype")),
            [Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Float16, Bfloat16, Float32, Float64,
             Complex64, Complex128, String])
    }

    /// Appends `other`, of shape `from`, as if it had the shape `to`, whose dimensions are as large or larger: its first
    /// element fills what is missing, or a zero where it has none.
    ///
    /// # Errors
    /// `internal` when the dtypes differ.
    pub fn append_padded(&mut self, other: &Self, from: &[usize], to: &[usize]) -> Result<()> {
        for_both_values!(self, other, left, right => {
                append_padded(left, right, from, to);
                Ok(())
            },
            Err(Error::internal("bug: appended values of another dtype")),
            [Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Float16, Bfloat16, Float32, Float64,
             Complex64, Complex128, String])
    }

    /// Copies the elements of `range`. Panics when it is out of bounds, as slices do.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        macro_rules! slice {
            ([$($variant:ident),*]) => {
                match self { $(Self::$variant(values) => Self::$variant(values[range].to_vec()),)* }
            };
        }
        slice!([
            Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Float16, Bfloat16,
            Float32, Float64, Complex64, Complex128, String
        ])
    }

    /// Bytes that these values hold in memory, strings with 16 bytes of overhead each.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::String(values) => values.iter().map(|value| value.len() + 16).sum(),
            other => other.as_bytes().map_or(0, <[u8]>::len),
        }
    }
}

fn append_padded<T: Clone + Default>(all: &mut Vec<T>, part: &[T], from: &[usize], to: &[usize]) {
    if from == to {
        all.extend_from_slice(part);
    } else {
        let fill = part.first().cloned().unwrap_or_default();
        append_filled(all, part, from, to, &fill);
    }
}

fn append_filled<T: Clone>(all: &mut Vec<T>, part: &[T], from: &[usize], to: &[usize], fill: &T) {
    if from == to {
        all.extend_from_slice(part);
        return;
    }
    let start = all.len();
    let inner: usize = from[1..].iter().product();
    for index in 0..from[0] {
        let inner_part = &part[index * inner..(index + 1) * inner];
        append_filled(all, inner_part, &from[1..], &to[1..], fill);
    }
    all.resize(start + to.iter().product::<usize>(), fill.clone());
}

/// A shape and as many values as it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Shape,
    values: Values,
}

impl Tensor {
    /// # Errors
    /// `invalid_input` when the shape's product overflows or is not the number of values.
    pub fn new(shape: Shape, values: Values) -> Result<Self> {
        if element_count(&shape) == Some(values.len()) {
            return Ok(Self { shape, values });
        }
        Err(Error::invalid_input(format!(
            "shape and values do not agree: got {} values for shape {}",
            values.len(),
            crate::signature::shape_text(shape.iter().map(|dim| Some(*dim)))
        )))
    }

    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    #[must_use]
    pub fn into_parts(self) -> (Shape, Values) {
        (self.shape, self.values)
    }

    #[must_use]
    pub fn dtype(&self) -> DType {
        self.values.dtype()
    }

    /// Dimension 0, or 1 for a scalar: how many rows a request brings.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Takes another shape of the same number of elements; any other is ignored in favour of the present one.
    pub fn reshape(&mut self, shape: Shape) {
        if element_count(&shape) == Some(self.values.len()) {
            self.shape = shape;
        }
    }
}

/// The product of the dimensions, or None on overflow.
#[must_use]
pub fn element_count(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, dim| product.checked_mul(*dim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_refuses_a_shape_that_overflows_or_disagrees() {
        let huge = Shape::from_slice(&[usize::MAX, 2]);
        assert!(Tensor::new(huge, Values::Uint8(vec![])).is_err());
        assert!(Tensor::new(Shape::from_slice(&[2, 2]), Values::Uint8(vec![1])).is_err());
        assert!(Tensor::new(Shape::new(), Values::Uint8(vec![1])).is_ok());
    }

    #[test]
    fn bytes_round_trip_for_every_fixed_dtype() {
        for dtype in DType::ALL {
            let Some(size) = dtype.size_bytes() else {
                continue;
            };
            let bytes: Vec<u8> = (0..size * 3)
                .map(|index| u8::from(index % size == 0))
                .collect();
            let values = Values::from_bytes(dtype, &bytes).expect("whole elements");
            assert_eq!((values.len(), values.dtype()), (3, dtype));
            assert_eq!(values.as_bytes(), Some(bytes.as_slice()), "{dtype}");
            assert!(Values::from_bytes(dtype, &vec![0; size * 3 + 1]).is_none() || size == 1);
        }
    }

    #[test]
    fn append_then_slice_gives_the_parts_back() {
        let mut all = Values::String(vec![Bytes::from_static(b"a")]);
        let more = Values::String(vec![Bytes::from_static(b"b"), Bytes::new()]);
        all.append(&more).expect("same dtype");
        assert_eq!(all.slice(1..3), more);
        assert!(all.append(&Values::Bool(vec![true])).is_err());
    }
}
