//! Whole connections over a pipe in memory: an HTTP/2 client on one end, a fake model behind the other.

mod client;
mod examples;
mod failures;
mod framing;
mod lifecycle;
mod predict;
mod streams;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use turnout_core::snapshot::Settings;
use turnout_core::{DType, Shape};
use turnout_engine::fake::FakeModel;

use self::client::{Answer, Client};
use super::wire::{TensorContent, TensorParts, encode_predict_request};
use crate::service::Service;
use crate::testing::{self, Bench};

const PREDICT: &str = "/tensorflow.serving.PredictionService/Predict";
const METADATA: &str = "/tensorflow.serving.PredictionService/GetModelMetadata";
const STATUS: &str = "/tensorflow.serving.ModelService/GetModelStatus";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// Predicted times of models that run on the loop, and on an executor thread.
const INLINE_US: f32 = 1.0;
const EXECUTOR_US: f32 = 5_000.0;

/// Runs `test` with the service of a published model `m` that doubles `x`.
fn with_model(test: impl AsyncFnOnce(Service)) {
    with(testing::settings(), doubling(), INLINE_US, test);
}

/// As [`with_model`], with other settings and another model; `row_us` is how long it is predicted to take.
fn with(settings: Settings, model: FakeModel, row_us: f32, test: impl AsyncFnOnce(Service)) {
    let bench = Bench::with_settings(settings);
    let servable = bench.servable(model, true, 256, row_us);
    bench.publish(&servable);
    drop(servable);
    bench.run(async |service| {
        test(service.clone()).await;
        let used_bytes = async || service.budget().used_bytes() == 0;
        assert!(
            within_a_second(used_bytes).await,
            "all permits are given back"
        );
    });
    bench.end();
}

/// Looks again and again whether `done`.
async fn within_a_second(done: impl AsyncFn() -> bool) -> bool {
    for _ in 0..200 {
        if done().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

fn doubling() -> FakeModel {
    FakeModel::new(&Arc::default())
}

/// A model that answers once for every message that is sent, and the way to send them.
fn gated() -> (FakeModel, mpsc::Sender<()>) {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let model = FakeModel::new(&Arc::default()).with_behaviour(move |_, inputs| {
        // A sender that is gone lets everything pass, so that the threads can end.
        let _ = gate.lock().expect("no panic").recv();
        Ok(inputs)
    });
    (model, release)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A request for model `m` with one column of floats.
fn column(values: &[f32]) -> Bytes {
    request("m", None, "", &[("x", values)])
}

fn request(
    model: &str,
    version: Option<i64>,
    signature: &str,
    columns: &[(&str, &[f32])],
) -> Bytes {
    let contents: Vec<Vec<u8>> = columns.iter().map(|(_, values)| floats(values)).collect();
    let inputs: Vec<_> = columns
        .iter()
        .zip(&contents)
        .map(|((name, values), content)| {
            let parts = TensorParts {
                dtype: DType::Float32,
                shape: Shape::from_slice(&[values.len(), 1]),
                content: TensorContent::Fixed(content),
            };
            (*name, parts)
        })
        .collect();
    let message = encode_predict_request(model, version, signature, &inputs);
    message.expect("shapes agree").into()
}
