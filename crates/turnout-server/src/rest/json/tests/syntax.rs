use turnout_core::DType;

use super::super::{JsonOptions, check_document, decode_predict};
use super::{STRICT, one, two};

fn message(body: &[u8]) -> String {
    decode_predict(body, &one(DType::Float32), STRICT)
        .expect_err("malformed")
        .message()
        .to_owned()
}

#[test]
fn syntax_errors_have_the_words_and_offsets_that_clients_know() {
    #[rustfmt::skip]
    let cases: &[(&[u8], &str, usize)] = &[
        (b"{", "Missing a name for object member.", 1),
        (b"{1: 2}", "Missing a name for object member.", 1),
        (b"{\"a\" 1}", "Missing a colon after a name of object member.", 5),
        (b"{\"a\": 1 \"b\"}", "Missing a comma or } after an object member.", 8),
        (b"{\"a\": 1,}", "Missing a name for object member.", 8),
        (b"{\"instances\": [1 2]}", "Missing a comma or ] after an array element.", 17),
        (b"{\"instances\": [1,]}", "Invalid value.", 17),
        (b"{\"instances\": [,]}", "Invalid value.", 15),
        (b"{\"instances\": [1", "Missing a comma or ] after an array element.", 16),
        (b"{\"instances\": [01]}", "Missing a comma or ] after an array element.", 16),
        (b"{\"instances\": [+1]}", "Invalid value.", 15),
        (b"{\"instances\": [.5]}", "Invalid value.", 15),
        (b"{\"instances\": [-]}", "Invalid value.", 16),
        (b"{\"instances\": [nul]}", "Invalid value.", 18),
        (b"{\"instances\": [Na]}", "Invalid value.", 17),
        (b"{\"instances\": [-Infini]}", "Invalid value.", 22),
        (b"{\"instances\": [1.]}", "Miss fraction part in number.", 17),
        (b"{\"instances\": [1e]}", "Miss exponent in number.", 17),
        (b"{\"instances\": [1e400]}", "Number too big to be stored in double.", 15),
        (b"{\"a\": \"x", "Missing a closing quotation mark in string.", 8),
        (b"{\"a\": \"x\ny\"}", "Invalid encoding in string.", 8),
        (b"{\"a\": \"\\x\"}", "Invalid escape character in string.", 7),
        (b"{\"a\": \"\\u12g4\"}", "Incorrect hex digit after \\u escape in string.", 7),
        (b"{\"a\": \"\\ud800\"}", "The surrogate pair in string is invalid.", 7),
        (b"{\"a\": \"\\ud800\\u0041\"}", "The surrogate pair in string is invalid.", 7),
        (b"{\"a\": \"\\udc00\"}", "The surrogate pair in string is invalid.", 7),
        (b"{\"instances\": [1]} x", "The document root must not be followed by other values.", 19),
    ];
    for (body, what, offset) in cases {
        assert_eq!(
            message(body),
            format!("JSON Parse error: {what} at offset: {offset}"),
            "{}",
            body.escape_ascii()
        );
    }
}

#[test]
fn what_the_protocol_lets_pass_is_refused_only_where_reading_is_strict() {
    let document = "the document has a key that is unknown or comes twice:";
    let input = "input is unknown or comes twice in 'inputs' object:";
    #[rustfmt::skip]
    let cases = [
        (r#"{"inputs": {"a": 1, "b": 2}} {"and": more"#, "JSON Parse error: The document root must not be followed by other values. at offset: 29".to_owned()),
        (r#"{"inputs": {"a": 1, "b": 2}, "signature-name": "x"}"#, format!("{document} `signature-name`")),
        (r#"{"inputs": {"a": 1, "b": 2}, "inputs": 1}"#, format!("{document} `inputs`")),
        (r#"{"inputs": {"a": 1, "b": 2, "c": 3}}"#, format!("{input} c")),
        (r#"{"inputs": {"a": 1, "b": 2, "a": 3}}"#, format!("{input} a")),
    ];
    for (body, message) in cases {
        decode_predict(body.as_bytes(), &two(), JsonOptions::default()).expect(body);
        let error = decode_predict(body.as_bytes(), &two(), STRICT).expect_err(body);
        assert_eq!(error.message(), message, "{body}");
    }
    check_document(br#"{"x": 1}"#, JsonOptions::default()).expect("ignored");
    check_document(br#"{"x": 1}"#, STRICT).expect_err("refused");
    check_document(br#"{"inputs": 1, "signature_name": "x"}"#, STRICT).expect("in order");
}

#[test]
fn numbers_beyond_a_double_are_infinite_or_too_big() {
    #[rustfmt::skip]
    let cases: [(&str, Option<f64>); 12] = [
        ("1.7976931348623157e308", Some(f64::MAX)), ("1.8e308", Some(f64::INFINITY)), ("-9e308", Some(f64::NEG_INFINITY)),
        ("1000e308", Some(f64::INFINITY)), ("0.009e311", Some(f64::INFINITY)), ("0.0001e311", Some(1e307)),
        ("1e309", None), ("-1e400", None), ("0.01e311", None), ("1e99999999999", None), ("1e-99999999999", Some(0.0)),
        ("0e-5", Some(0.0)),
    ];
    let long = format!("1{}", "0".repeat(308));
    let longer = format!("1{}.5", "0".repeat(309));
    let longest = format!("1{}e5", "0".repeat(309));
    let cases = cases
        .into_iter()
        .chain([(&*long, Some(1e308)), (&longer, None), (&longest, None)]);
    for (text, want) in cases {
        let body = format!("{{\"inputs\": {text}}}");
        let got = decode_predict(
            body.as_bytes(),
            &one(DType::Float64),
            JsonOptions::default(),
        );
        let got = got.map(|decoded| decoded.inputs[0].values().clone()).ok();
        assert_eq!(
            got,
            want.map(|want| turnout_core::Values::Float64(vec![want])),
            "{text}"
        );
        let ignored = format!("{{\"x\": {text}}}");
        assert_eq!(
            check_document(ignored.as_bytes(), JsonOptions::default()).is_ok(),
            want.is_some(),
            "{text}"
        );
    }
}

#[test]
fn half_a_million_levels_cost_no_stack() {
    const DEPTH: usize = 500_000;
    let lists = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
    let objects = "{\"a\":".repeat(DEPTH) + "1" + &"}".repeat(DEPTH);
    for deep in [&lists, &objects] {
        let ignored = format!("{{\"ignored\": {deep}, \"instances\": [1]}}");
        assert!(
            decode_predict(
                ignored.as_bytes(),
                &one(DType::Float32),
                JsonOptions::default()
            )
            .is_ok()
        );
        for key in ["instances", "inputs"] {
            for dtype in [DType::Float32, DType::String] {
                let body = format!("{{\"{key}\": [{deep}]}}");
                let error = decode_predict(body.as_bytes(), &one(dtype), JsonOptions::default())
                    .expect_err("too deep");
                assert!(error.message().len() < 1000);
            }
        }
        let open = &deep[..deep.len() / 2];
        assert!(
            check_document(
                format!("{{\"inputs\": {open}").as_bytes(),
                JsonOptions::default()
            )
            .is_err()
        );
    }
}

#[test]
fn bytes_that_are_not_utf_8_stay_as_they_are_in_strings() {
    let decoded = decode_predict(
        b"{\"instances\": [\"\xff\xfe\"]}",
        &one(DType::String),
        JsonOptions::default(),
    );
    let decoded = decoded.expect("a string");
    let turnout_core::Values::String(values) = decoded.inputs[0].values() else {
        panic!("strings")
    };
    assert_eq!(values[0].as_ref(), b"\xff\xfe");
}
