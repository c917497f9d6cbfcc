use std::collections::BTreeMap;

use bytes::Bytes;
use turnout_core::{DType, Result, Shape, Signature, Tensor, TensorSpec, Values};

use crate::examples::{Method, Plan};
use crate::grpc::wire::{FeatureValues, InputView, decode_example};
use crate::rest::json::{JsonOptions, decode_examples, encode_results};

const STRICT: JsonOptions = JsonOptions { strict: true };

type Features = BTreeMap<String, FeatureValues>;

fn read(body: &str) -> Result<(String, Vec<Features>, Features)> {
    let document = decode_examples(body.as_bytes(), STRICT)?;
    let view = InputView::of_list(&document.list)?;
    let decode = |bytes: &[u8]| decode_example(&Bytes::copy_from_slice(bytes));
    let examples = view.examples().map(decode).collect::<Result<_>>()?;
    Ok((document.signature_name, examples, decode(&view.context())?))
}

fn features<const N: usize>(features: [(&str, FeatureValues); N]) -> Features {
    let named = features.into_iter();
    named
        .map(|(name, values)| (name.to_owned(), values))
        .collect()
}

fn bytes(values: &[&'static [u8]]) -> FeatureValues {
    FeatureValues::Bytes(
        values
            .iter()
            .map(|value| Bytes::from_static(value))
            .collect(),
    )
}

#[test]
fn the_first_value_of_a_feature_decides_what_it_holds() {
    let floats = |values: &[f32]| FeatureValues::Floats(values.to_vec());
    let ints = |values: &[i64]| FeatureValues::Int64s(values.to_vec());
    let cases = [
        ("1", ints(&[1])),
        ("[1, -2]", ints(&[1, -2])),
        ("9223372036854775807", ints(&[i64::MAX])),
        ("-9223372036854775808", ints(&[i64::MIN])),
        ("[true, false, 3]", ints(&[1, 0, 3])),
        ("2.0", floats(&[2.0])),
        ("[1e2, -0.5]", floats(&[100.0, -0.5])),
        (
            "[1e39, -Infinity]",
            floats(&[f32::INFINITY, f32::NEG_INFINITY]),
        ),
        // Beyond every integer, a number is a float to this protocol's parser.
        (
            "18446744073709551616",
            floats(&[18_446_744_073_709_551_616.0]),
        ),
        ("\"a\\u00e9\"", bytes(&["a\u{e9}".as_bytes()])),
        (
            "[\"a\", {\"b64\": \"/w==\"}, \"\"]",
            bytes(&[b"a", b"\xff", b""]),
        ),
        ("[]", FeatureValues::None),
    ];
    for (value, want) in cases {
        let body = format!("{{\"examples\": [{{\"f\": {value}}}]}}");
        let (_, examples, _) = read(&body).expect(value);
        assert_eq!(examples, [features([("f", want)])], "{value}");
    }
}

#[test]
fn keys_come_in_any_order_and_the_first_of_two_counts() {
    let body = "\u{feff}{\"x\": [{}], \"examples\": [{\"a\": 1, \"a\": 2, \"b\": []}, {}], \"examples\": 3, \
        \"context\": {\"c\": \"d\"}, \"context\": 1, \"signature_name\": \"s\\u0074\", \"signature_name\": 2} ";
    let (name, examples, context) = read(body).expect("valid");
    let first = features([
        ("a", FeatureValues::Int64s(vec![2])),
        ("b", FeatureValues::None),
    ]);
    assert_eq!(
        (name.as_str(), examples),
        ("st", vec![first, Features::new()])
    );
    assert_eq!(context, features([("c", bytes(&[b"d"]))]));
}

#[test]
fn syntax_goes_before_everything_that_is_said() {
    let cases = [
        (
            "{\"examples\": 1, \"context\": ]}",
            "JSON Parse error: Invalid value. at offset: 27",
        ),
        (
            "{\"examples\": [{\"a\": nul}]}",
            "JSON Parse error: Invalid value. at offset: 23",
        ),
        (
            "{\"examples\": [{\"a\": f}], \"signature_name\": 1}",
            "JSON Parse error: Invalid value. at offset: 21",
        ),
        (
            "{\"examples\": [], \"context\": 1}",
            "Example must be JSON object but got JSON Number",
        ),
    ];
    for (body, want) in cases {
        assert_eq!(read(body).expect_err(body).message(), want, "{body}");
    }
    let trailing = decode_examples(b"{\"examples\": [{}]} x", JsonOptions { strict: false });
    assert!(trailing.is_ok());
}

#[test]
fn results_are_lists_of_pairs_or_values() {
    let tensor =
        |shape: &[usize], values| Tensor::new(Shape::from_slice(shape), values).expect("as many");
    let spec = |name: &str, dtype| TensorSpec {
        name: name.to_owned(),
        tensor: name.to_owned(),
        dtype,
        shape: None,
        any_shape: false,
    };
    let labels = [&b"a\"\xff"[..], b"-3", b"", b"b"].map(Bytes::from_static);
    let table = [
        tensor(&[2, 2], Values::String(labels.to_vec())),
        tensor(&[2, 2], Values::Float32(vec![0.25, 1.0, f32::NAN, 3e-9])),
    ];
    let values = [tensor(&[2], Values::Float32(vec![3.0, f32::INFINITY]))];
    let classes = vec![
        spec("classes", DType::String),
        spec("scores", DType::Float32),
    ];
    let outputs = vec![spec("outputs", DType::Float32)];
    let cases: [(_, _, &[Tensor], &[u8]); 2] = [
        (
            Method::Classify,
            classes,
            &table,
            b"{\"results\":[[[\"a\\\"\xff\",0.25],[\"-3\",1.0]],[[\"\",NaN],[\"b\",3e-9]]]}",
        ),
        (
            Method::Regress,
            outputs,
            &values,
            b"{\"results\":[3.0,Infinity]}",
        ),
    ];
    for (method, outputs, tensors, want) in cases {
        let signature = Signature {
            name: "s".to_owned(),
            inputs: vec![spec("x", DType::Float32)],
            outputs,
        };
        let plan = Plan::new(method, &signature, false).expect("found");
        let mut out = Vec::new();
        encode_results(&plan.results(tensors, 2).expect("they fit"), &mut out);
        assert_eq!(out, want, "{}", String::from_utf8_lossy(&out));
    }
}
