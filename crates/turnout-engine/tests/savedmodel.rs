//! SavedModels, judged by TensorFlow's own session.

mod common;

use std::path::Path;
use std::time::Instant;

use common::tensorflow::{TensorFlow, index_of, installed};
use common::{LINES, Scratch, copied, engine_spec, floats, options, sink, tensor};
use turnout_core::snapshot::EngineSpec;
use turnout_core::{DType, ErrorCode, Values};
use turnout_engine::warmup::{Limits, measure};
use turnout_engine::{Artifact, LoadOptions, Threads};

fn check_cases(tensorflow: &TensorFlow, name: &str) {
    let model = tensorflow.load(name);
    let cases = tensorflow.cases(name);
    assert!(!cases.is_empty());
    for case in cases {
        case.check(&*model);
    }
}

#[test]
fn answers_are_those_of_its_own_session_bit_for_bit() {
    let Some(tensorflow) = installed() else {
        return;
    };
    for name in [
        "half_plus_two",
        "identities",
        "strings",
        "table",
        "counter",
        "kept",
        "version_one",
    ] {
        check_cases(tensorflow, name);
    }
}

#[test]
fn every_dtype_is_among_the_cases() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let model = tensorflow.load("identities");
    for dtype in DType::ALL {
        let spec = &model.signatures()[index_of(&*model, dtype.name())].inputs[0];
        assert_eq!((spec.dtype, &spec.shape), (dtype, &None));
    }
}

#[test]
fn signatures_are_shown_with_the_default_first_and_their_shapes_bind_nobody() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let model = tensorflow.load("half_plus_two");
    let names: Vec<&str> = model
        .signatures()
        .iter()
        .map(|signature| signature.name.as_str())
        .collect();
    assert_eq!(names, ["serving_default", "a_sum", "half_plus_three"]);
    let x = &model.signatures()[0].inputs[0];
    assert_eq!((x.name.as_str(), x.dtype), ("x", DType::Float32));
    assert_eq!(x.shape, Some(vec![None, Some(1)]));
    assert!(x.tensor.ends_with("_x:0"), "{}", x.tensor);
    assert!(x.any_shape);
    let sum = &model.signatures()[1];
    let aliases = |specs: &[turnout_core::TensorSpec]| -> Vec<String> {
        specs.iter().map(|spec| spec.name.clone()).collect()
    };
    assert_eq!(aliases(&sum.inputs), ["left", "right"]);
    assert_eq!(aliases(&sum.outputs), ["half", "sum"]);
    let one = tensorflow.load("version_one");
    let read = one.signatures().iter().map(|signature| &signature.name);
    assert_eq!(read.collect::<Vec<_>>(), ["serving_default", "grow"]);
    let lines = LINES.lock().expect("not poisoned");
    let left_out = "signature `sparse` cannot be served: `s` is not one dense tensor";
    assert!(lines.iter().any(|(_, line)| line == left_out), "{lines:?}");
}

#[test]
fn signatures_of_a_manifest_are_taken_and_checked() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let (spec, _scratch) = tensorflow.spec("half_plus_two");
    let artifact = Artifact::read(&spec).expect("reads");
    let mut signature = tensorflow.load("half_plus_two").signatures()[2].clone();
    signature.name = "mine".to_owned();
    signature.inputs[0].name = "mine_too".to_owned();
    signature.inputs[0].any_shape = false;
    let mut given = LoadOptions {
        signatures: vec![signature],
        interpreters: 1,
        ..options()
    };
    let load = |given: &LoadOptions| tensorflow.engine.load(&artifact, given);
    let model = load(&given).expect("loads");
    assert_eq!(model.signatures()[0].name, "mine");
    assert!(model.signatures()[0].inputs[0].any_shape);
    let answer = model.run(0, vec![floats(&[1], &[1.0])]).expect("runs");
    assert_eq!(answer, [floats(&[1], &[3.5])]);

    given.signatures[0].inputs[0].dtype = DType::Int64;
    let error = load(&given).err().expect("refused");
    assert_eq!(
        error.message(),
        "the graph's tensor for `mine_too` has another dtype than the signature: got float32, expected int64"
    );
    given.signatures[0].inputs[0].tensor = "nowhere:7".to_owned();
    let error = load(&given).err().expect("refused");
    assert_eq!(error.code(), ErrorCode::LoadFailed);
    assert_eq!(
        error.message(),
        "the graph has no tensor for `mine_too` of the signature: `nowhere:7`"
    );
}

#[test]
fn what_cannot_be_loaded_says_why() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let error = tensorflow.try_load("unsupported").err().expect("refused");
    assert_eq!(error.code(), ErrorCode::LoadFailed);
    assert!(
        error
            .message()
            .ends_with("`x` is of a TensorFlow type that clients cannot send: 11"),
        "{error}"
    );
    let error = tensorflow.try_load("training_only").err().expect("refused");
    assert_eq!(error.code(), ErrorCode::LoadFailed);
    assert!(
        error
            .message()
            .starts_with("Could not find meta graph def matching supplied tags: { serve }"),
        "{error}"
    );
    let scratch = Scratch::new();
    std::fs::write(scratch.path().join("saved_model.pb"), b"no model").expect("writes");
    let copy = scratch.path().join("copy");
    let spec = copied(scratch.path(), "saved_model.pb", &["saved_model.pb"], &copy);
    let artifact = Artifact::read(&spec).expect("reads");
    let error = tensorflow
        .engine
        .load(&artifact, &options())
        .err()
        .expect("refused");
    assert_eq!(error.code(), ErrorCode::LoadFailed);
    assert!(!error.message().contains("/copy"), "{error}");
    let memory = Artifact::from_bytes(b"no folder".to_vec());
    let error = tensorflow.engine.load(&memory, &options()).err();
    assert_eq!(error.expect("refused").code(), ErrorCode::ArtifactInvalid);
}

#[test]
fn damaged_files_are_refused_and_end_nothing() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let (spec, _scratch) = tensorflow.spec("half_plus_two");
    for (name, kept_bytes) in [
        ("saved_model.pb", 5_000),
        ("saved_model.pb", 0),
        ("variables/variables.index", 10),
        ("variables/variables.data-00000-of-00001", 3),
    ] {
        let scratch = Scratch::new();
        let damaged = scratch.path().join("damaged");
        for file in &spec.files {
            let mut bytes = std::fs::read(spec.path.join(&file.name)).expect("reads");
            if file.name == name {
                bytes.truncate(kept_bytes);
            }
            let target = damaged.join(&file.name);
            std::fs::create_dir_all(target.parent().expect("has one")).expect("makes");
            std::fs::write(target, bytes).expect("writes");
        }
        let names: Vec<&str> = spec.files.iter().map(|file| file.name.as_str()).collect();
        let copy = scratch.path().join("copy");
        let artifact = Artifact::read(&copied(&damaged, "saved_model.pb", &names, &copy));
        let loaded = tensorflow
            .engine
            .load(&artifact.expect("reads"), &options());
        let error = loaded.err().unwrap_or_else(|| panic!("{name} was taken"));
        assert_eq!(error.code(), ErrorCode::LoadFailed, "{name}: {error}");
        assert!(!error.message().contains("/copy"), "{error}");
    }
}

#[test]
fn files_are_kept_only_for_models_that_may_open_them() {
    let Some(tensorflow) = installed() else {
        return;
    };
    for (name, kept) in [("half_plus_two", false), ("table", true)] {
        let (spec, scratch) = tensorflow.spec(name);
        let artifact = Artifact::read(&spec).expect("reads");
        let model = tensorflow
            .engine
            .load(&artifact, &options())
            .expect("loads");
        drop(artifact);
        let copy = scratch.path().join("copy");
        assert_eq!(copy.exists(), kept, "{name}");
        for case in tensorflow.cases(name) {
            case.check(&*model);
        }
        if kept {
            std::fs::remove_dir_all(copy.join("assets")).expect("is there");
            let error = model.run(index_of(&*model, "read"), vec![]);
            let message = error.expect_err("its file has gone").to_string();
            let wanted = "the version's folder/assets/words.txt; No such file";
            assert!(message.starts_with(wanted), "{message}");
        }
        drop(model);
        assert!(!copy.exists(), "{name}");
    }
}

#[test]
fn a_warm_up_leaves_counters_as_they_were_saved() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let model = tensorflow.load("counter");
    let warmup = measure(&*model, &Limits::for_batches_of(64), &Instant::now);
    assert_eq!(
        warmup.reason,
        "signature `serving_default` may change the model's state: `AssignAddVariableOp`"
    );
    assert!(!warmup.mergeable && warmup.row_us.is_empty());
    for case in tensorflow.cases("counter") {
        case.check(&*model);
    }
}

#[test]
fn only_signatures_that_may_write_change_state() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let cases = [
        ("half_plus_two", "serving_default", None),
        ("half_plus_two", "a_sum", None),
        ("strings", "serving_default", None),
        ("table", "serving_default", None),
        ("counter", "look", None),
        ("counter", "serving_default", Some("AssignAddVariableOp")),
        ("kept", "put", Some("AssignVariableOp")),
        ("version_one", "serving_default", None),
        ("version_one", "grow", Some("AssignAdd")),
        ("stateful", "random", Some("RandomUniform")),
        (
            "stateful",
            "branch_that_writes",
            Some("AssignAddVariableOp"),
        ),
        ("stateful", "loop_that_reads", None),
        ("stateful", "stateless_random", None),
    ];
    for (name, signature, want) in cases {
        let model = tensorflow.load(name);
        let got = model.state_change(index_of(&*model, signature));
        assert_eq!(got, want, "{name}, {signature}");
    }
}

#[test]
fn a_model_of_rows_is_mergeable() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let model = tensorflow.load("large");
    let warmup = measure(&*model, &Limits::for_batches_of(64), &Instant::now);
    assert!(warmup.mergeable, "{}", warmup.reason);
    assert!(!warmup.row_us.is_empty());
    let model = tensorflow.load("half_plus_two");
    let warmup = measure(&*model, &Limits::for_batches_of(64), &Instant::now);
    assert!(warmup.mergeable, "{}", warmup.reason);
}

#[test]
fn sessions_of_any_threads_agree() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let (spec, _scratch) = tensorflow.spec("half_plus_two");
    let artifact = Artifact::read(&spec).expect("reads");
    for threads in [Threads::Caller, Threads::SharedPool, Threads::Own(2)] {
        let options = LoadOptions {
            threads,
            ..options()
        };
        let model = tensorflow.engine.load(&artifact, &options).expect("loads");
        for case in tensorflow.cases("half_plus_two") {
            case.check(&*model);
        }
    }
}

#[test]
fn a_failure_leaves_the_model_usable_and_many_threads_share_it() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let model = tensorflow.load("half_plus_two");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let model = &model;
            scope.spawn(move || {
                for number in 0..2_000 {
                    let value = (number * 4 + worker) as f32;
                    let answer = model.run(0, vec![floats(&[1, 1], &[value])]).expect("runs");
                    assert_eq!(answer, [floats(&[1, 1], &[value / 2.0 + 2.0])]);
                    let wrong = vec![floats(&[2], &[0.0; 2]), floats(&[3], &[0.0; 3])];
                    let error = model.run(1, wrong).expect_err("shapes differ");
                    assert_eq!(error.code(), ErrorCode::ExecutionFailed);
                    assert!(
                        error
                            .message()
                            .starts_with("Incompatible shapes: [2] vs. [3]")
                    );
                }
            });
        }
    });
    let text = tensor(&[1], Values::String(vec!["no number".into()]));
    let error = model.run(0, vec![text]).expect_err("of another dtype");
    assert_eq!(error.code(), ErrorCode::ExecutionFailed);
}

#[test]
fn shapes_that_would_end_the_process_are_refused() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let model = tensorflow.load("half_plus_two");
    let most = usize::try_from(i64::MAX).expect("64 bits");
    for shape in [&[0, most][..], &[0, most, 4], &[most, 0]] {
        let answer = model.run(0, vec![floats(shape, &[])]).expect("is empty");
        assert_eq!(answer[0].shape(), shape);
    }
    let error = model.run(0, vec![floats(&[0, most + 1], &[])]);
    assert_eq!(
        error.expect_err("refused").code(),
        ErrorCode::ExecutionFailed
    );
}

#[test]
fn it_lives_beside_onnx_runtime() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let first = tensorflow.load("half_plus_two");
    let other = common::load("linear");
    let row = vec![floats(&[1, 4], &[1.0; 4])];
    assert_eq!(
        other.run(0, row).expect("runs"),
        [floats(&[1, 3], &[-2.0, 1.0, 4.0])]
    );
    let answer = first.run(0, vec![floats(&[1], &[1.0])]).expect("runs");
    assert_eq!(answer, [floats(&[1], &[2.5])]);
}

#[test]
fn one_process_opens_one_tensorflow() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let again = |library: &Path| {
        let spec = EngineSpec {
            kind: "savedmodel".to_owned(),
            library: library.to_owned(),
        };
        turnout_engine::open(&spec, &sink())
    };
    let same = again(&tensorflow.library).expect("is open");
    assert_eq!(same.version(), tensorflow.engine.version());
    let error = again(&engine_spec().library).err().expect("refused");
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(
        error
            .message()
            .starts_with("one process opens one TensorFlow: got `"),
        "{error}"
    );
}
