//! What TensorFlow Lite models leave behind: one test for one process, whose memory and threads it reads.

mod common;

use common::floats;
use common::litert::{LiteRt, litert};
use common::{options, resident_bytes, threads};
use turnout_engine::{Artifact, LoadOptions, Threads};

/// Loads eight megabytes of weights, uses them in several interpreters and lets them go.
fn cycle(litert: &LiteRt, count: usize) {
    for number in 0..count {
        let options = LoadOptions {
            threads: if number % 2 == 0 {
                Threads::Caller
            } else {
                Threads::Own(2)
            },
            ..options()
        };
        let artifact = Artifact::read(&litert.spec("large")).expect("reads");
        let model = litert.engine.load(&artifact, &options).expect("loads");
        drop(artifact);
        std::thread::scope(|scope| {
            for rows in 1..4 {
                let model = &model;
                scope.spawn(move || {
                    let row = vec![0.5; rows * 1448];
                    let answer = model
                        .run(0, vec![floats(&[rows, 1448], &row)])
                        .expect("runs");
                    assert_eq!(answer[0].shape(), [rows, 1448]);
                });
            }
        });
    }
}

#[test]
fn a_hundred_loads_and_thousands_of_calls_leave_nothing() {
    let Some(litert) = litert() else { return };
    turnout_engine::memory::bound_retention();
    cycle(litert, 20);
    let (before_bytes, before_threads) = (resident_bytes(), threads());
    cycle(litert, 100);
    let grown_bytes = resident_bytes() - before_bytes;
    // Each of them had 8 MB.
    assert!(grown_bytes < 2 << 20, "grew by {grown_bytes} bytes");
    assert_eq!(threads(), before_threads);

    let model = litert.load("mlp");
    let cases = litert.cases("mlp");
    let call = |count: usize| {
        for number in 0..count {
            let (index, inputs) = cases[number % cases.len()].arrange(&*model);
            model.run(index, inputs).expect("runs");
        }
    };
    call(5_000);
    let before_bytes = resident_bytes();
    call(50_000);
    let grown_bytes = resident_bytes() - before_bytes;
    assert!(grown_bytes < 1 << 20, "grew by {grown_bytes} bytes");
}
