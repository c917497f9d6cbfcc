//! Many loads, many calls, many threads: nothing is lost, nothing is kept.
//!
//! Each test reads its own process's memory, so they must not run beside each other: one lock serves plain `cargo test`.

mod common;

use std::sync::Mutex;
use std::thread;

use common::{engine, floats, load, options, resident_bytes, threads};
use turnout_core::{Tensor, Values};
use turnout_engine::Artifact;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> impl Drop {
    ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn a_thousand_loads_leave_nothing() {
    let _alone = alone();
    let cycle = |count: usize| {
        for _ in 0..count {
            let answer = load("mlp")
                .run(0, vec![floats(&[1, 8], &[0.5; 8])])
                .expect("runs");
            assert_eq!(answer[0].shape(), [1, 1]);
        }
    };
    cycle(100);
    let (before_bytes, before_threads) = (resident_bytes(), threads());
    cycle(1_000);
    let grown_bytes = resident_bytes() - before_bytes;
    assert!(grown_bytes < 2 << 20, "grew by {grown_bytes} bytes");
    assert_eq!(threads(), before_threads);
}

#[test]
fn a_hundred_thousand_calls_leave_nothing() {
    let _alone = alone();
    let models = ["mlp", "identity_string", "lookup"].map(load);
    let calls = |count: usize| {
        for number in 0..count {
            // Another shape each time: what is kept per shape would show.
            let rows = 1 + number % 97;
            models[0]
                .run(0, vec![floats(&[rows, 8], &vec![0.5; rows * 8])])
                .expect("runs");
            models[1]
                .run(
                    0,
                    vec![common::strings(
                        &[1, 3],
                        &[b"a", &vec![b'b'; rows * 20], b""],
                    )],
                )
                .expect("runs");
            let index = Values::Int64(vec![i64::try_from(number % 8).expect("small")]);
            let looked_up = models[2].run(0, vec![common::tensor(&[1], index)]);
            assert_eq!(looked_up.is_ok(), number % 8 < 4);
        }
    };
    calls(3_000);
    let before_bytes = resident_bytes();
    calls(34_000);
    let grown_bytes = resident_bytes() - before_bytes;
    assert!(grown_bytes < 1 << 20, "grew by {grown_bytes} bytes");
}

#[test]
fn eight_threads_share_a_session_and_agree() {
    let _alone = alone();
    let model = load("mlp");
    let row = |number: usize| -> Vec<f32> {
        (0..8)
            .map(|column| ((number * 8 + column) as f32).sin())
            .collect()
    };
    let inputs: Vec<Tensor> = (0..64)
        .map(|number| floats(&[1, 8], &row(number)))
        .collect();
    let expected: Vec<Vec<Tensor>> = inputs
        .iter()
        .map(|input| model.run(0, vec![input.clone()]).expect("runs"))
        .collect();
    thread::scope(|scope| {
        for worker in 0..8 {
            let (model, inputs, expected) = (&model, &inputs, &expected);
            scope.spawn(move || {
                for number in 0..10_000 {
                    let pick = (number * 7 + worker * 11) % inputs.len();
                    assert_eq!(
                        model.run(0, vec![inputs[pick].clone()]).expect("runs"),
                        expected[pick]
                    );
                }
            });
        }
    });
}

#[test]
fn loads_and_calls_go_on_side_by_side() {
    let _alone = alone();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let answer = load("linear")
                        .run(0, vec![floats(&[1, 4], &[1.0; 4])])
                        .expect("runs");
                    assert_eq!(answer, [floats(&[1, 3], &[-2.0, 1.0, 4.0])]);
                }
            });
        }
    });
}

#[test]
fn a_large_model_gives_its_memory_back() {
    let _alone = alone();
    turnout_engine::memory::bound_retention();
    let width = 2_600;
    let bytes = common::large_model(width);
    assert!(bytes.len() > 50_000_000);
    let cycle = || {
        let model = engine()
            .load(&Artifact::from_bytes(bytes.clone()), &options())
            .expect("loads");
        let loaded_bytes = resident_bytes();
        model
            .run(0, vec![floats(&[64, width], &vec![0.5; 64 * width])])
            .expect("runs");
        drop(model);
        loaded_bytes
    };
    cycle();
    let before_bytes = resident_bytes();
    let weights_bytes = 4 * i64::try_from(2 * width * width).expect("fits");
    for _ in 0..5 {
        assert!(
            cycle() > before_bytes + weights_bytes * 9 / 10,
            "the weights were not in memory"
        );
    }
    let kept_bytes = resident_bytes() - before_bytes;
    assert!(
        kept_bytes < weights_bytes / 10,
        "kept {kept_bytes} of {weights_bytes} bytes"
    );
}
