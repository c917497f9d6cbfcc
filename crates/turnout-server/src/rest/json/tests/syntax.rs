use turnout_core::DType;

use super::super::{JsonOptions, check_document, decode_predict};
use super::one;

fn message(body: &[u8]) -> String {
    decode_predict(body, &one(DType::Float32), JsonOptions::default())
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
        (b"{\"instances\": [nul]}", "Invalid value.", 15),
        (b"{\"instances\": [1.]}", "Miss fraction part in number.", 17),
        (b"{\"instances\": [1e]}", "Miss exponent in number.", 17),
        (b"{\"instances\": [1e400]}", "Number too big to be stored in double.", 15),
        (b"{\"a\": \"x", "Missing a closing quotation mark in string.", 8),
        (b"{\"a\": \"x\ny\"}", "Invalid encoding in string.", 8),
        (b"{\"a\": \"\\x\"}", "Invalid escape character in string.", 8),
        (b"{\"a\": \"\\u12g4\"}", "Incorrect hex digit after \\u escape in string.", 9),
        (b"{\"a\": \"\\ud800\"}", "The surrogate pair in string is invalid.", 13),
        (b"{\"a\": \"\\ud800\\u0041\"}", "The surrogate pair in string is invalid.", 19),
        (b"{\"a\": \"\\udc00\"}", "The surrogate pair in string is invalid.", 13),
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
fn what_follows_the_document_is_ignored_only_on_request() {
    let body = b"{\"instances\": [1]} {\"and\": more";
    assert!(decode_predict(body, &one(DType::Float32), JsonOptions::default()).is_err());
    assert!(
        decode_predict(
            body,
            &one(DType::Float32),
            JsonOptions {
                ignore_trailing: true
            }
        )
        .is_ok()
    );
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
