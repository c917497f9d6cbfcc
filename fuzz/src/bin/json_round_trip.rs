//! Any tensor as an answer: it is read back bit for bit, but for the payloads of NaN.
//!
//! The first byte chooses the element type, the second the rank, then one byte for each dimension; the rest are elements.
#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout_core::{DType, Shape, Signature, Tensor, TensorSpec, Values};
use turnout_server::rest::json::{Format, JsonOptions, decode_predict, encode_predict};

/// Keeps most tensors small and some of them empty.
const DIMENSIONS: [usize; 8] = [1, 2, 0, 3, 1, 4, 2, 5];

fn tensor(input: &[u8]) -> Option<Tensor> {
    let (dtype, input) = input.split_first()?;
    let (rank, input) = input.split_first()?;
    let dtype = DType::ALL[usize::from(*dtype) % DType::ALL.len()];
    let (dims, elements) = input.split_at_checked(usize::from(rank % 5))?;
    let shape: Shape = dims
        .iter()
        .map(|dim| DIMENSIONS[usize::from(dim % 8)])
        .collect();
    let count: usize = shape.iter().product();
    let values = match dtype.size_bytes() {
        Some(size) => {
            let bytes: Vec<u8> = elements
                .iter()
                .copied()
                .cycle()
                .take(count * size)
                .collect();
            Values::from_bytes(dtype, &bytes)?
        }
        None => {
            let parts = elements.split(|byte| *byte == 0).cycle();
            Values::String(parts.take(count).map(|part| part.to_vec().into()).collect())
        }
    };
    Tensor::new(shape, values).ok()
}

fn round_trip(tensor: &Tensor, name: &str) {
    let spec = |name: &str| TensorSpec {
        name: name.into(),
        tensor: name.into(),
        dtype: tensor.dtype(),
        shape: Some(tensor.shape().iter().map(|dim| Some(*dim)).collect()),
        any_shape: false,
    };
    let signature = Signature {
        name: "serving_default".into(),
        inputs: vec![spec(name)],
        outputs: vec![spec(name)],
    };
    let mut text = Vec::new();
    let outputs = std::slice::from_ref(tensor);
    if encode_predict(outputs, &signature, Format::Column, &mut text).is_err() {
        assert!(tensor.dtype().name().starts_with("complex"));
        return;
    }
    // An empty list says nothing of the dimensions behind it: only one level of it is mended.
    if tensor.values().is_empty() && tensor.shape().first() != Some(&0) {
        return;
    }
    let body = [b"{\"inputs\":", &text[b"{\"outputs\":".len()..]].concat();
    let decoded =
        decode_predict(&body, &[signature], JsonOptions::default()).expect("our own text");
    assert_eq!(decoded.inputs[0].shape(), tensor.shape());
    assert!(
        same(decoded.inputs[0].values(), tensor.values()),
        "{decoded:?}"
    );
}

fn same(left: &Values, right: &Values) -> bool {
    let floats = |left: &[f64], right: &[f64]| {
        let equal = |(left, right): (&f64, &f64)| {
            left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan()
        };
        left.len() == right.len() && left.iter().zip(right).all(equal)
    };
    let widen = |values: &Values| -> Option<Vec<f64>> {
        Some(match values {
            Values::Float64(values) => values.clone(),
            Values::Float32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Values::Float16(bits) => bits
                .iter()
                .map(|bits| half::f16::from_bits(*bits).to_f64())
                .collect(),
            Values::Bfloat16(bits) => bits
                .iter()
                .map(|bits| half::bf16::from_bits(*bits).to_f64())
                .collect(),
            _ => return None,
        })
    };
    match (widen(left), widen(right)) {
        (Some(left), Some(right)) => floats(&left, &right),
        _ => left == right,
    }
}

fuzz_target!(|input: &[u8]| {
    if let Some(tensor) = tensor(input) {
        round_trip(&tensor, "x");
        round_trip(&tensor, "x_bytes");
    }
});
