//! The slow oracle: the same messages as prost structs, and TensorFlow's rules spelled out element by element.

//!
//! It shares nothing with the codec, not even the numbers. The fuzz target `protobuf_decode` includes this file too.

use std::collections::BTreeMap;

use prost::{Message, Oneof};
use turnout_core::{DType, Shape, Tensor, Values};

#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelSpec {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(oneof = "VersionChoice", tags = "2, 4")]
    pub(super) version_choice: Option<VersionChoice>,
    #[prost(string, tag = "3")]
    pub(super) signature_name: String,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum VersionChoice {
    #[prost(message, tag = "2")]
    Version(Int64Value),
    #[prost(string, tag = "4")]
    VersionLabel(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Int64Value {
    #[prost(int64, tag = "1")]
    pub(super) value: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorShape {
    #[prost(message, repeated, tag = "2")]
    pub(super) dim: Vec<Dim>,
    #[prost(bool, tag = "3")]
    pub(super) unknown_rank: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) tensor_shape: Option<TensorShape>,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) tensor_content: bytes::Bytes,
    #[prost(float, repeated, tag = "5")]
    pub(super) float_val: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub(super) double_val: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    pub(super) int_val: Vec<i32>,
    #[prost(bytes = "bytes", repeated, tag = "8")]
    pub(super) string_val: Vec<bytes::Bytes>,
    #[prost(float, repeated, tag = "9")]
    pub(super) scomplex_val: Vec<f32>,
    #[prost(int64, repeated, tag = "10")]
    pub(super) int64_val: Vec<i64>,
    #[prost(bool, repeated, tag = "11")]
    pub(super) bool_val: Vec<bool>,
    #[prost(double, repeated, tag = "12")]
    pub(super) dcomplex_val: Vec<f64>,
    #[prost(int32, repeated, tag = "13")]
    pub(super) half_val: Vec<i32>,
    #[prost(uint32, repeated, tag = "16")]
    pub(super) uint32_val: Vec<u32>,
    #[prost(uint64, repeated, tag = "17")]
    pub(super) uint64_val: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PredictRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) model_spec: Option<ModelSpec>,
    #[prost(message, repeated, tag = "2")]
    pub(super) inputs: Vec<Entry>,
    #[prost(string, repeated, tag = "3")]
    pub(super) output_filter: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PredictResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) outputs: Vec<Entry>,
    #[prost(message, optional, tag = "2")]
    pub(super) model_spec: Option<ModelSpec>,
}

/// An entry of a map, as the wire has it: prost's own maps take fields of the wrong wire type.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<TensorProto>,
}

/// The last entry of a key counts.
pub(super) fn map(entries: &[Entry]) -> BTreeMap<String, TensorProto> {
    let pair = |entry: &Entry| (entry.key.clone(), entry.value.clone().unwrap_or_default());
    entries.iter().map(pair).collect()
}

/// The most elements that the oracle makes.
pub(super) const MAX_ELEMENTS: usize = 4096;

/// The tensor of `proto`; None where TensorFlow reports a parsing error, or beyond [`MAX_ELEMENTS`].
pub(super) fn tensor(proto: &TensorProto) -> Option<Tensor> {
    let dtype = data_type(proto.dtype)?;
    let shape = proto.tensor_shape.clone().unwrap_or_default();
    if shape.unknown_rank || shape.dim.len() > 8 {
        return None;
    }
    let shape = shape
        .dim
        .iter()
        .map(|dim| usize::try_from(dim.size).ok())
        .collect::<Option<Shape>>()?;
    let count = shape
        .iter()
        .try_fold(1usize, |count, dim| count.checked_mul(*dim))?;
    if count > MAX_ELEMENTS {
        return None;
    }
    let values = if proto.tensor_content.is_empty() {
        typed(proto, dtype, count)
    } else {
        content(proto, dtype, count)?
    };
    Tensor::new(shape, values).ok()
}

fn data_type(number: i32) -> Option<DType> {
    let numbers = [
        (DType::Float32, 1),
        (DType::Float64, 2),
        (DType::Int32, 3),
        (DType::Uint8, 4),
        (DType::Int16, 5),
        (DType::Int8, 6),
        (DType::String, 7),
        (DType::Complex64, 8),
        (DType::Int64, 9),
        (DType::Bool, 10),
        (DType::Bfloat16, 14),
        (DType::Uint16, 17),
        (DType::Complex128, 18),
        (DType::Float16, 19),
        (DType::Uint32, 22),
        (DType::Uint64, 23),
    ];
    let found = numbers.into_iter().find(|(_, other)| *other == number);
    found.map(|(dtype, _)| dtype)
}

/// Equal to the last bit, NaN and all.
pub(super) fn same(left: &Tensor, right: &Tensor) -> bool {
    let same_strings = match (left.values(), right.values()) {
        (Values::String(left), Values::String(right)) => left == right,
        _ => true,
    };
    same_strings
        && left.shape() == right.shape()
        && left.dtype() == right.dtype()
        && left.values().as_bytes() == right.values().as_bytes()
}

fn content(proto: &TensorProto, dtype: DType, count: usize) -> Option<Values> {
    let content = &proto.tensor_content;
    if dtype != DType::String {
        return Values::from_bytes(dtype, content).filter(|values| values.len() == count);
    }
    let mut rest = content.clone();
    let lengths: Option<Vec<u64>> = (0..count)
        .map(|_| prost::encoding::decode_varint(&mut rest).ok())
        .collect();
    let mut strings = Vec::new();
    for length in lengths? {
        let length = usize::try_from(length).ok()?;
        strings.push((length <= rest.len()).then(|| rest.split_to(length))?);
    }
    rest.is_empty().then_some(Values::String(strings))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "TensorFlow truncates"
)]
fn typed(proto: &TensorProto, dtype: DType, count: usize) -> Values {
    match dtype {
        DType::Bool => Values::Bool(fill(&proto.bool_val, count)),
        DType::Int8 => Values::Int8(fill(&each(&proto.int_val, |value| value as i8), count)),
        DType::Int16 => Values::Int16(fill(&each(&proto.int_val, |value| value as i16), count)),
        DType::Int32 => Values::Int32(fill(&proto.int_val, count)),
        DType::Int64 => Values::Int64(fill(&proto.int64_val, count)),
        DType::Uint8 => Values::Uint8(fill(&each(&proto.int_val, |value| value as u8), count)),
        DType::Uint16 => Values::Uint16(fill(&each(&proto.int_val, |value| value as u16), count)),
        DType::Uint32 => Values::Uint32(fill(&proto.uint32_val, count)),
        DType::Uint64 => Values::Uint64(fill(&proto.uint64_val, count)),
        DType::Float16 => {
            Values::Float16(fill(&each(&proto.half_val, |value| value as u16), count))
        }
        DType::Bfloat16 => {
            Values::Bfloat16(fill(&each(&proto.half_val, |value| value as u16), count))
        }
        DType::Float32 => Values::Float32(fill(&proto.float_val, count)),
        DType::Float64 => Values::Float64(fill(&proto.double_val, count)),
        DType::Complex64 => Values::Complex64(fill(&pairs(&proto.scomplex_val), count)),
        DType::Complex128 => Values::Complex128(fill(&pairs(&proto.dcomplex_val), count)),
        DType::String => Values::String(fill(&proto.string_val, count)),
    }
}

fn each<T: Copy, U>(values: &[T], convert: impl Fn(T) -> U) -> Vec<U> {
    values.iter().map(|value| convert(*value)).collect()
}

fn pairs<T: Copy>(values: &[T]) -> Vec<[T; 2]> {
    values
        .chunks_exact(2)
        .map(|pair| [pair[0], pair[1]])
        .collect()
}

fn fill<T: Clone + Default>(values: &[T], count: usize) -> Vec<T> {
    (0..count)
        .map(|index| {
            values
                .get(index)
                .or(values.last())
                .cloned()
                .unwrap_or_default()
        })
        .collect()
}
