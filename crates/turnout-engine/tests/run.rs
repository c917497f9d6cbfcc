//! Real models in the real runtime: what goes in and what comes out.

mod common;

use common::{floats, load, run, strings, tensor};
use turnout_core::{DType, ErrorCode, Tensor, Values};

#[test]
fn a_linear_model_computes() {
    let input = floats(&[2, 4], &[1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(
        run("linear", [input]),
        [floats(&[2, 3], &[-2.0, -0.5, 1.0, -2.0, 1.0, 4.0])]
    );
}

/// Six values of each dtype, among them the ends of its range and what is not a number.
fn extremes() -> Vec<Values> {
    vec![
        Values::Bool(vec![true, false, true, true, false, false]),
        Values::Int8(vec![i8::MIN, -1, 0, 1, 2, i8::MAX]),
        Values::Int16(vec![i16::MIN, -1, 0, 1, 2, i16::MAX]),
        Values::Int32(vec![i32::MIN, -1, 0, 1, 2, i32::MAX]),
        Values::Int64(vec![i64::MIN, -1, 0, 1, 2, i64::MAX]),
        Values::Uint8(vec![0, 1, 2, 3, 4, u8::MAX]),
        Values::Uint16(vec![0, 1, 2, 3, 4, u16::MAX]),
        Values::Uint32(vec![0, 1, 2, 3, 4, u32::MAX]),
        Values::Uint64(vec![0, 1, 2, 3, 4, u64::MAX]),
        // 1, -0, infinity, not a number with a payload, the least subnormal, the largest.
        Values::Float16(vec![0x3C00, 0x8000, 0x7C00, 0x7E01, 0x0001, 0x7BFF]),
        Values::Bfloat16(vec![0x3F80, 0x8000, 0x7F80, 0x7FC1, 0x0001, 0x7F7F]),
        Values::Float32(vec![
            f32::MIN,
            -0.0,
            f32::INFINITY,
            f32::NAN,
            f32::MIN_POSITIVE / 2.0,
            f32::MAX,
        ]),
        Values::Float64(vec![
            f64::MIN,
            -0.0,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::MIN_POSITIVE / 2.0,
            f64::MAX,
        ]),
    ]
}

#[test]
fn every_fixed_dtype_comes_back_bit_for_bit() {
    for values in extremes() {
        let (dtype, want) = (
            values.dtype(),
            values.as_bytes().expect("fixed size").to_vec(),
        );
        let answer = run(&format!("identity_{dtype}"), [tensor(&[2, 3], values)]);
        assert_eq!(
            (answer[0].dtype(), answer[0].shape()),
            (dtype, [2, 3].as_slice())
        );
        assert_eq!(
            answer[0].values().as_bytes(),
            Some(want.as_slice()),
            "{dtype}"
        );
    }
}

#[test]
fn strings_come_back_whatever_bytes_they_are() {
    let long = vec![b'x'; 100_000];
    let values: [&[u8]; 6] = [
        b"",
        b"a",
        b"zero\0inside",
        "\u{fc}".as_bytes(),
        b"\xFF\xFE",
        &long,
    ];
    let input = strings(&[2, 3], &values);
    assert_eq!(run("identity_string", [input.clone()]), [input]);
}

#[test]
fn strings_are_computed_with() {
    assert_eq!(
        run("exclaim", [strings(&[2], &[b"stop", b""])]),
        [strings(&[2], &[b"stop!", b"!"])]
    );
}

#[test]
fn no_rows_are_a_batch_too() {
    for dtype in DType::ALL {
        if matches!(dtype, DType::Complex64 | DType::Complex128) {
            continue;
        }
        let input = tensor(&[0, 3], Values::with_capacity(dtype, 0));
        assert_eq!(
            run(&format!("identity_{dtype}"), [input.clone()]),
            [input],
            "{dtype}"
        );
    }
    assert_eq!(
        run("linear", [floats(&[0, 4], &[])]),
        [floats(&[0, 3], &[])]
    );
    assert_eq!(run("exclaim", [strings(&[0], &[])]), [strings(&[0], &[])]);
}

#[test]
fn shapes_vary_from_scalars_to_rank_eight() {
    assert_eq!(
        run("scalar", [floats(&[], &[41.0])]),
        [floats(&[], &[42.0])]
    );
    assert_eq!(
        run("unknown_rank", [floats(&[], &[1.0])]),
        [floats(&[], &[-1.0])]
    );
    assert_eq!(
        run("unknown_rank", [floats(&[1, 2, 1], &[1.0, 2.0])]),
        [floats(&[1, 2, 1], &[-1.0, -2.0])]
    );
    let reversed = run(
        "rank8",
        [tensor(
            &[1, 2, 1, 1, 3, 1, 1, 1],
            Values::Int32((0..6).collect()),
        )],
    );
    let want = tensor(
        &[1, 1, 1, 3, 1, 1, 2, 1],
        Values::Int32(vec![0, 3, 1, 4, 2, 5]),
    );
    assert_eq!(reversed, [want]);
}

#[test]
fn several_inputs_of_varying_sizes_meet() {
    let answer = run(
        "product",
        [
            floats(&[1, 2], &[3.0, 4.0]),
            floats(&[2, 2], &[1.0, 0.0, 0.0, 2.0]),
        ],
    );
    assert_eq!(answer, [floats(&[1, 2], &[3.0, 8.0])]);
    let empty_sum = run("product", [floats(&[2, 0], &[]), floats(&[0, 1], &[])]);
    assert_eq!(empty_sum, [floats(&[2, 1], &[0.0, 0.0])]);
}

#[test]
fn several_outputs_come_in_the_signatures_order() {
    let answer = run(
        "two_heads",
        [floats(&[2, 4], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0])],
    );
    assert_eq!(
        (answer[0].dtype(), answer[0].shape()),
        (DType::Int64, [2].as_slice())
    );
    assert_eq!(
        (answer[1].dtype(), answer[1].shape()),
        (DType::Float32, [2, 3].as_slice())
    );
}

#[test]
fn a_failing_call_says_why_and_harms_no_other() {
    let model = load("lookup");
    let index = |index| vec![tensor(&[1], Values::Int64(vec![index]))];
    let error = model.run(0, index(9)).expect_err("out of range");
    assert_eq!(error.code(), ErrorCode::ExecutionFailed);
    let words = error.message();
    assert!(
        words.starts_with("the model failed on these inputs: "),
        "{words}"
    );
    assert!(
        words.contains("idx=9 must be within the inclusive range [-4,3]"),
        "{words}"
    );
    assert_eq!(
        model.run(0, index(3)).expect("runs"),
        [floats(&[1], &[13.0])]
    );
}

#[test]
fn a_failing_call_shows_no_source_positions() {
    let model = load("product");
    let error = model.run(
        0,
        vec![
            floats(&[1, 2], &[1.0, 2.0]),
            floats(&[3, 1], &[1.0, 2.0, 3.0]),
        ],
    );
    let error = error.expect_err("2 is not 3");
    assert!(
        error.message().ends_with("MatMul dimension mismatch"),
        "{}",
        error.message()
    );
}

#[test]
fn what_no_signature_would_let_pass_is_refused_and_not_undefined() {
    let model = load("linear");
    let cases: [(Vec<Tensor>, ErrorCode); 5] = [
        (vec![], ErrorCode::Internal),
        (vec![floats(&[4], &[0.0; 4])], ErrorCode::ExecutionFailed),
        (vec![floats(&[1, 5], &[0.0; 5])], ErrorCode::ExecutionFailed),
        (
            vec![tensor(&[1, 4], Values::Int64(vec![0; 4]))],
            ErrorCode::ExecutionFailed,
        ),
        (
            vec![tensor(&[1, 4], Values::Complex64(vec![[0.0; 2]; 4]))],
            ErrorCode::Unsupported,
        ),
    ];
    for (inputs, code) in cases {
        assert_eq!(model.run(0, inputs).expect_err("does not fit").code(), code);
    }
    assert_eq!(
        model.run(7, vec![]).expect_err("no such signature").code(),
        ErrorCode::Internal
    );
}

#[test]
fn a_declared_output_shape_is_only_a_hint() {
    let model = load("lying");
    assert_eq!(
        model.signatures()[0].outputs[0].shape,
        Some(vec![Some(1), Some(1)])
    );
    for _ in 0..1_000 {
        let answer = model
            .run(0, vec![floats(&[3, 2], &[0.0, 0.0, 1.0, 0.0, 0.5, 0.0])])
            .expect("runs");
        assert_eq!(answer, [floats(&[3, 1], &[-1.0, 1.0, -1.0])]);
    }
    // ONNX Runtime warns of it at every call.
    let lines = common::LINES.lock().expect("not poisoned");
    let warnings = lines
        .iter()
        .filter(|(_, line)| line.contains("{1,1} does not match actual shape of {3,1}"));
    assert!((1..=3).contains(&warnings.count()), "{lines:?}");
}
