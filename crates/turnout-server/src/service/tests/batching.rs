//! Batching by an operator's parameters, from the door's call to its answer.

use std::sync::Mutex;
use std::sync::mpsc::Sender;

use turnout_core::snapshot::{BatchingSettings, MergeMode, ServableSettings};

use super::*;
use crate::testing;

const MS: u64 = 1_000;

fn settings(batching: BatchingSettings) -> ServableSettings {
    ServableSettings {
        merge: MergeMode::Always,
        max_batch_rows: 8,
        max_queue: 64,
        intra_op_threads: 1,
        interpreters: 0,
        savedmodel: testing::savedmodel_settings(),
        batching,
    }
}

fn waiting(timeout_us: u64) -> BatchingSettings {
    BatchingSettings {
        timeout_us,
        ..testing::batching()
    }
}

fn servable(bench: &Bench, model: FakeModel, batching: BatchingSettings) -> Arc<Servable> {
    bench.servable_with(1, model, true, settings(batching), 1.0)
}

/// A model whose calls each wait for a word.
fn gated(record: &Arc<FakeRecord>) -> (FakeModel, Sender<()>) {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let model = FakeModel::new(record).with_behaviour(move |signature, inputs| {
        gate.lock().expect("no panic").recv().expect("released");
        refuse_negative(signature, inputs)
    });
    (model, release)
}

/// A call under way, and what it was called with.
type Call = (tokio::task::JoinHandle<Result<Vec<Tensor>>>, Vec<f32>);

async fn all_doubled(tasks: Vec<Call>) {
    for (task, values) in tasks {
        let doubled: Vec<f32> = values.iter().map(|value| value * 2.0).collect();
        let outputs = task.await.expect("ends").expect("an answer");
        assert_eq!(outputs, column(&doubled));
    }
}

#[test]
fn requests_wait_for_one_another_until_the_batch_is_full() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let servable = servable(&bench, FakeModel::new(&record), waiting(5_000 * MS));
    bench.run(async |service| {
        let mut tasks = Vec::new();
        for n in 1u8..=8 {
            let values = vec![f32::from(n)];
            tasks.push((spawn_predict(&service, &servable, values.clone()), values));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        all_doubled(tasks).await;
    });
    assert_eq!(record.rows(), [8]);
    drop(servable);
    bench.end();
}

#[test]
fn a_batch_that_does_not_fill_runs_when_it_is_old_enough() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let servable = servable(&bench, FakeModel::new(&record), waiting(30 * MS));
    bench.run(async |service| {
        let begun = Instant::now();
        let tasks: Vec<_> = (1u8..=3)
            .map(|n| vec![f32::from(n)])
            .map(|values| (spawn_predict(&service, &servable, values.clone()), values))
            .collect();
        all_doubled(tasks).await;
        assert!(begun.elapsed() >= Duration::from_millis(30));
    });
    assert_eq!(record.rows(), [3]);
    drop(servable);
    bench.end();
}

#[test]
fn a_batch_runs_early_for_a_request_that_has_little_time() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let servable = servable(&bench, FakeModel::new(&record), waiting(60_000 * MS));
    bench.run(async |service| {
        let patient = spawn_predict(&service, &servable, vec![1.0]);
        tokio::task::yield_now().await;
        let hurried = Arrival {
            timeout: Some(Duration::from_millis(400)),
            ..arrival()
        };
        let context = service.context(&hurried);
        let permit = service.budget().acquire(4).expect("room");
        let outputs = service
            .predict(&servable, 0, column(&[2.0]), permit, &context)
            .await;
        assert_eq!(outputs.expect("in time").outputs, column(&[4.0]));
        all_doubled(vec![(patient, vec![1.0])]).await;
    });
    assert_eq!(record.rows(), [2]);
    drop(servable);
    bench.end();
}

#[test]
fn too_many_rows_and_a_full_queue_are_refused_by_the_texts_that_clients_know() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let (model, release) = gated(&record);
    let batching = BatchingSettings {
        max_enqueued_batches: 1,
        ..waiting(1)
    };
    let servable = servable(&bench, model, batching);
    bench.run(async |service| {
        let large = predict(&service, &servable, &[1.0; 9]).await;
        let large = large.expect_err("too many");
        assert_eq!(
            (large.code(), large.message()),
            (
                ErrorCode::InvalidInput,
                "Task size 9 is larger than maximum input batch size 8"
            )
        );
        let running = spawn_predict(&service, &servable, vec![1.0]);
        while record.rows().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let queued = spawn_predict(&service, &servable, vec![2.0; 5]);
        tokio::task::yield_now().await;
        let full = predict(&service, &servable, &[3.0; 4]).await;
        let full = full.expect_err("5 and 4 are more than a batch");
        let text = "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued \
                    and max_enqueued_batches is 1";
        assert_eq!((full.code(), full.message()), (ErrorCode::QueueFull, text));
        release.send(()).expect("the model waits");
        release.send(()).expect("the model waits");
        all_doubled(vec![(running, vec![1.0]), (queued, vec![2.0; 5])]).await;
        assert_eq!(service.budget().used_bytes(), 0);
    });
    drop(servable);
    bench.end();
}

#[test]
fn a_batch_is_filled_up_to_an_allowed_size_and_nobody_sees_it() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let batching = BatchingSettings {
        allowed_rows: vec![1, 4, 8],
        ..testing::batching()
    };
    let servable = servable(&bench, FakeModel::new(&record), batching);
    bench.run(async |service| {
        for values in [vec![1.0], vec![1.0, 2.0], vec![3.0; 5]] {
            let task = spawn_predict(&service, &servable, values.clone());
            all_doubled(vec![(task, values)]).await;
        }
    });
    assert_eq!(record.rows(), [1, 4, 8]);
    drop(servable);
    bench.end();
}

#[test]
fn a_large_request_is_cut_executed_in_batches_and_answered_as_one() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let batching = BatchingSettings {
        split_requests: true,
        max_execution_rows: 3,
        ..waiting(20 * MS)
    };
    let servable = servable(
        &bench,
        FakeModel::new(&record).with_behaviour(refuse_negative),
        batching,
    );
    let values: Vec<f32> = (0..8u8).map(f32::from).collect();
    bench.run(async |service| {
        let small = spawn_predict(&service, &servable, vec![9.0]);
        tokio::task::yield_now().await;
        let large = spawn_predict(&service, &servable, values.clone());
        all_doubled(vec![(small, vec![9.0]), (large, values.clone())]).await;
        let mut bad = values.clone();
        bad[7] = -1.0;
        let failed = predict(&service, &servable, &bad).await;
        assert_eq!(
            failed.expect_err("its last row is bad").code(),
            ErrorCode::ExecutionFailed
        );
        assert_eq!(service.budget().used_bytes(), 0);
    });
    assert_eq!(record.rows()[..3], [3, 3, 3], "1 and 2, 3, 3");
    drop(servable);
    bench.end();
}

fn sequence(values: &[f32]) -> Vec<Tensor> {
    let shape = Shape::from_slice(&[1, values.len()]);
    vec![Tensor::new(shape, Values::Float32(values.to_vec())).expect("shape matches")]
}

#[test]
fn sequences_of_different_lengths_are_filled_up_and_far_longer_ones_are_not_joined() {
    let (bench, seen) = (Bench::new(), Arc::new(Mutex::new(Vec::new())));
    let mut signature = turnout_engine::fake::column_signature();
    signature.inputs[0].shape = Some(vec![None, None]);
    let noted = Arc::clone(&seen);
    let model = FakeModel::new(&Arc::default())
        .with_signatures(vec![signature])
        .with_behaviour(move |_, inputs| {
            let shape = inputs[0].shape().to_vec();
            noted.lock().expect("no panic").push(shape);
            Ok(inputs)
        });
    let batching = BatchingSettings {
        pad_lengths: true,
        ..waiting(20 * MS)
    };
    let servable = servable(&bench, model, batching);
    bench.run(async |service| {
        let inputs = [vec![5.0], vec![7.0, 8.0, 9.0], vec![1.0; 100]];
        let calls = inputs.map(|values| {
            let (service, servable) = (service.clone(), Arc::clone(&servable));
            tokio::task::spawn_local(async move {
                let permit = service.budget().acquire(400).expect("room");
                let context = service.context(&arrival());
                let inputs = sequence(&values);
                let answer = service.predict(&servable, 0, inputs, permit, &context);
                answer.await.expect("an answer").outputs
            })
        });
        let [short, longer, long] = calls;
        assert_eq!(short.await.expect("ends"), sequence(&[5.0, 5.0, 5.0]));
        assert_eq!(longer.await.expect("ends"), sequence(&[7.0, 8.0, 9.0]));
        assert_eq!(long.await.expect("ends"), sequence(&[1.0; 100]));
    });
    let mut seen = seen.lock().expect("no panic").clone();
    seen.sort_unstable();
    assert_eq!(seen, [vec![1, 100], vec![2, 3]]);
    drop(servable);
    bench.end();
}

#[test]
fn what_changes_state_or_has_no_rows_is_not_merged_at_any_word() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let counter = FakeModel::new(&record).with_state_change("AssignAdd");
    let mut fixed = turnout_engine::fake::column_signature();
    fixed.inputs[0].shape = Some(vec![Some(1), Some(1)]);
    let fixed = FakeModel::new(&record).with_signatures(vec![fixed]);
    for (id, model) in [(1, counter), (2, fixed)] {
        let servable = bench.servable_with(id, model, true, settings(waiting(5 * MS)), 1.0);
        bench.run(async |service| {
            let tasks = (0..3).map(|_| vec![1.0]);
            let tasks =
                tasks.map(|values| (spawn_predict(&service, &servable, values.clone()), values));
            all_doubled(tasks.collect()).await;
        });
    }
    assert_eq!(record.rows(), [1; 6]);
    bench.end();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever the parameters: every request gets one answer, its own, and the budget is whole.
    #[test]
    fn every_request_gets_its_own_answer(
        requests in prop::collection::vec(prop::collection::vec(-1i8..20, 0..8), 1..24),
        timeout_us in prop::sample::select(vec![0, 300, 3_000]),
        split_requests in any::<bool>(),
        max_execution_rows in 2usize..8,
        allowed in any::<bool>(),
    ) {
        let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
        let allowed_rows = if allowed { vec![3, 8] } else { Vec::new() };
        let batching = BatchingSettings {
            timeout_us, split_requests, max_execution_rows, allowed_rows, max_enqueued_batches: 100, pad_lengths: false,
        };
        let servable = servable(&bench, FakeModel::new(&record).with_behaviour(refuse_negative), batching);
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
