//! `serde_json` is the slow, obvious other opinion.

use bytes::Bytes;
use half::{bf16, f16};
use proptest::prelude::*;
use serde_json::{Value, json};
use turnout_core::{DType, Shape, Signature, Tensor, Values};

use super::super::{Format, JsonOptions, decode_predict, encode_predict};
use super::{STRICT, one, signature, spec};

fn values(dtype: DType, count: usize) -> BoxedStrategy<Values> {
    macro_rules! any_values {
        ($variant:ident, $element:ty) => {
            prop::collection::vec(any::<$element>(), count)
                .prop_map(Values::$variant)
                .boxed()
        };
    }
    let finite32 = prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO;
    let finite64 = prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO;
    match dtype {
        DType::Bool => any_values!(Bool, bool),
        DType::Int8 => any_values!(Int8, i8),
        DType::Int16 => any_values!(Int16, i16),
        DType::Int32 => any_values!(Int32, i32),
        DType::Int64 => any_values!(Int64, i64),
        DType::Uint8 => any_values!(Uint8, u8),
        DType::Uint16 => any_values!(Uint16, u16),
        DType::Uint32 => any_values!(Uint32, u32),
        DType::Uint64 => any_values!(Uint64, u64),
        DType::Float16 => {
            let bits = any::<u16>().prop_filter("finite", |bits| f16::from_bits(*bits).is_finite());
            prop::collection::vec(bits, count)
                .prop_map(Values::Float16)
                .boxed()
        }
        DType::Bfloat16 => {
            let bits =
                any::<u16>().prop_filter("finite", |bits| bf16::from_bits(*bits).is_finite());
            prop::collection::vec(bits, count)
                .prop_map(Values::Bfloat16)
                .boxed()
        }
        DType::Float32 => prop::collection::vec(finite32, count)
            .prop_map(Values::Float32)
            .boxed(),
        DType::Float64 => prop::collection::vec(finite64, count)
            .prop_map(Values::Float64)
            .boxed(),
        DType::String | DType::Complex64 | DType::Complex128 => {
            let text = any::<String>().prop_map(Bytes::from);
            prop::collection::vec(text, count)
                .prop_map(Values::String)
                .boxed()
        }
    }
}

fn tensors() -> impl Strategy<Value = Tensor> {
    let shapes = prop::collection::vec(0usize..4, 0..4);
    (prop::sample::select(DType::ALL.to_vec()), shapes).prop_flat_map(|(dtype, shape)| {
        values(dtype, shape.iter().product()).prop_map(move |values| {
            Tensor::new(Shape::from_slice(&shape), values)
                .expect("as many values as the shape says")
        })
    })
}

/// One element as serde writes it, floats at the precision of their dtype.
fn element(values: &Values, index: usize) -> Value {
    match values {
        Values::Bool(values) => json!(values[index]),
        Values::Int8(values) => json!(values[index]),
        Values::Int16(values) => json!(values[index]),
        Values::Int32(values) => json!(values[index]),
        Values::Int64(values) => json!(values[index]),
        Values::Uint8(values) => json!(values[index]),
        Values::Uint16(values) => json!(values[index]),
        Values::Uint32(values) => json!(values[index]),
        Values::Uint64(values) => json!(values[index]),
        Values::Float16(values) => json!(f16::from_bits(values[index]).to_f64()),
        Values::Bfloat16(values) => json!(bf16::from_bits(values[index]).to_f64()),
        Values::Float32(values) => json!(f64::from(values[index])),
        Values::Float64(values) => json!(values[index]),
        Values::String(values) => json!(std::str::from_utf8(&values[index]).expect("text")),
        Values::Complex64(_) | Values::Complex128(_) => panic!("never generated"),
    }
}

fn nested(tensor: &Tensor, level: usize, start: usize) -> Value {
    let Some(length) = tensor.shape().get(level) else {
        return element(tensor.values(), start);
    };
    let stride: usize = tensor.shape()[level + 1..].iter().product();
    (0..*length)
        .map(|index| nested(tensor, level + 1, start + index * stride))
        .collect()
}

/// An empty list says nothing of the dimensions behind it.
fn visible_shape(shape: &[usize]) -> &[usize] {
    let end = shape
        .iter()
        .position(|dim| *dim == 0)
        .map_or(shape.len(), |empty| empty + 1);
    &shape[..end]
}

fn output_signature(dtype: DType) -> Signature {
    signature("s", vec![], vec![spec("y", dtype, None)])
}

/// Floats are compared as the dtype's own values.
fn same(ours: &Value, oracle: &Value, dtype: DType) -> bool {
    match (ours, oracle) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right, dtype))
        }
        (Value::Number(left), Value::Number(right))
            if matches!(dtype, DType::Float32 | DType::Float16 | DType::Bfloat16) =>
        {
            let narrow = |number: &serde_json::Number| {
                number
                    .to_string()
                    .parse::<f32>()
                    .expect("a number")
                    .to_bits()
            };
            narrow(left) == narrow(right)
        }
        (left, right) => left == right,
    }
}

proptest! {
    #[test]
    fn what_serde_writes_is_read(tensor in tensors(), pretty: bool) {
        let body = json!({"inputs": nested(&tensor, 0, 0)});
        let body = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.expect("JSON");
        let decoded = decode_predict(&body, &one(tensor.dtype()), JsonOptions::default()).expect("well formed");
        prop_assert_eq!(decoded.inputs[0].values(), tensor.values());
        prop_assert_eq!(decoded.inputs[0].shape(), visible_shape(tensor.shape()));
    }

    #[test]
    fn what_is_written_serde_reads(tensor in tensors()) {
        let mut out = Vec::new();
        encode_predict(std::slice::from_ref(&tensor), &output_signature(tensor.dtype()), Format::Column, &mut out).expect("encodes");
        let read: Value = serde_json::from_slice(&out).expect("well formed");
        prop_assert!(same(&read["outputs"], &nested(&tensor, 0, 0), tensor.dtype()), "{read}");
    }

    #[test]
    fn what_is_written_is_read_back(tensor in tensors()) {
        let mut out = Vec::new();
        encode_predict(std::slice::from_ref(&tensor), &output_signature(tensor.dtype()), Format::Column, &mut out).expect("encodes");
        let body = [b"{\"inputs\":", &out[b"{\"outputs\":".len()..]].concat();
        let decoded = decode_predict(&body, &one(tensor.dtype()), JsonOptions::default()).expect("well formed");
        prop_assert_eq!(decoded.inputs[0].values(), tensor.values());
    }

    #[test]
    fn rows_and_columns_are_the_same_tensor(tensor in tensors().prop_filter("rows", |tensor| tensor.shape().first().is_some_and(|rows| *rows > 0))) {
        let plain = serde_json::to_vec(&json!({"instances": nested(&tensor, 0, 0)})).expect("JSON");
        let rows: Vec<Value> = nested(&tensor, 0, 0).as_array().expect("rows").iter().map(|row| json!({"x": row})).collect();
        let named = serde_json::to_vec(&json!({"instances": rows})).expect("JSON");
        for body in [plain, named] {
            let decoded = decode_predict(&body, &one(tensor.dtype()), JsonOptions::default()).expect("well formed");
            prop_assert_eq!(decoded.inputs[0].values(), tensor.values());
            prop_assert_eq!(decoded.inputs[0].shape(), visible_shape(tensor.shape()));
        }
    }

    #[test]
    fn both_agree_on_what_is_json(body in r#"\{("a"|"instances"|""):[ \[\]{},:"0-9.eE+\-tnul\\a]{0,12}\}?"#) {
        let ours = decode_predict(body.as_bytes(), &one(DType::Float64), STRICT);
        let syntax = ours.err().is_some_and(|error| error.message().starts_with("JSON Parse error"));
        let theirs = serde_json::from_str::<Value>(&body);
        // Numbers beyond a double are refused by both, but only where they are converted.
        let too_big = theirs.as_ref().err().is_some_and(|error| error.to_string().contains("out of range"));
        prop_assert!(syntax == theirs.is_err() || too_big, "{body}");
    }

    #[test]
    fn numbers_round_once(text in r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?(e-?[0-9]{1,2})?") {
        let body = format!("{{\"inputs\": [{text}]}}");
        let read = |dtype| {
            let decoded = decode_predict(body.as_bytes(), &one(dtype), JsonOptions::default()).expect("a number");
            decoded.inputs[0].values().clone()
        };
        prop_assert_eq!(read(DType::Float64), Values::Float64(vec![text.parse().expect("a number")]));
        prop_assert_eq!(read(DType::Float32), Values::Float32(vec![text.parse().expect("a number")]));
    }

    #[test]
    fn any_bytes_are_answered(body: Vec<u8>) {
        let _ = decode_predict(&body, &one(DType::Float32), JsonOptions::default());
    }
}
