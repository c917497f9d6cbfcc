//! Where the requests of a turn run, and in how many turns.

use std::sync::Mutex;
use std::thread::{self, ThreadId};

use turnout_engine::fake::column_signature;

use super::*;

/// The budget of a turn is 100 µs in these tests.
const ROW_US: f32 = 40.0;

/// What ran where: (name of the model, its rows, the thread), in order.
type Calls = Arc<Mutex<Vec<(&'static str, usize, ThreadId)>>>;

/// A model that notes its calls.
fn tell(calls: &Calls, name: &'static str) -> FakeModel {
    let calls = Arc::clone(calls);
    FakeModel::new(&Arc::default()).with_behaviour(move |_, inputs| {
        let call = (name, inputs[0].rows(), thread::current().id());
        calls.lock().expect("no panic").push(call);
        Ok(inputs)
    })
}

async fn predict_all(
    service: &Service,
    requests: impl IntoIterator<Item = (&Arc<Servable>, usize)>,
) {
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|(servable, rows)| spawn_predict(service, servable, vec![1.0; rows]))
        .collect();
    for task in tasks {
        task.await.expect("ends").expect("an answer");
    }
}

fn inline_and_elsewhere(calls: &Calls) -> (Vec<usize>, Vec<usize>) {
    let here = thread::current().id();
    let calls = calls.lock().expect("no panic");
    let (inline, elsewhere): (Vec<_>, Vec<_>) =
        calls.iter().partition(|(_, _, thread)| *thread == here);
    let rows = |calls: Vec<&(&str, usize, ThreadId)>| calls.iter().map(|call| call.1).collect();
    (rows(inline), rows(elsewhere))
}

#[test]
fn short_requests_beyond_the_budget_wait_for_the_next_turns() {
    let (bench, calls) = (Bench::new(), Calls::default());
    let servable = bench.servable(tell(&calls, "a"), true, 64, ROW_US);
    bench.run(async |service| {
        predict_all(&service, std::iter::repeat_n((&servable, 1), 7)).await;
    });
    let (inline, elsewhere) = inline_and_elsewhere(&calls);
    assert_eq!(inline[0], 2, "two fit in 100 µs: {inline:?}");
    assert_eq!(inline.iter().sum::<usize>(), 7);
    assert!(elsewhere.is_empty());
    drop(servable);
    bench.end();
}

#[test]
fn a_loop_that_falls_behind_hands_over() {
    let (bench, calls) = (Bench::new(), Calls::default());
    let servable = bench.servable(tell(&calls, "a"), false, 64, ROW_US);
    bench.run(async |service| {
        predict_all(&service, std::iter::repeat_n((&servable, 1), 40)).await;
    });
    let (inline, elsewhere) = inline_and_elsewhere(&calls);
    assert_eq!(inline.len() + elsewhere.len(), 40);
    // 25 requests are 10 turns; as the executor runs some, the curve learns that they are shorter.
    assert!((1..=15).contains(&elsewhere.len()), "{elsewhere:?}");
    drop(servable);
    bench.end();
}

#[test]
fn a_request_longer_than_any_turn_goes_to_the_executor_and_the_short_ones_stay() {
    let (bench, calls) = (Bench::new(), Calls::default());
    let servable = bench.servable(tell(&calls, "a"), false, 64, ROW_US);
    bench.run(async |service| {
        predict_all(&service, [(&servable, 3), (&servable, 1)]).await;
    });
    assert_eq!(inline_and_elsewhere(&calls), (vec![1], vec![3]));
    drop(servable);
    bench.end();
}

#[test]
fn a_servable_with_a_backlog_does_not_keep_others_waiting() {
    let (bench, calls) = (Bench::new(), Calls::default());
    let busy = bench.servable(tell(&calls, "busy"), false, 64, 90.0);
    let other = bench.servable_of(2, tell(&calls, "other"), false, 64, 90.0);
    bench.run(async |service| {
        let requests = [(&busy, 1), (&busy, 1), (&busy, 1), (&other, 1)];
        predict_all(&service, requests).await;
    });
    let calls = calls.lock().expect("no panic").clone();
    let position = calls.iter().position(|(name, ..)| *name == "other");
    assert_eq!(position, Some(1), "in the second turn: {calls:?}");
    drop((busy, other));
    bench.end();
}

#[test]
fn a_row_that_is_longer_than_those_of_the_warm_up_counts_for_more() {
    let (bench, calls) = (Bench::new(), Calls::default());
    let mut sequences = column_signature();
    sequences.inputs[0].shape = Some(vec![None, None]);
    let model = tell(&calls, "a").with_signatures(vec![sequences]);
    let servable = bench.servable(model, false, 64, ROW_US);
    bench.run(async |service| {
        for tokens in [3, 2] {
            let values = Values::Float32(vec![1.0; tokens]);
            let input =
                Tensor::new(Shape::from_slice(&[1, tokens]), values).expect("shape matches");
            let permit = service.budget().acquire(tokens * 4).expect("room");
            let context = service.context(&arrival());
            let answer = service.predict(&servable, 0, vec![input], permit, &context);
            answer.await.expect("an answer");
        }
    });
    assert_eq!(
        inline_and_elsewhere(&calls),
        (vec![1], vec![1]),
        "120 µs and less"
    );
    let curve = &servable.facts.curves[0];
    assert!(curve.predict_us(3) < 3.0 * ROW_US, "learnt by weight");
    drop(servable);
    bench.end();
}
