//! The lean codec against the prost oracle, on arbitrary tensors and on arbitrary fields.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use turnout_core::{DType, Shape, Tensor, Values};

use super::reference::{self, Entry, PredictRequest, PredictResponse, TensorProto, same};
use crate::grpc::wire::writer::{WireType, put_bytes, put_key, put_varint_field};
use crate::grpc::wire::{
    Answer, Carrier, Limit, PredictRequestView, TensorContent, TensorParts, TensorView,
    VersionField, decode_predict_response, encode_predict_request, encode_predict_response,
};

const LIMIT_BYTES: usize = 1 << 24;

fn limit(bytes: usize) -> Limit {
    Limit {
        bytes,
        setting: "limit",
    }
}

fn dtypes() -> impl Strategy<Value = DType> {
    prop::sample::select(DType::ALL.to_vec())
}

fn tensors() -> impl Strategy<Value = Tensor> {
    (dtypes(), prop::collection::vec(0usize..5, 0..4)).prop_flat_map(|(dtype, shape)| {
        let count = shape.iter().product::<usize>();
        let shape = Shape::from_vec(shape);
        let values = match dtype.size_bytes() {
            Some(size) => prop::collection::vec(any::<u8>(), count * size)
                .prop_map(move |bytes| Values::from_bytes(dtype, &bytes).expect("whole elements"))
                .boxed(),
            None => prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), count)
                .prop_map(|texts| Values::String(texts.into_iter().map(Bytes::from).collect()))
                .boxed(),
        };
        values.prop_map(move |values| Tensor::new(shape.clone(), values).expect("count agrees"))
    })
}

/// One field of a `TensorProto`, well or ill chosen.
#[derive(Clone, Debug)]
enum RawField {
    Varint(u32, u64),
    Fixed32(u32, f32),
    Fixed64(u32, f64),
    Bytes(u32, Vec<u8>),
    Shape(Vec<i64>),
}

impl RawField {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Varint(number, value) => put_varint_field(out, *number, *value),
            Self::Fixed32(number, value) => {
                crate::grpc::wire::writer::put_varint(out, u64::from(number << 3 | 5));
                out.extend(value.to_le_bytes());
            }
            Self::Fixed64(number, value) => {
                crate::grpc::wire::writer::put_varint(out, u64::from(number << 3 | 1));
                out.extend(value.to_le_bytes());
            }
            Self::Bytes(number, bytes) => put_bytes(out, *number, bytes),
            Self::Shape(sizes) => {
                let mut shape = Vec::new();
                for size in sizes {
                    let mut dim = Vec::new();
                    put_varint_field(&mut dim, 1, size.cast_unsigned());
                    put_bytes(&mut shape, 2, &dim);
                }
                put_bytes(out, 2, &shape);
            }
        }
    }
}

fn raw_fields() -> impl Strategy<Value = Vec<RawField>> {
    let data_type = prop_oneof![4 => 1u64..24, 1 => any::<u64>()]
        .prop_map(|number| RawField::Varint(1, number));
    let shape = prop::collection::vec(prop_oneof![9 => 0i64..6, 1 => any::<i64>()], 0..4)
        .prop_map(RawField::Shape);
    let varints = prop::sample::select(vec![7u32, 10, 11, 13, 16, 17, 3]);
    let field = prop_oneof![
        2 => data_type,
        2 => shape,
        3 => (varints.clone(), any::<u64>()).prop_map(|(number, value)| RawField::Varint(number, value)),
        3 => (prop::sample::select(vec![5u32, 9]), any::<f32>()).prop_map(|(number, value)| RawField::Fixed32(number, value)),
        3 => (prop::sample::select(vec![6u32, 12]), any::<f64>()).prop_map(|(number, value)| RawField::Fixed64(number, value)),
        4 => (1u32..19, prop::collection::vec(any::<u8>(), 0..24)).prop_map(|(number, bytes)| RawField::Bytes(number, bytes)),
        1 => (18u32..40, any::<u64>()).prop_map(|(number, value)| RawField::Varint(number, value)),
    ];
    prop::collection::vec(field, 0..8)
}

proptest! {
    #[test]
    fn fields_mean_what_the_oracle_says(fields in raw_fields()) {
        let mut bytes = Vec::new();
        for field in &fields {
            field.put(&mut bytes);
        }
        let message = Bytes::from(bytes);
        // prost refuses more than protobuf does (a known number with another wire type), so its errors say nothing.
        let Ok(proto) = TensorProto::decode(message.clone()) else { return Ok(()) };
        let mut view = TensorView::default();
        prop_assert_eq!(view.merge(&message), Ok(()));
        let limit_bytes = reference::MAX_ELEMENTS * 16;
        match (view.to_tensor("x", &message, limit(limit_bytes)), reference::tensor(&proto)) {
            (Ok(got), Some(expected)) => prop_assert!(same(&got, &expected), "got {:?}, expected {:?}", got, expected),
            (Ok(got), None) => prop_assert!(got.values().len() > reference::MAX_ELEMENTS, "got {:?}", got),
            (Err(error), Some(expected)) => {
                let large = expected.values().size_bytes() + expected.values().len() * 32 > limit_bytes;
                prop_assert!(large && error.code() == turnout_core::ErrorCode::RequestTooLarge, "{error}");
            }
            (Err(_), None) => {}
        }
    }

    #[test]
    fn responses_reach_both_readers(outputs in prop::collection::btree_map("[a-z]{0,3}", tensors(), 0..4), version in any::<u64>(), content in any::<bool>()) {
        let carrier = if content { Carrier::Content } else { Carrier::Typed };
        let named: Vec<(&str, &Tensor)> = outputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let answer = Answer { model: "model", version, signature: "serving_default", outputs: &named, carrier };
        let framed = encode_predict_response(&answer, 5);
        prop_assert_eq!(framed.capacity(), framed.len(), "sized exactly");
        let message = Bytes::from(framed).slice(5..);
        let proto = PredictResponse::decode(message.clone()).expect("valid");
        prop_assert_eq!(reference::map(&proto.outputs).len(), outputs.len());
        for (name, proto) in &reference::map(&proto.outputs) {
            let is_content = content && proto.dtype != 7 && !outputs[name].values().is_empty();
            prop_assert_eq!(!proto.tensor_content.is_empty(), is_content);
            prop_assert!(same(&reference::tensor(proto).expect("valid"), &outputs[name]));
        }
        let (got_version, got) = decode_predict_response(&message, LIMIT_BYTES).expect("valid");
        prop_assert_eq!(got_version, version.cast_signed());
        prop_assert_eq!(got.len(), outputs.len());
        for ((name, tensor), (expected_name, expected)) in got.iter().zip(&outputs) {
            prop_assert!(name == expected_name && same(tensor, expected));
        }
    }

    #[test]
    fn requests_reach_both_readers(
        inputs in prop::collection::btree_map("[a-z]{0,3}", tensors(), 0..4),
        version in any::<Option<i64>>(),
        signature in "[a-z]{0,3}",
    ) {
        let texts: Vec<Vec<&[u8]>> = inputs.values().map(|tensor| match tensor.values() {
            Values::String(strings) => strings.iter().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        }).collect();
        let parts: Vec<(&str, TensorParts<'_>)> = inputs.iter().zip(&texts).map(|((name, tensor), texts)| {
            let content = tensor.values().as_bytes().map_or(TensorContent::Strings(texts), TensorContent::Fixed);
            (name.as_str(), TensorParts { dtype: tensor.dtype(), shape: tensor.shape().into(), content })
        }).collect();
        let message = Bytes::from(encode_predict_request("model", version, &signature, &parts).expect("whole"));
        let view = PredictRequestView::read(&message).expect("valid");
        let spec = view.model_spec.expect("written");
        prop_assert_eq!((spec.name, spec.signature_name), ("model", signature.as_str()));
        prop_assert_eq!(spec.version, version.map_or(VersionField::None, VersionField::Number));
        prop_assert_eq!(view.inputs.len(), inputs.len());
        let proto = PredictRequest::decode(message.clone()).expect("valid");
        let protos = reference::map(&proto.inputs);
        for (name, tensor) in &view.inputs {
            let tensor = tensor.to_tensor(name, &message, limit(LIMIT_BYTES)).expect("whole");
            prop_assert!(same(&tensor, &inputs[*name]), "{:?}", tensor);
            prop_assert!(same(&tensor, &reference::tensor(&protos[*name]).expect("valid")));
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let message = Bytes::from(bytes);
        if let Ok(view) = PredictRequestView::read(&message) {
            for (name, tensor) in &view.inputs {
                let _ = tensor.to_tensor(name, &message, limit(1 << 16));
            }
        }
        let _ = decode_predict_response(&message, 1 << 16);
    }
}

#[test]
fn repeated_map_keys_and_filters_follow_protobuf() {
    let one = |value: f32| {
        let proto = TensorProto {
            dtype: 1,
            float_val: vec![value],
            ..TensorProto::default()
        };
        PredictRequest {
            inputs: vec![Entry {
                key: "x".to_owned(),
                value: Some(proto),
            }],
            ..PredictRequest::default()
        }
        .encode_to_vec()
    };
    let mut bytes = one(1.0);
    bytes.extend(one(2.0));
    put_key(&mut bytes, 3, WireType::Bytes);
    bytes.extend([1, b'y']);
    let message = Bytes::from(bytes);
    let view = PredictRequestView::read(&message).expect("valid");
    assert_eq!(
        (view.inputs.len(), view.output_filter.as_slice()),
        (1, ["y"].as_slice())
    );
    let tensor = view.inputs[0]
        .1
        .to_tensor("x", &message, limit(64))
        .expect("valid");
    assert_eq!(
        *tensor.values(),
        Values::Float32(vec![2.0]),
        "the last entry of a key counts"
    );
}

#[test]
fn the_client_refuses_data_that_is_not_of_its_shape() {
    let parts = |dtype, content| TensorParts {
        dtype,
        shape: Shape::from_slice(&[2]),
        content,
    };
    let cases = [
        (
            parts(DType::Float32, TensorContent::Fixed(&[0; 4])),
            "input `x` does not have the data of its shape [2]: got 4 bytes",
        ),
        (
            parts(DType::String, TensorContent::Strings(&[b"a"])),
            "input `x` does not have the data of its shape [2]: got 1 strings",
        ),
        (
            parts(DType::String, TensorContent::Fixed(&[0; 8])),
            "input `x` has data of another kind than its dtype: string",
        ),
    ];
    for (tensor, text) in cases {
        let error = encode_predict_request("m", None, "", &[("x", tensor)]).expect_err(text);
        assert_eq!(error.message(), text);
    }
}
