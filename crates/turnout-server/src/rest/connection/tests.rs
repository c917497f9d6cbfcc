//! Whole connections over a pipe in memory, against a fake model that doubles its input.

mod bodies;
mod client;
mod ending;
mod examples;
mod limits;
mod pages;
mod predict;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use turnout_core::snapshot::Settings;
use turnout_engine::fake::{FakeModel, FakeRecord};

use self::client::{Client, Reply};
use crate::service::Service;
use crate::testing::{self, Bench};

const PREDICT: &str = "/v1/models/m:predict";
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
        // All permits are given back, if not at once: what was given up may still run.
        let returned = async {
            while service.budget().used_bytes() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), returned)
            .await
            .expect("no permit is lost");
    });
    bench.end();
}

fn doubling() -> FakeModel {
    FakeModel::new(&Arc::default())
}

/// A model that answers once for every message that is sent, and the way to send them.
fn gated(record: &Arc<FakeRecord>) -> (FakeModel, mpsc::Sender<()>) {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let model = FakeModel::new(record).with_behaviour(move |_, inputs| {
        // A sender that is gone lets everything pass, so that the threads can end.
        let _ = gate.lock().expect("no panic").recv();
        Ok(inputs)
    });
    (model, release)
}

fn ok(body: &str) -> Reply {
    Reply::new(200, body)
}
