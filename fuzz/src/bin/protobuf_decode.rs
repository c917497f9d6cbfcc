//! Any bytes as a message of Predict: never a panic, never more memory than allowed, and about every message that prost
//! can read the opinion of prost.
//!
//! The first byte chooses between a request and a response; the rest is the message.
#![no_main]

#[path = "../../../crates/turnout-server/src/grpc/wire/tests/reference.rs"]
mod reference;

use std::collections::BTreeMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use prost::Message;
use turnout_core::{ErrorCode, Result, Tensor};
use turnout_server::grpc::wire::{
    PredictRequest, RequestedVersion, decode_predict_request, decode_predict_response,
};

/// More than any tensor of the oracle takes, string handles and repeated strings among it.
const LIMIT_BYTES: usize = 1 << 20;

/// The same tensors by name, unless one side refuses them for its own limit.
fn check_tensors(got: &[(String, Tensor)], expected: &BTreeMap<String, reference::TensorProto>) {
    assert_eq!(got.len(), expected.len());
    for ((name, tensor), (expected_name, proto)) in got.iter().zip(expected) {
        assert_eq!(name, expected_name);
        match reference::tensor(proto) {
            Some(expected) => assert!(
                reference::same(tensor, &expected),
                "{tensor:?} {expected:?}"
            ),
            None => assert!(
                tensor.values().len() > reference::MAX_ELEMENTS,
                "{tensor:?}"
            ),
        }
    }
}

/// A refusal is right where the oracle refuses a tensor too, or where memory would not do.
fn check_refusal(code: ErrorCode, expected: &BTreeMap<String, reference::TensorProto>) {
    let whole = expected
        .values()
        .all(|proto| reference::tensor(proto).is_some());
    assert!(!whole || code == ErrorCode::RequestTooLarge, "{code:?}");
}

fn check_request(decoded: Result<PredictRequest>, oracle: &reference::PredictRequest) {
    let expected = reference::map(&oracle.inputs);
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return check_refusal(error.code(), &expected),
    };
    check_tensors(&decoded.inputs, &expected);
    let spec = oracle.model_spec.clone().unwrap_or_default();
    let version = match spec.version_choice {
        None => RequestedVersion::Default,
        Some(reference::VersionChoice::Version(version)) => RequestedVersion::Number(version.value),
        Some(reference::VersionChoice::VersionLabel(label)) => RequestedVersion::Label(label),
    };
    assert_eq!((decoded.model, decoded.version), (spec.name, version));
    assert_eq!(decoded.signature, spec.signature_name);
    assert_eq!(decoded.output_filter, oracle.output_filter);
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, message)) = input.split_first() else {
        return;
    };
    let message = Bytes::copy_from_slice(message);
    if kind & 1 == 0 {
        let decoded = decode_predict_request(&message, LIMIT_BYTES);
        if let Ok(oracle) = reference::PredictRequest::decode(message) {
            check_request(decoded, &oracle);
        }
        return;
    }
    let decoded = decode_predict_response(&message, LIMIT_BYTES);
    if let Ok(oracle) = reference::PredictResponse::decode(message) {
        let expected = reference::map(&oracle.outputs);
        match decoded {
            Ok((_, outputs)) => check_tensors(&outputs, &expected),
            Err(error) => check_refusal(error.code(), &expected),
        }
    }
});
