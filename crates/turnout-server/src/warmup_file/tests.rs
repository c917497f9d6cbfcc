use std::sync::Arc;

use turnout_core::tfrecord::put_record;
use turnout_core::{DType, ErrorCode, Shape, Tensor};
use turnout_engine::fake::{FakeModel, FakeRecord};

use super::*;
use crate::grpc::wire::writer::put_message;
use crate::grpc::wire::{TensorContent, TensorParts, encode_predict_request};

/// A call of the column model with as many rows, by whatever model's name and signature.
fn request(input: &str, rows: usize, signature: &str) -> Vec<u8> {
    let bytes = vec![0; rows * 4];
    let parts = TensorParts {
        dtype: DType::Float32,
        shape: Shape::from_slice(&[rows, 1]),
        content: TensorContent::Fixed(&bytes),
    };
    encode_predict_request("another", Some(9), signature, &[(input, parts)]).expect("whole")
}

fn record(kind_field: u32, request: &[u8]) -> Vec<u8> {
    let mut log = Vec::new();
    put_message(&mut log, kind_field, |kind| {
        put_message(kind, 1, |out| out.extend_from_slice(request));
    });
    log
}

fn file(records: &[Vec<u8>]) -> Bytes {
    let mut out = Vec::new();
    for data in records {
        put_record(&mut out, data);
    }
    out.into()
}

struct Outcome {
    result: Result<Option<String>>,
    /// Rows of each call of the model.
    rows: Vec<usize>,
}

fn run_with(model: &FakeModel, made: &FakeRecord, iterations: u32, file: &Bytes) -> Outcome {
    let wanted = AtomicBool::new(true);
    let run = WarmupRun {
        model,
        iterations,
        limit_bytes: 100,
        wanted: &wanted,
    };
    Outcome {
        result: run.records(file, Path::new("/v/warm")),
        rows: made.rows(),
    }
}

fn run(iterations: u32, file: &Bytes) -> Outcome {
    let made = Arc::default();
    run_with(&FakeModel::new(&made), &made, iterations, file)
}

#[test]
fn every_record_is_run_as_often_as_asked_in_the_order_of_the_file() {
    let records = [3, 1, 2].map(|rows| record(6, &request("x", rows, "serving_default")));
    let Outcome { result, rows } = run(2, &file(&records));
    assert_eq!(result.expect("runs"), None);
    assert_eq!(rows, [3, 3, 1, 1, 2, 2]);
}

#[test]
fn an_empty_file_and_an_empty_signature_name_are_fine() {
    assert!(run(1, &Bytes::new()).result.is_ok());
    let unnamed = run(1, &file(&[record(6, &request("x", 1, ""))]));
    assert!(unnamed.result.is_ok());
    assert_eq!(unnamed.rows, [1]);
}

#[test]
fn kinds_of_other_calls_are_left_out_and_said_or_refused() {
    let predict = record(6, &request("x", 1, ""));
    let mixed = [
        record(2, b""),
        predict.clone(),
        record(4, b""),
        record(2, b""),
    ];
    let Outcome { result, rows } = run(1, &file(&mixed));
    let said = result.expect("runs").expect("something was left out");
    assert_eq!(
        said,
        "warm-up records were left out, which cannot be run yet: 2 of `classify_log`, 1 of `multi_inference_log`: `/v/warm`"
    );
    assert_eq!(rows, [1]);
    for (other, name) in [
        (record(5, b""), "session_run_log"),
        (record(7, b""), "predict_streamed_log"),
        (Vec::new(), "no known one"),
    ] {
        let error = run(1, &file(&[predict.clone(), other]))
            .result
            .expect_err(name);
        assert_eq!(error.code(), ErrorCode::Unsupported);
        let text = format!(
            "warm-up record 1 of `/v/warm` failed: Unsupported log_type for warmup: {name}; expected `predict_log`"
        );
        assert_eq!(error.message(), text);
    }
}

#[test]
fn a_record_that_does_not_fit_fails_the_load_with_its_number() {
    let good = record(6, &request("x", 1, ""));
    let cases = [
        (record(6, &request("z", 1, "")), "Signature input alias: x"),
        (
            record(6, &request("x", 1, "no")),
            "Serving signature key \"no\" not found.",
        ),
        (record(6, b""), "input size does not match signature: 0!=1"),
        (record(6, b"\xff"), "the message is not valid protobuf"),
        (vec![0xff], "the message is not valid protobuf"),
        (record(6, &request("x", 26, "")), "(`max_body_bytes`)"),
    ];
    for (bad, text) in cases {
        let error = run(1, &file(&[good.clone(), bad])).result.expect_err(text);
        assert_eq!(error.code(), ErrorCode::ArtifactInvalid, "{text}");
        let begin = "warm-up record 1 of `/v/warm` failed: ";
        assert!(error.message().starts_with(begin), "{}", error.message());
        assert!(error.message().contains(text), "{}", error.message());
        assert!(
            error
                .hint()
                .expect("a remedy")
                .contains("warmup_iterations")
        );
    }
}

#[test]
fn a_model_that_fails_on_a_record_is_not_loaded() {
    let made = Arc::default();
    let fail = |_, _: Vec<Tensor>| Err(Error::execution_failed("division by zero"));
    let model = FakeModel::new(&made).with_behaviour(fail);
    let outcome = run_with(&model, &made, 1, &file(&[record(6, &request("x", 1, ""))]));
    let error = outcome.result.expect_err("fails");
    assert_eq!(error.code(), ErrorCode::LoadFailed);
    assert_eq!(
        error.message(),
        "warm-up record 0 of `/v/warm` failed: division by zero"
    );
}

#[test]
fn a_broken_file_is_refused_before_anything_is_run() {
    let whole = file(&[
        record(6, &request("x", 1, "")),
        record(6, &request("x", 2, "")),
    ]);
    let mut corrupted = whole.to_vec();
    *corrupted.last_mut().expect("some") ^= 1;
    for (bytes, fault) in [
        (corrupted, "corrupted record at "),
        (whole[..whole.len() - 1].to_vec(), "truncated record at "),
        (
            b"{\"instances\": [[1.0]]}".to_vec(),
            "corrupted record at 0",
        ),
        (b"text".to_vec(), "truncated record at 0"),
    ] {
        let Outcome { result, rows } = run(1, &bytes.into());
        let error = result.expect_err(fault);
        assert_eq!(error.code(), ErrorCode::ArtifactInvalid);
        assert!(error.message().starts_with(fault), "{}", error.message());
        let end = " of `/v/warm`. Please verify your warmup data is in TFRecord format.";
        assert!(error.message().ends_with(end), "{}", error.message());
        assert!(rows.is_empty());
    }
}

#[test]
fn a_thousand_records_are_run_and_one_more_is_too_many() {
    let records = vec![record(6, &request("x", 1, "")); MAX_RECORDS + 1];
    assert_eq!(run(1, &file(&records[1..])).rows.len(), MAX_RECORDS);
    let Outcome { result, rows } = run(1, &file(&records));
    assert_eq!(
        result.expect_err("too many").message(),
        "Number of warmup records exceeds the maximum (1000) at /v/warm"
    );
    assert!(rows.is_empty());
}

#[test]
fn a_load_that_is_given_up_runs_nothing_more() {
    let wanted = Arc::new(AtomicBool::new(true));
    let (made, flag) = (Arc::default(), Arc::clone(&wanted));
    let model = FakeModel::new(&made).with_behaviour(move |_, inputs| {
        flag.store(false, Ordering::Release);
        Ok(inputs)
    });
    let run = WarmupRun {
        model: &model,
        iterations: 50,
        limit_bytes: 100,
        wanted: &wanted,
    };
    let error = run
        .records(
            &file(&[record(6, &request("x", 1, ""))]),
            Path::new("/v/warm"),
        )
        .expect_err("is given up");
    assert!(error.message().ends_with("the load was given up"));
    assert_eq!(made.rows(), [1]);
}
