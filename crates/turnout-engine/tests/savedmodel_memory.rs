//! What SavedModels leave behind: one test for one process, whose memory and threads it reads.

mod common;

use common::floats;
use common::tensorflow::{TensorFlow, installed};
use common::{resident_bytes, threads};

/// Loads eight megabytes of variables, uses them and lets them go.
fn cycle(tensorflow: &TensorFlow, count: usize) {
    for _ in 0..count {
        let model = tensorflow.load("large");
        let answer = model
            .run(0, vec![floats(&[1, 1448], &[0.5; 1448])])
            .expect("runs");
        assert_eq!(answer[0].shape(), [1, 1448]);
    }
}

#[test]
fn a_hundred_loads_and_thousands_of_calls_leave_nothing() {
    // SAFETY: the only test of this program; no other thread of it reads or writes the environment now.
    unsafe { std::env::set_var("TF_OVERRIDE_GLOBAL_THREADPOOL", "1") };
    let Some(tensorflow) = installed() else {
        return;
    };
    turnout_engine::memory::bound_retention();
    cycle(tensorflow, 20);
    let (before_bytes, before_threads) = (resident_bytes(), threads());
    cycle(tensorflow, 100);
    let grown_bytes = resident_bytes() - before_bytes;
    // Each of them had 8 MB.
    assert!(grown_bytes < 2 << 20, "grew by {grown_bytes} bytes");
    assert_eq!(threads(), before_threads);

    let model = tensorflow.load("identities");
    let cases = tensorflow.cases("identities");
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
