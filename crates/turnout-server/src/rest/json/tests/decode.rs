use bytes::Bytes;
use half::{bf16, f16};
use turnout_core::{DType, ErrorCode, Values};

use super::super::{JsonOptions, check_document, decode_predict};
use super::{one, signature, spec};

/// The values and shape of the first input, or the message.
pub(super) fn first(
    body: &str,
    signatures: &[turnout_core::Signature],
) -> Result<(Vec<usize>, Values), String> {
    let decoded = decode_predict(body.as_bytes(), signatures, JsonOptions::default());
    let tensor = decoded
        .map_err(|error| error.message().to_owned())?
        .inputs
        .swap_remove(0);
    let (shape, values) = tensor.into_parts();
    Ok((shape.to_vec(), values))
}

pub(super) fn refused(body: &str, signatures: &[turnout_core::Signature]) -> (ErrorCode, String) {
    let error =
        decode_predict(body.as_bytes(), signatures, JsonOptions::default()).expect_err(body);
    (error.code(), error.message().to_owned())
}

fn in_row(error: &str) -> String {
    format!("Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: {error}")
}

#[test]
fn each_dtype_takes_its_values() {
    let strings = |texts: &[&str]| {
        Values::String(
            texts
                .iter()
                .map(|text| Bytes::copy_from_slice(text.as_bytes()))
                .collect(),
        )
    };
    #[rustfmt::skip]
    let cases: Vec<(DType, &str, Values)> = vec![
        (DType::Float32, "1, 2.5, -3e2, 0.1, -0.0", Values::Float32(vec![1.0, 2.5, -300.0, 0.1, -0.0])),
        (DType::Float32, "16777217, 1e39, -1e39, 1e-50", Values::Float32(vec![16_777_216.0, f32::INFINITY, f32::NEG_INFINITY, 0.0])),
        (DType::Float32, "Infinity, -Infinity, Inf, -Inf", Values::Float32(vec![f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY, f32::NEG_INFINITY])),
        (DType::Float64, "1.7976931348623157e308, 5e-324, -0", Values::Float64(vec![f64::MAX, 5e-324, -0.0])),
        (DType::Float64, "0.1234567890123456789, 123456789012345678901234567890", Values::Float64(vec![0.123_456_789_012_345_68, 1.234_567_890_123_456_8e29])),
        (DType::Float16, "1.5, 65504, 1e9, 3", Values::Float16([1.5, 65504.0, f32::INFINITY, 3.0].map(|value| f16::from_f32(value).to_bits()).to_vec())),
        (DType::Bfloat16, "1.5, -2", Values::Bfloat16([1.5, -2.0].map(|value| bf16::from_f32(value).to_bits()).to_vec())),
        (DType::Int8, "-128, 127, -0", Values::Int8(vec![-128, 127, 0])),
        (DType::Int16, "-32768, 32767", Values::Int16(vec![i16::MIN, i16::MAX])),
        (DType::Int32, "-2147483648, 2147483647", Values::Int32(vec![i32::MIN, i32::MAX])),
        (DType::Int64, "-9223372036854775808, 9223372036854775807", Values::Int64(vec![i64::MIN, i64::MAX])),
        (DType::Uint8, "0, 255", Values::Uint8(vec![0, 255])),
        (DType::Uint16, "0, 65535", Values::Uint16(vec![0, u16::MAX])),
        (DType::Uint32, "0, 4294967295", Values::Uint32(vec![0, u32::MAX])),
        (DType::Uint64, "0, 18446744073709551615", Values::Uint64(vec![0, u64::MAX])),
        (DType::Bool, "true, false", Values::Bool(vec![true, false])),
        (DType::String, r#""a", "", "\u00e9\n", "\ud83d\ude00""#, strings(&["a", "", "é\n", "😀"])),
        (DType::String, r#"{"b64": "aGk="}, {"b64":"aGk"}, "x", {"b64": ""}"#, strings(&["hi", "hi", "x", ""])),
        (DType::String, r#"{"b64": "aG\nk="}, {"b64": " a\u000bGk "}, {"b64": "aGk."}, {"b64": "aGl="}"#, strings(&["hi"; 4])),
    ];
    for (dtype, list, want) in cases {
        for body in [
            format!("{{\"instances\": [{list}]}}"),
            format!("{{\"inputs\": [{list}]}}"),
        ] {
            let count = want.len();
            assert_eq!(
                first(&body, &one(dtype)),
                Ok((vec![count], want.clone())),
                "{dtype} {body}"
            );
        }
    }
}

#[test]
fn nan_is_taken_and_signs_of_zero_are_kept() {
    let (_, values) = first(
        r#"{"instances": [NaN, -NaN, -0.0, -0]}"#,
        &one(DType::Float32),
    )
    .expect("numbers");
    let Values::Float32(values) = values else {
        panic!("float32")
    };
    assert!(values[0].is_nan() && values[1].is_nan());
    assert!(values[2].is_sign_negative() && values[3].is_sign_negative());
}

#[test]
fn each_dtype_refuses_the_others() {
    #[rustfmt::skip]
    let cases = [
        (DType::Float32, r#""x""#, "String", "float"),
        (DType::Float32, "true", "True", "float"),
        (DType::Float32, "null", "Null", "float"),
        (DType::Float64, "false", "False", "double"),
        (DType::Float32, r#"{"b64": "aGk="}"#, "Object", "float"),
        (DType::Float16, r#""x""#, "String", "half"),
        (DType::Int32, "1.0", "Number", "int32"),
        (DType::Int32, "1e2", "Number", "int32"),
        (DType::Int32, "2147483648", "Number", "int32"),
        (DType::Int32, "NaN", "Number", "int32"),
        (DType::Int8, "128", "Number", "int8"),
        (DType::Uint8, "300", "Number", "uint8"),
        (DType::Uint8, "-1", "Number", "uint8"),
        (DType::Int16, "-32769", "Number", "int16"),
        (DType::Uint16, "65536", "Number", "uint16"),
        (DType::Int64, "9223372036854775808", "Number", "int64"),
        (DType::Uint64, "18446744073709551616", "Number", "uint64"),
        (DType::Uint64, "123456789012345678901234567890123456789012345", "Number", "uint64"),
        (DType::Bool, "1", "Number", "bool"),
        (DType::Bool, "0", "Number", "bool"),
        (DType::String, "1", "Number", "string"),
        (DType::String, "null", "Null", "string"),
    ];
    for (dtype, value, kind, name) in cases {
        let message = format!("JSON Value: {value} Type: {kind} is not of expected type: {name}");
        let column = refused(&format!("{{\"inputs\": [{value}]}}"), &one(dtype));
        assert_eq!(
            column,
            (ErrorCode::InvalidInput, message.clone()),
            "{dtype} {value}"
        );
        let row = refused(&format!("{{\"instances\": [{value}]}}"), &one(dtype));
        assert_eq!(
            row,
            (ErrorCode::InvalidInput, in_row(&message)),
            "{dtype} {value}"
        );
    }
}

#[test]
fn complex_inputs_are_unsupported_in_columns_and_invalid_in_rows() {
    let text = "Conversion of JSON Value: 1 to type: complex64";
    assert_eq!(
        refused(r#"{"inputs": [1]}"#, &one(DType::Complex64)),
        (ErrorCode::Unsupported, text.into())
    );
    let row =
        format!("Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED: {text}");
    assert_eq!(
        refused(r#"{"instances": [1]}"#, &one(DType::Complex64)),
        (ErrorCode::InvalidInput, row)
    );
}

#[test]
fn base64_must_be_base64() {
    let string = one(DType::String);
    assert_eq!(
        refused(r#"{"inputs": [{"b64": "a*"}]}"#, &string).1,
        "Unable to base64 decode"
    );
    let extra = r#"{"b64": "aGk=", "more": 1}"#;
    let message = format!("JSON Value: {extra} not formatted correctly for base64 data");
    assert_eq!(
        refused(&format!("{{\"inputs\": [{extra}]}}"), &string).1,
        message
    );
    assert_eq!(
        refused(r#"{"inputs": [{"b64": 1}]}"#, &string).1,
        r#"JSON Value: {"b64": 1} not formatted correctly for base64 data"#
    );
    // A scalar, nested and as the first element.
    assert_eq!(
        first(r#"{"inputs": {"b64": "aGk="}}"#, &string)
            .expect("scalar")
            .0,
        Vec::<usize>::new()
    );
    assert_eq!(
        first(r#"{"instances": [[{"b64": "aGk="}]]}"#, &string)
            .expect("nested")
            .0,
        [1, 1]
    );
}

#[test]
fn the_signature_may_come_before_or_after_the_tensors() {
    let signatures = vec![
        signature(
            "serving_default",
            vec![spec("x", DType::Float32, None)],
            vec![],
        ),
        signature("other", vec![spec("y", DType::Int64, None)], vec![]),
        signature("none", vec![], vec![]),
    ];
    #[rustfmt::skip]
    let cases = [
        (r#"{"instances": [1]}"#, 0, Values::Float32(vec![1.0])),
        (r#"{"signature_name": "", "instances": [1]}"#, 0, Values::Float32(vec![1.0])),
        (r#"{"signature_name": "serving_default", "instances": [1.5]}"#, 0, Values::Float32(vec![1.5])),
        (r#"{"signature_name": "other", "instances": [1]}"#, 1, Values::Int64(vec![1])),
        (r#"{"instances": [1], "signature_name": "other"}"#, 1, Values::Int64(vec![1])),
        (r#"{"instances": [9223372036854775807], "signature_name": "oth\u0065r"}"#, 1, Values::Int64(vec![i64::MAX])),
        (r#"{"inputs": {"y": [1]}, "signature_name": "other"}"#, 1, Values::Int64(vec![1])),
        (r#"{"signature_name": "other", "instances": [1], "signature_name": "none"}"#, 1, Values::Int64(vec![1])),
        (r#"{"instances": [1], "instances": "x", "\u0069nputs_": [{}], "other": null}"#, 0, Values::Float32(vec![1.0])),
    ];
    for (body, index, want) in cases {
        let decoded =
            decode_predict(body.as_bytes(), &signatures, JsonOptions::default()).expect(body);
        assert_eq!(
            (decoded.signature, decoded.inputs[0].values()),
            (index, &want),
            "{body}"
        );
    }
    let unknown = refused(
        r#"{"instances": ["x"], "signature_name": "q"}"#,
        &signatures,
    );
    assert_eq!(
        unknown,
        (
            ErrorCode::SignatureNotFound,
            "Serving signature name: \"q\" not found in signature def".into()
        )
    );
    let no_inputs = refused(
        r#"{"instances": [1], "signature_name": "none"}"#,
        &signatures,
    )
    .1;
    assert_eq!(no_inputs, "Failed to get input map for signature: none");
}

#[test]
fn documents_that_are_not_predict_requests() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"instances": []}"#, r#"JSON Value: {"instances": []} No values in 'instances' array"#),
        (r#"{"instances": 1}"#, r#"JSON Value: {"instances": 1} Expecting 'instances' to be an list/array"#),
        (r#"{"instances": {"x": 1}}"#, r#"JSON Value: {"instances": {"x": 1}} Expecting 'instances' to be an list/array"#),
        (r#"{"instances": [1], "inputs": [1]}"#, r#"JSON Value: {"instances": [1], "inputs": [1]} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "#),
        ("{}", "Missing 'inputs' or 'instances' key"),
        (r#"{"x": 1}"#, "Missing 'inputs' or 'instances' key"),
        ("[1]", "JSON Value: [1] Is not object"),
        ("17", "JSON Value: 17 Is not object"),
        ("", "JSON Parse error: The document is empty"),
        (" \n", "JSON Parse error: The document is empty. at offset: 2"),
        (" ]", "JSON Parse error: The document is empty. at offset: 1"),
        (r#"{"signature_name": 1}"#, r#"JSON Value: {"signature_name": 1} not formatted correctly. 'signature_name' key must be a string value."#),
    ];
    for (body, message) in cases {
        assert_eq!(
            refused(body, &one(DType::Float32)),
            (ErrorCode::MalformedRequest, message.into()),
            "{body}"
        );
    }
    let long = format!("{{\"signature_name\": [{}]}}", "1, ".repeat(1000) + "1");
    let message = refused(&long, &one(DType::Float32)).1;
    assert!(
        message.len() < 400 && message.contains("... not formatted correctly"),
        "{message}"
    );
}

#[test]
fn faults_come_in_the_order_of_the_protocol() {
    // Syntax before content, the name's type before the signature, the signature before the tensors.
    assert!(
        refused(
            r#"{"instances": ["x"], "signature_name": 1, oops"#,
            &one(DType::Float32)
        )
        .1
        .starts_with("JSON Parse error")
    );
    assert!(
        refused(
            r#"{"instances": ["x"], "signature_name": 1}"#,
            &one(DType::Float32)
        )
        .1
        .contains("must be a string")
    );
    assert_eq!(
        refused(
            r#"{"instances": ["x"], "signature_name": "q"}"#,
            &one(DType::Float32)
        )
        .0,
        ErrorCode::SignatureNotFound
    );
    assert_eq!(
        check_document(b"{\"instances\": [1]", JsonOptions::default())
            .expect_err("cut")
            .code(),
        ErrorCode::MalformedRequest
    );
    check_document(
        b"{\"instances\": [\"x\"], \"signature_name\": \"q\"}",
        JsonOptions::default(),
    )
    .expect("no model to ask");
}
