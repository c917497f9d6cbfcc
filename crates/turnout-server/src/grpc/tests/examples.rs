//! Classify, Regress and `MultiInference` over a connection: time, size, and what runs together.

use std::collections::BTreeMap;

use bytes::Bytes;
use turnout_core::{ErrorCode, Tensor, Values};
use turnout_engine::fake::{FakeRecord, column_signature};

use super::*;
use crate::grpc::wire::reader::{Reader, Value};
use crate::grpc::wire::writer::put_bytes;
use crate::grpc::wire::{FeatureValues, encode_example};

const CLASSIFY: &str = "/tensorflow.serving.PredictionService/Classify";
const REGRESS: &str = "/tensorflow.serving.PredictionService/Regress";
const MULTI: &str = "/tensorflow.serving.PredictionService/MultiInference";

fn field(number: u32, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, message);
    out
}

/// An `Input` with an Example for each value of `x`.
fn input(values: &[f32]) -> Vec<u8> {
    let example = |value: &f32| {
        let features = BTreeMap::from([("x".to_owned(), FeatureValues::Floats(vec![*value]))]);
        field(1, &encode_example(&features))
    };
    let list: Vec<u8> = values.iter().flat_map(example).collect();
    field(1, &list)
}

fn spec(signature: &str) -> Vec<u8> {
    [field(1, b"m"), field(3, signature.as_bytes())].concat()
}

/// A request of Classify or Regress.
fn examples(values: &[f32]) -> Bytes {
    [field(1, &spec("")), field(2, &input(values))]
        .concat()
        .into()
}

/// A request for both signatures of [`two_signatures`].
fn both(values: &[f32]) -> Bytes {
    let task = |signature: &str, method: &str| {
        let task = [field(1, &spec(signature)), field(2, method.as_bytes())].concat();
        field(1, &task)
    };
    [
        task("", "tensorflow/serving/regress"),
        task("negated", "tensorflow/serving/classify"),
        field(2, &input(values)),
    ]
    .concat()
    .into()
}

/// The fields of a message that are messages themselves, by number.
fn fields(message: &[u8]) -> Vec<(u32, &[u8])> {
    let mut reader = Reader::new(message);
    let mut fields = Vec::new();
    while let Some((number, value)) = reader.field().expect("valid") {
        if let Value::Bytes(bytes) = value {
            fields.push((number, bytes));
        }
    }
    fields
}

/// The values of a `RegressionResult`.
fn regressions(result: &[u8]) -> Vec<f32> {
    let value = |(_, regression): (u32, &[u8])| {
        let mut reader = Reader::new(regression);
        match reader.field().expect("valid") {
            Some((1, Value::Fixed32(bytes))) => f32::from_le_bytes(bytes),
            _ => 0.0,
        }
    };
    fields(result).into_iter().map(value).collect()
}

#[test]
fn deadlines_are_kept_and_broken_messages_refused() {
    let (model, release) = gated();
    with(
        testing::settings(),
        model,
        EXECUTOR_US,
        async move |service| {
            let mut client = Client::connect(&service).await;
            for (path, message) in [(CLASSIFY, examples(&[1.0])), (REGRESS, examples(&[1.0]))] {
                let answer = client
                    .call_with(path, &[("grpc-timeout", "30m")], &message)
                    .await;
                let text = "the deadline passed before there was an answer";
                assert_eq!(answer.failure(), ("4", "deadline_exceeded", text), "{path}");
                let answer = client.call(path, b"\x0a\xff").await;
                let code = ErrorCode::MalformedRequest.slug();
                assert_eq!(answer.failure().1, code, "{path}");
            }
            let answer = client.call(MULTI, b"\x0a\xff").await;
            assert_eq!(answer.failure().0, "3");
            drop(release);
        },
    );
}

#[test]
fn requests_beyond_the_offload_limit_and_the_windows_come_back_whole() {
    with_model(async |service| {
        let mut client = Client::with_windows(&service, client::Windows(20_000)).await;
        let values: Vec<f32> = (1..=20_000u16).map(f32::from).collect();
        let message = examples(&values);
        assert!(message.len() > service.settings().offload_bytes);
        let answer = client.call(REGRESS, &message).await;
        let message = answer.message();
        let [(1, result), (2, spec)] = fields(message)[..] else {
            panic!("a result and a spec");
        };
        let doubled: Vec<f32> = values.iter().map(|value| value * 2.0).collect();
        assert_eq!(regressions(result), doubled);
        let version = field(2, b"\x08\x01");
        let named = [field(1, b"m"), version, field(3, b"serving_default")].concat();
        assert_eq!(spec, named);
    });
}

#[test]
fn a_request_over_the_limit_of_decoded_bytes_is_refused_and_gives_back_its_room() {
    let settings = Settings {
        max_body_bytes: 1 << 10,
        ..testing::settings()
    };
    with(settings, doubling(), INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        // 64 Examples that say nothing, and a context of 60 bytes for each.
        let context = BTreeMap::from([("x".to_owned(), FeatureValues::Floats(vec![1.0]))]);
        let mut list = field(2, &encode_example(&context));
        list.extend(field(1, b"").repeat(300));
        let message = [field(1, &spec("")), field(2, &field(2, &list))].concat();
        let answer = client.call(REGRESS, &message).await;
        assert_eq!(answer.failure().0, "8");
        let answer = client.call(REGRESS, &examples(&[4.0])).await;
        assert_eq!(regressions(fields(answer.message())[0].1), [8.0]);
    });
}

/// `serving_default` doubles, `negated` does not.
fn two_signatures(record: &Arc<FakeRecord>) -> FakeModel {
    let negated = turnout_core::Signature {
        name: "negated".to_owned(),
        ..column_signature()
    };
    FakeModel::new(record)
        .with_signatures(vec![column_signature(), negated])
        .with_behaviour(|signature, inputs| {
            let factor = if signature == 0 { 2.0 } else { -1.0 };
            let change = |input: Tensor| {
                let (shape, values) = input.into_parts();
                let Values::Float32(values) = values else {
                    return Err(turnout_core::Error::internal("dtype"));
                };
                let values = values.iter().map(|value| value * factor).collect();
                Tensor::new(shape, Values::Float32(values))
            };
            inputs.into_iter().map(change).collect()
        })
}

#[test]
fn signatures_that_run_together_are_answered_in_order_and_never_merged_with_others() {
    let record = Arc::default();
    let model = two_signatures(&record);
    with(testing::settings(), model, INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        let mut calls = Vec::new();
        for value in [1.0, 2.0, 3.0] {
            let mut call = client.open(MULTI, &[]).await;
            call.send(client::frame(&both(&[value, value])), true);
            calls.push((value, call));
        }
        for (value, call) in calls {
            let answer = call.answer().await;
            let message = answer.message();
            let results = fields(message);
            let [(1, first), (1, second)] = results[..] else {
                panic!("two results");
            };
            let [(1, _), (3, regression)] = fields(first)[..] else {
                panic!("a spec and a regression");
            };
            assert_eq!(regressions(regression), [value * 2.0; 2]);
            let [(1, _), (2, classification)] = fields(second)[..] else {
                panic!("a spec and a classification");
            };
            let class = [
                field(1, b"0"),
                b"\x15".to_vec(),
                (-value).to_le_bytes().to_vec(),
            ]
            .concat();
            let row = field(1, &field(1, &class));
            assert_eq!(classification, row.repeat(2));
        }
    });
    assert_eq!(record.rows(), [2; 6], "two calls each, of two rows");
}

#[test]
fn an_engine_that_parses_gets_the_examples_as_they_came() {
    let text = |name: &str, dtype| turnout_core::TensorSpec {
        name: name.to_owned(),
        dtype,
        any_shape: true,
        ..column_signature().inputs[0].clone()
    };
    let signature = turnout_core::Signature {
        inputs: vec![text("inputs", DType::String)],
        outputs: vec![text("classes", DType::String)],
        ..column_signature()
    };
    let model = FakeModel::new(&Arc::default())
        .with_signatures(vec![signature])
        .with_example_parser()
        .with_behaviour(|_, inputs| {
            let Values::String(values) = inputs[0].values() else {
                return Err(turnout_core::Error::internal("dtype"));
            };
            let shape = Shape::from_slice(&[values.len(), 1]);
            Ok(vec![Tensor::new(shape, Values::String(values.clone()))?])
        });
    with(testing::settings(), model, INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        // Not even Examples: nobody looks into them.
        let list = [
            field(1, b"a"),
            field(2, b"all-"),
            field(1, b"b"),
            field(2, b"of-"),
        ]
        .concat();
        let message = [field(1, &spec("")), field(2, &field(2, &list))].concat();
        let answer = client.call(CLASSIFY, &message).await;
        let row = |label: &[u8]| field(1, &field(1, &field(1, label)));
        let want = [row(b"all-of-a"), row(b"all-of-b")].concat();
        assert_eq!(fields(answer.message())[0], (1, want.as_slice()));
    });
}
