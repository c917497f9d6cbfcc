//! Any bytes as a predict request: always an answer, about JSON the opinion of `serde_json`, and what was read is written
//! and read back as the same.
//!
//! The first byte chooses the element type; the rest is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout_core::{DType, ErrorCode, Signature, TensorSpec};
use turnout_server::rest::json::{
    DecodedPredict, Format, JsonOptions, decode_predict, encode_predict,
};

/// More brackets than this may be nested too deeply for `serde_json`, which is recursive.
const BRACKETS_OF_THE_ORACLE: usize = 100;

fn signatures(dtype: DType) -> Vec<Signature> {
    let spec = |name: &str, dtype| TensorSpec {
        name: name.into(),
        tensor: name.into(),
        dtype,
        shape: None,
        any_shape: false,
    };
    let one = vec![spec("x", dtype)];
    let two = vec![spec("a", dtype), spec("b_bytes", DType::String)];
    let signature = |name: &str, specs: Vec<TensorSpec>| Signature {
        name: name.into(),
        inputs: specs.clone(),
        outputs: specs,
    };
    vec![signature("serving_default", one), signature("two", two)]
}

/// Whether `body` is JSON to the oracle, where it can tell.
fn oracle(body: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(body).ok()?;
    let brackets = text.matches(['[', '{']).count();
    let extensions = ["NaN", "Inf", "\u{feff}"];
    if brackets > BRACKETS_OF_THE_ORACLE || extensions.iter().any(|word| text.contains(word)) {
        return None;
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Some(true),
        // Such a number is refused only where it is converted.
        Err(error) if error.to_string().contains("out of range") => None,
        Err(_) => Some(false),
    }
}

fn columns(decoded: &DecodedPredict, signature: &Signature) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    encode_predict(&decoded.inputs, signature, Format::Column, &mut text).ok()?;
    Some(text)
}

fn check_read(decoded: &DecodedPredict, signatures: &[Signature]) {
    let signature = &signatures[decoded.signature];
    assert_eq!(decoded.inputs.len(), signature.inputs.len());
    let Some(text) = columns(decoded, signature) else {
        assert!(
            decoded
                .inputs
                .iter()
                .any(|tensor| tensor.dtype().name().starts_with("complex"))
        );
        return;
    };
    let inputs = &text[b"{\"outputs\":".len()..text.len() - 1];
    let name = serde_json::to_vec(&signature.name).expect("text");
    let request = [
        b"{\"signature_name\":",
        &name[..],
        b",\"inputs\":",
        inputs,
        b"}",
    ]
    .concat();
    let again = decode_predict(&request, signatures, JsonOptions::default()).expect("our own text");
    assert_eq!(columns(&again, signature), Some(text));
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else {
        return;
    };
    let signatures = signatures(DType::ALL[usize::from(*choice) % DType::ALL.len()]);
    let strict = JsonOptions { strict: true };
    let result = decode_predict(body, &signatures, strict);
    let is_json = match &result {
        Ok(decoded) => {
            check_read(decoded, &signatures);
            true
        }
        Err(error) => {
            assert!(
                error.message().len() < 4096,
                "a message that repeats too much"
            );
            assert_ne!(error.code(), ErrorCode::Internal);
            !error.message().starts_with("JSON Parse error")
        }
    };
    if let Some(expected) = oracle(body)
        && !result
            .as_ref()
            .is_err_and(|error| error.message().contains("Number too big"))
    {
        assert_eq!(is_json, expected, "{result:?}");
    }
    let lenient = decode_predict(body, &signatures, JsonOptions::default());
    assert!(
        lenient.is_ok() || result.is_err(),
        "more was refused than without the option"
    );
});
