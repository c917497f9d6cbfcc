use turnout_core::{DType, Values};

use super::super::{Format, JsonOptions, decode_predict};
use super::decode::{first, refused};
use super::{one, signature, spec, two};

#[test]
fn shapes_come_from_the_nesting() {
    #[rustfmt::skip]
    let cases: &[(&str, &[usize])] = &[
        (r#"{"inputs": 3.0}"#, &[]),
        (r#"{"inputs": []}"#, &[0]),
        (r#"{"inputs": [[]]}"#, &[1, 0]),
        (r#"{"inputs": [[], []]}"#, &[2, 0]),
        (r#"{"inputs": [[[1, 2]], [[3, 4]], [[5, 6]]]}"#, &[3, 1, 2]),
        (r#"{"inputs": {"x": [1]}}"#, &[1]),
        (r#"{"inputs": {"other": {"deep": [1]}, "x": [1, 2]}}"#, &[2]),
        (r#"{"inputs": {"x": [1], "x": [1, 2]}}"#, &[1]),
        (r#"{"instances": [1]}"#, &[1]),
        (r#"{"instances": [[]]}"#, &[1, 0]),
        (r#"{"instances": [[1, 2], [3, 4], [5, 6]]}"#, &[3, 2]),
        (r#"{"instances": [{"x": [1, 2]}, {"x": [3, 4]}]}"#, &[2, 2]),
        (r#"{"instances": [{"x": 1}]}"#, &[1]),
        (r#"{"inputs": [[[[[[[[1]]]]]]]]}"#, &[1; 8]),
        (" \r\n\t{ \"instances\" : [ [ 1 , 2 ] ] } \n", &[1, 2]),
        ("\u{feff}{\"instances\": [1]}", &[1]),
    ];
    for (body, shape) in cases {
        assert_eq!(
            first(body, &one(DType::Float32))
                .map(|(shape, _)| shape)
                .as_deref(),
            Ok(*shape),
            "{body}"
        );
    }
}

#[test]
fn ragged_and_misplaced_values_are_named() {
    #[rustfmt::skip]
    let columns = [
        ("[[1, 2], [3]]", "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ("[[1], []]", "Encountered list at unexpected size: 0 at level: 1 expected size: 1"),
        ("[[], [1]]", "Encountered list at unexpected size: 1 at level: 1 expected size: 0"),
        ("[1, [2]]", "Encountered list at unexpected level: 1 expected < 1"),
        ("[[1], 2]", "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ("[[[[[[[[[1]]]]]]]]]", "too many nested lists: expected at most 8 levels"),
    ];
    for (value, message) in columns {
        assert_eq!(
            refused(&format!("{{\"inputs\": {value}}}"), &one(DType::Float32)).1,
            message,
            "{value}"
        );
    }
    #[rustfmt::skip]
    let rows = [
        ("[[1, 2], [3]]", 1, "Expecting tensor size: 2 but got: 1"),
        ("[[1, 2], 3]", 1, "Expecting tensor size: 2 but got: 1"),
        ("[[[1, 2]], [[3], [4]]]", 1, "Expecting shape [1,2] but got: [2,1]"),
        ("[[1, [2]]]", 0, "Encountered list at unexpected level: 1 expected < 1"),
        ("[1, \"a\"]", 1, "JSON Value: \"a\" Type: String is not of expected type: float"),
    ];
    for (value, row, message) in rows {
        let want = format!(
            "Failed to process element: {row} of 'instances' list. Error: INVALID_ARGUMENT: {message}"
        );
        assert_eq!(
            refused(&format!("{{\"instances\": {value}}}"), &one(DType::Float32)).1,
            want,
            "{value}"
        );
    }
}

#[test]
fn named_rows_have_exactly_the_inputs() {
    let body = r#"{"instances": [{"a": 1, "b": [2, 3]}, {"b": [4, 5], "a": 6}]}"#;
    let decoded =
        decode_predict(body.as_bytes(), &two(), JsonOptions::default()).expect("two rows");
    assert_eq!(decoded.inputs[0].values(), &Values::Float32(vec![1.0, 6.0]));
    assert_eq!(
        (decoded.inputs[1].shape(), decoded.inputs[1].values()),
        (&[2, 2][..], &Values::Int64(vec![2, 3, 4, 5]))
    );
    let key = |key: &str, error: &str| {
        format!(
            "Failed to process element: 0 key: {key} of 'instances' list. Error: INVALID_ARGUMENT: {error}"
        )
    };
    let keys = |row: &str| {
        format!(
            "Failed to process element: 0 of 'instances' list. JSON object: {row} keys must be equal to: a,b"
        )
    };
    #[rustfmt::skip]
    let cases = [
        (r#"[{"a": 1}]"#, keys(r#"{"a": 1}"#)),
        ("[{}]", keys("{}")),
        (r#"[{"a": 1, "b": 2, "c": 3}]"#, key("c", "JSON object: does not have named input: c")),
        (r#"[{"a": 1, "a": 1}]"#, key("a", "JSON object: repeats this key")),
        (r#"[{"a": "x", "b": 1}]"#, key("a", "JSON Value: \"x\" Type: String is not of expected type: float")),
        (r#"[{"a": 1, "b": 2}, [1]]"#, "Expecting object but got list at item 1 of input list".into()),
        (r#"[{"a": 1, "b": 2}, {"b64": "aGk="}]"#, "Expecting object but got list at item 1 of input list".into()),
        ("[1]", "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map".into()),
    ];
    for (value, message) in cases {
        assert_eq!(
            refused(&format!("{{\"instances\": {value}}}"), &two()).1,
            message,
            "{value}"
        );
    }
    let mixed = refused(r#"{"instances": [1, {"x": 1}]}"#, &one(DType::Float32)).1;
    assert_eq!(
        mixed,
        "Expecting value/list but got object at item 1 of input list"
    );
}

#[test]
fn columns_need_all_inputs_and_ignore_others() {
    let body = r#"{"inputs": {"b": 7, "z": [[[]]], "a": [[1.5]]}}"#;
    let decoded = decode_predict(body.as_bytes(), &two(), JsonOptions::default()).expect("both");
    assert_eq!(decoded.format, Format::Column);
    assert_eq!(
        (decoded.inputs[0].shape(), decoded.inputs[1].shape()),
        (&[1, 1][..], &[][..])
    );
    assert_eq!(
        refused(r#"{"inputs": {"a": 1}}"#, &two()).1,
        "Missing named input: b in 'inputs' object."
    );
    let plain = "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map";
    assert_eq!(refused(r#"{"inputs": [1]}"#, &two()).1, plain);
}

/// Body, dimensions of the signature, and the tensor's shape or the message.
type Case<'a> = (&'a str, &'a [Option<usize>], Result<&'a [usize], &'a str>);

#[test]
fn shapes_are_mended_or_refused_by_the_signature() {
    let x = |dims: &[Option<usize>]| {
        vec![signature(
            "serving_default",
            vec![spec("x", DType::Float32, Some(dims))],
            vec![],
        )]
    };
    #[rustfmt::skip]
    let cases: &[Case] = &[
        (r#"{"instances": [1, 2]}"#, &[None, Some(1)], Ok(&[2, 1])),
        (r#"{"inputs": []}"#, &[None, Some(4)], Ok(&[0, 4])),
        (r#"{"inputs": {"x": []}}"#, &[None, None], Ok(&[0, 0])),
        (r#"{"instances": [[1, 2]]}"#, &[None, Some(3)], Err("input `x` has the wrong shape: got [1, 2], expected [?, 3]")),
    ];
    for (body, dims, want) in cases {
        let got = first(body, &x(dims)).map(|(shape, _)| shape);
        assert_eq!(got.as_deref().map_err(String::as_str), *want, "{body}");
    }
}
