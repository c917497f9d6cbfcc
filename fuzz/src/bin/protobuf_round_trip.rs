//! Any tensor as an input and as an output: what is written is read back bit for bit.
//!
//! The first byte chooses the element type, the second the rank, then one byte for each dimension; the rest are elements.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use turnout_core::{DType, Shape, Tensor, Values};
use turnout_server::grpc::wire::{
    Answer, Carrier, RequestedVersion, TensorContent, TensorParts, decode_predict_request,
    decode_predict_response, encode_predict_request, encode_predict_response,
};

/// Keeps most tensors small and some of them empty.
const DIMENSIONS: [usize; 8] = [1, 2, 0, 3, 1, 5, 2, 17];

const LIMIT_BYTES: usize = 1 << 30;

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
    if elements.is_empty() && count > 0 {
        return None;
    }
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
            Values::String(parts.take(count).map(Bytes::copy_from_slice).collect())
        }
    };
    Tensor::new(shape, values).ok()
}

/// Equal to the last bit.
fn same(left: &Tensor, right: &Tensor) -> bool {
    let texts = |tensor: &Tensor| match tensor.values() {
        Values::String(texts) => texts.clone(),
        _ => Vec::new(),
    };
    left.shape() == right.shape()
        && left.dtype() == right.dtype()
        && left.values().as_bytes() == right.values().as_bytes()
        && texts(left) == texts(right)
}

fn as_request(tensor: &Tensor) {
    let texts: Vec<&[u8]> = match tensor.values() {
        Values::String(texts) => texts.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    let bytes = tensor.values().as_bytes();
    let parts = TensorParts {
        dtype: tensor.dtype(),
        shape: tensor.shape().into(),
        content: bytes.map_or(TensorContent::Strings(&texts), TensorContent::Fixed),
    };
    let encoded = encode_predict_request("m", Some(-3), "s", &[("x", parts)]).expect("whole");
    let decoded = decode_predict_request(&encoded.into(), LIMIT_BYTES).expect("our own bytes");
    assert_eq!(
        (decoded.model.as_str(), decoded.signature.as_str()),
        ("m", "s")
    );
    assert_eq!(decoded.version, RequestedVersion::Number(-3));
    assert!(
        same(&decoded.inputs[0].1, tensor),
        "{:?} {tensor:?}",
        decoded.inputs
    );
}

fn as_response(tensor: &Tensor) {
    for carrier in [Carrier::Typed, Carrier::Content] {
        let answer = Answer {
            model: "m",
            version: 7,
            signature: "s",
            outputs: &[("a", tensor), ("b", tensor)],
            carrier,
        };
        let encoded = Bytes::from(encode_predict_response(&answer, 5)).slice(5..);
        let (version, outputs) =
            decode_predict_response(&encoded, LIMIT_BYTES).expect("our own bytes");
        assert_eq!((version, outputs.len()), (7, 2));
        assert!(
            outputs.iter().all(|(_, output)| same(output, tensor)),
            "{outputs:?} {tensor:?}"
        );
    }
}

fuzz_target!(|input: &[u8]| {
    if let Some(tensor) = tensor(input) {
        as_request(&tensor);
        as_response(&tensor);
    }
});
