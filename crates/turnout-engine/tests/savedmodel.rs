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
fn inputs_may_have_defaults() {
    let Some(tensorflow) = installed() else {
        return;
    };
    check_cases(tensorflow, "defaults");
    let model = tensorflow.load("defaults");
    let names: Vec<&str> = model.signatures()[0]
        .inputs
        .iter()
        .map(|spec| spec.name.as_str())
        .collect();
    assert_eq!(names, ["factor", "unit", "x"]);
    assert_eq!(model.default_input(0, 0), Some(&floats(&[], &[3.0])));
    let units = Values::String(vec!["m".into(), "s".into()]);
    let unit = model.default_input(0, 1).expect("it has one");
    assert_eq!((unit.shape(), unit.values()), (&[2][..], &units));
    assert_eq!(model.default_input(0, 2), None);
    let plain = tensorflow.load("half_plus_two");
    assert_eq!(plain.default_input(0, 0), None);
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
    let hint = "`savedmodel_tags` of the model says which graph to take; there are: [\"train\"]";
    assert_eq!(error.hint(), Some(hint));
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

fn with_settings(inter_op_threads: Option<i32>, session_config: &[u8]) -> LoadOptions {
    let mut given = options();
    given.savedmodel.inter_op_threads = inter_op_threads;
    given.savedmodel.session_config = session_config.to_vec();
    given
}

#[test]
fn tags_choose_the_graph() {
    let Some(tensorflow) = installed() else {
        return;
    };
    check_cases(tensorflow, "tagged");
    let (spec, _scratch) = tensorflow.spec("tagged");
    let artifact = Artifact::read(&spec).expect("reads");
    let load = |tags: &[&str]| {
        let mut given = options();
        given.savedmodel.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        tensorflow.engine.load(&artifact, &given)
    };
    for (tags, want) in [
        (&["serve"][..], [3.0, 6.0]),
        (&["twice", "serve"], [6.0, 12.0]),
        (&[], [1.0, 2.0]),
    ] {
        let model = load(tags).expect("loads");
        let answer = model.run(0, vec![floats(&[2], &[1.0, 2.0])]).expect("runs");
        assert_eq!(answer, [floats(&[2], &want)], "{tags:?}");
    }
    let error = load(&["twice"]).err().expect("refused");
    assert_eq!(error.code(), ErrorCode::LoadFailed);
    let listed = r#"["serve"], ["serve", "twice"], []"#;
    assert!(error.hint().expect("a hint").ends_with(listed), "{error}");
}

/// The largest distance between what a model answers to its one case and what TensorFlow's own session answers.
fn distance(tensorflow: &TensorFlow, given: &LoadOptions) -> f32 {
    let (spec, _scratch) = tensorflow.spec("layers");
    let artifact = Artifact::read(&spec).expect("reads");
    let model = tensorflow.engine.load(&artifact, given).expect("loads");
    let [case] = &tensorflow.cases("layers")[..] else {
        panic!("one case");
    };
    let (index, inputs) = case.arrange(&*model);
    let got = model.run(index, inputs).expect("runs");
    let want = &case.answer.as_ref().expect("answers")[0].1;
    let (Values::Float32(got), Values::Float32(want)) = (got[0].values(), want.values()) else {
        panic!("float32");
    };
    let pairs = got.iter().zip(want);
    pairs
        .map(|(got, want)| (got - want).abs())
        .fold(0.0, f32::max)
}

/// `graph_options { rewrite_options { auto_mixed_precision_onednn_bfloat16: ON } }`.
const BFLOAT16: [u8; 7] = [0x52, 5, 0x52, 3, 0xf8, 1, 1];
/// `graph_options { optimizer_options { global_jit_level: ON_1 cpu_global_jit: true } }`.
const XLA: [u8; 8] = [0x52, 6, 0x1a, 4, 0x28, 1, 0x38, 1];

#[test]
fn bfloat16_changes_numbers_and_little() {
    let Some(tensorflow) = installed() else {
        return;
    };
    assert!(distance(tensorflow, &options()) < 1e-6);
    let off = distance(tensorflow, &with_settings(None, &BFLOAT16));
    assert!(off < 0.02, "{off}");
    if cfg!(target_arch = "x86_64") && std::is_x86_feature_detected!("avx512f") {
        assert!(off > 1e-5, "{off}");
    }
}

#[test]
fn a_model_for_xla_answers_the_same_and_is_warmed_up_at_one_row_alone() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let given = with_settings(None, &XLA);
    assert!(distance(tensorflow, &given) < 1e-5);
    let (spec, _scratch) = tensorflow.spec("layers");
    let artifact = Artifact::read(&spec).expect("reads");
    let model = tensorflow.engine.load(&artifact, &given).expect("loads");
    assert!(model.compiles_shapes());
    let warmup = measure(&*model, &Limits::for_batches_of(1024), &Instant::now);
    let rows: Vec<usize> = warmup.row_us.iter().map(|(rows, _)| *rows).collect();
    assert_eq!((rows, warmup.mergeable), (vec![1], false));
    assert_eq!(
        warmup.reason,
        "the model is compiled anew for each number of rows"
    );
}

#[test]
fn sessions_with_pools_of_their_own_agree() {
    let Some(tensorflow) = installed() else {
        return;
    };
    for inter_op_threads in [-1, 0, 1, 3] {
        let off = distance(tensorflow, &with_settings(Some(inter_op_threads), &[]));
        assert!(off < 1e-6, "{inter_op_threads}: {off}");
    }
}

#[test]
fn a_config_that_tensorflow_cannot_read_is_refused() {
    let Some(tensorflow) = installed() else {
        return;
    };
    let (spec, _scratch) = tensorflow.spec("layers");
    let artifact = Artifact::read(&spec).expect("reads");
    let error = tensorflow
        .engine
        .load(&artifact, &with_settings(None, &[0x52, 200]));
    assert_eq!(error.err().expect("refused").code(), ErrorCode::LoadFailed);
}

#[test]
fn what_a_model_prints_is_heard() {
    let Some(tensorflow) = installed() else {
        return;
    };
    check_cases(tensorflow, "nested");
    let lines = LINES.lock().expect("not poisoned");
    let printed = "a model printed: a line of the model's own 4";
    assert!(lines.iter().any(|(_, line)| line == printed), "{lines:?}");
}
