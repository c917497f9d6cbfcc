use std::collections::HashMap;
use std::sync::mpsc;

use proptest::prelude::*;
use turnout_core::event::Event;
use turnout_core::snapshot::{ModelRoute, Readiness, Snapshot, VersionState, VersionStatus};
use turnout_core::{Shape, Values};
use turnout_engine::fake::{FakeModel, FakeRecord};

use super::*;
use crate::testing::Bench;

mod batching;
mod turns;

fn column(values: &[f32]) -> Vec<Tensor> {
    let shape = Shape::from_slice(&[values.len(), 1]);
    vec![Tensor::new(shape, Values::Float32(values.to_vec())).expect("shape matches")]
}

fn arrival() -> Arrival<'static> {
    Arrival {
        door: Door::Rest,
        id: None,
        traceparent: None,
        timeout: None,
        received: Instant::now(),
    }
}

async fn predict(
    service: &Service,
    servable: &Arc<Servable>,
    values: &[f32],
) -> Result<Vec<Tensor>> {
    let permit = service.budget().acquire(values.len() * 4)?;
    let context = service.context(&arrival());
    service
        .predict(servable, 0, column(values), permit, &context)
        .await
        .map(|executed| executed.outputs)
}

fn spawn_predict(
    service: &Service,
    servable: &Arc<Servable>,
    values: Vec<f32>,
) -> tokio::task::JoinHandle<Result<Vec<Tensor>>> {
    let (service, servable) = (service.clone(), Arc::clone(servable));
    tokio::task::spawn_local(async move { predict(&service, &servable, &values).await })
}

/// Fails a call that holds a negative number.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature of a behaviour"
)]
fn refuse_negative(_: usize, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
    let Values::Float32(values) = inputs[0].values() else {
        unreachable!("the signature says float32")
    };
    if values.iter().any(|value| *value < 0.0) {
        return Err(Error::execution_failed("negative"));
    }
    let doubled = values.iter().map(|value| value * 2.0).collect();
    Ok(vec![
        Tensor::new(
            Shape::from_slice(inputs[0].shape()),
            Values::Float32(doubled),
        )
        .expect("same shape"),
    ])
}

#[test]
fn requests_of_one_turn_run_as_one_call_and_get_their_own_answers() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let servable = bench.servable(FakeModel::new(&record), true, 16, 1.0);
    bench.run(async |service| {
        let tasks: Vec<_> = (1u8..=4)
            .map(|n| spawn_predict(&service, &servable, vec![f32::from(n)]))
            .collect();
        for (task, n) in tasks.into_iter().zip(1u8..) {
            let outputs = task.await.expect("the task ends").expect("an answer");
            assert_eq!(outputs, column(&[f32::from(n) * 2.0]));
        }
    });
    assert_eq!(record.rows(), [4]);
    drop(servable);
    bench.end();
}

#[test]
fn a_turn_takes_more_requests_than_its_queue_holds() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let servable = bench.servable(FakeModel::new(&record), true, 4, 1.0);
    bench.run(async |service| {
        let tasks: Vec<_> = (1u8..=10)
            .map(|n| spawn_predict(&service, &servable, vec![f32::from(n)]))
            .collect();
        for (task, n) in tasks.into_iter().zip(1u8..) {
            let outputs = task.await.expect("the task ends").expect("an answer");
            assert_eq!(outputs, column(&[f32::from(n) * 2.0]));
        }
    });
    assert_eq!(record.rows(), [4, 4, 2]);
    drop(servable);
    bench.end();
}

#[test]
fn a_bad_request_in_a_merged_call_fails_alone() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let servable = bench.servable(
        FakeModel::new(&record).with_behaviour(refuse_negative),
        true,
        16,
        1.0,
    );
    bench.run(async |service| {
        let good = spawn_predict(&service, &servable, vec![1.0]);
        let bad = spawn_predict(&service, &servable, vec![-1.0]);
        assert_eq!(
            good.await.expect("ends").expect("an answer"),
            column(&[2.0])
        );
        assert_eq!(
            bad.await.expect("ends").expect_err("refused").code(),
            ErrorCode::ExecutionFailed
        );
    });
    assert_eq!(record.rows(), [2, 1, 1]);
    drop(servable);
    bench.end();
}

#[test]
fn long_work_leaves_the_loop_free() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let (release, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let slow = FakeModel::new(&record).with_behaviour(move |_, inputs| {
        gate.lock().expect("no panic").recv().expect("released");
        Ok(inputs)
    });
    let slow = bench.servable(slow, false, 16, 5_000.0);
    let quick = bench.servable_of(2, FakeModel::new(&record), true, 16, 1.0);
    bench.run(async |service| {
        let waiting = spawn_predict(&service, &slow, vec![7.0]);
        assert_eq!(
            predict(&service, &quick, &[1.0])
                .await
                .expect("not held up"),
            column(&[2.0])
        );
        release.send(()).expect("the model waits");
        assert_eq!(
            waiting.await.expect("ends").expect("an answer"),
            column(&[7.0])
        );
    });
    drop((slow, quick));
    bench.end();
}

#[test]
fn a_full_queue_a_passed_deadline_and_a_client_that_leaves_cost_nothing_more() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let (release, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let model = FakeModel::new(&record).with_behaviour(move |_, inputs| {
        gate.lock().expect("no panic").recv().expect("released");
        Ok(inputs)
    });
    let servable = bench.servable(model, false, 2, 5_000.0);
    bench.run(async |service| {
        let running = spawn_predict(&service, &servable, vec![1.0]);
        while record.rows().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let leaving = spawn_predict(&service, &servable, vec![2.0]);
        let short = Arrival {
            timeout: Some(Duration::from_millis(20)),
            ..arrival()
        };
        let context = service.context(&short);
        let permit = service.budget().acquire(4).expect("room");
        let late = service.predict(&servable, 0, column(&[3.0]), permit, &context);
        assert_eq!(
            late.await.map(|_| ()).expect_err("late").code(),
            ErrorCode::DeadlineExceeded
        );
        // The late one has left its place to this one; then the two places are taken.
        let staying = spawn_predict(&service, &servable, vec![4.0]);
        tokio::task::yield_now().await;
        let full = predict(&service, &servable, &[5.0]).await;
        assert_eq!(
            full.expect_err("two wait already").code(),
            ErrorCode::QueueFull
        );
        leaving.abort();
        assert!(leaving.await.is_err());
        let instead = spawn_predict(&service, &servable, vec![6.0]);
        tokio::task::yield_now().await;
        for _ in 0..3 {
            release.send(()).expect("the model waits");
        }
        for (task, value) in [(running, 1.0), (staying, 4.0), (instead, 6.0)] {
            assert_eq!(
                task.await.expect("ends").expect("an answer"),
                column(&[value])
            );
        }
        assert_eq!(service.budget().used_bytes(), 0);
    });
    // Neither the late one nor the one whose client left was executed.
    assert_eq!(record.rows(), [1, 1, 1]);
    drop(servable);
    bench.end();
}

#[test]
fn a_panic_touches_its_request_alone() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let model = FakeModel::new(&record).with_behaviour(|signature, inputs| {
        let thirteen =
            matches!(inputs[0].values(), Values::Float32(values) if values.contains(&13.0));
        assert!(!thirteen, "thirteen");
        refuse_negative(signature, inputs)
    });
    let servable = bench.servable(model, true, 16, 1.0);
    bench.run(async |service| {
        let bad = spawn_predict(&service, &servable, vec![13.0]);
        let good = spawn_predict(&service, &servable, vec![1.0]);
        let error = bad.await.expect("ends").expect_err("panicked");
        assert_eq!(
            (error.code(), error.message()),
            (ErrorCode::Internal, "the engine failed unexpectedly")
        );
        assert_eq!(
            good.await.expect("ends").expect("an answer"),
            column(&[2.0])
        );
        assert_eq!(
            predict(&service, &servable, &[2.0])
                .await
                .expect("one more"),
            column(&[4.0])
        );
    });
    drop(servable);
    bench.end();
}

#[test]
fn a_version_is_destroyed_by_the_reaper_after_its_last_answer() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let servable = bench.servable(FakeModel::new(&record), true, 16, 1.0);
    let status = VersionStatus {
        version: 1,
        servable: Some(1),
        state: VersionState::Available,
        error_code: String::new(),
        error_message: String::new(),
    };
    let model = ModelRoute {
        name: "m".into(),
        default: Some(1),
        labels: HashMap::new(),
        problem: String::new(),
        request_log_rate: 0.0,
        versions: vec![status],
    };
    let ready = Readiness {
        ready: true,
        reason: String::new(),
    };
    let snapshot = Snapshot {
        sequence: 1,
        ready,
        servables: vec![],
        models: vec![model],
    };
    let routes = Routes::build(snapshot, &HashMap::from([(1, servable)])).expect("loaded");
    bench.shared.routes.store(Arc::new(routes));
    bench.run(async |service| {
        let servable = service
            .resolve("m", VersionChoice::Default)
            .expect("routed");
        bench.shared.routes.store(Arc::new(Routes::empty("gone")));
        assert!(service.resolve("m", VersionChoice::Default).is_err());
        assert_eq!(
            predict(&service, &servable, &[1.0])
                .await
                .expect("still held"),
            column(&[2.0])
        );
        assert_eq!(record.live(), 1);
    });
    let event = bench.shared.events.next(Duration::from_secs(5));
    assert!(
        matches!(event, Some(Event::Unloaded { servable: 1, .. })),
        "{event:?}"
    );
    assert_eq!(record.live(), 0);
    bench.end();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever comes in one turn, inline or on the executor: every request gets one answer, its own, and the budget is whole.
    #[test]
    fn every_request_gets_its_own_answer(
        requests in prop::collection::vec(prop::collection::vec(-1i8..20, 0..6), 1..24),
        mergeable in any::<bool>(),
        row_us in prop::sample::select(vec![1.0f32, 60.0, 5_000.0]),
    ) {
        let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
        let servable = bench.servable(FakeModel::new(&record).with_behaviour(refuse_negative), mergeable, 64, row_us);
        let rows: Vec<Vec<f32>> = requests.iter().map(|row| row.iter().map(|n| f32::from(*n)).collect()).collect();
        bench.run(async |service| {
            let tasks: Vec<_> = rows.iter().map(|values| spawn_predict(&service, &servable, values.clone())).collect();
            for (task, values) in tasks.into_iter().zip(&rows) {
                let got = task.await.expect("ends");
                if values.iter().any(|value| *value < 0.0) {
                    assert_eq!(got.expect_err("refused").code(), ErrorCode::ExecutionFailed);
                } else {
                    let doubled: Vec<f32> = values.iter().map(|value| value * 2.0).collect();
                    assert_eq!(got.expect("an answer"), column(&doubled));
                }
            }
            assert_eq!(service.budget().used_bytes(), 0);
        });
        drop(servable);
        bench.end();
    }
}
