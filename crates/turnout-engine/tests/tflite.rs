//! TensorFlow Lite models, judged by LiteRT's own interpreter and by TensorFlow.

mod common;

use std::path::Path;

use common::litert::{LiteRt, engine_spec, litert};
use common::tensorflow::index_of;
use common::{LINES, floats, options, sink, tensor};
use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::{DType, ErrorCode, Signature, TensorSpec, Values};
use turnout_engine::warmup::{Limits, measure};
use turnout_engine::{Artifact, LoadOptions, Model, Threads};

const SERVED: [&str; 12] = [
    "mlp",
    "identities",
    "images",
    "plain",
    "aliases",
    "decoder",
    "control",
    "counter",
    "large",
    "masked",
    "reshaped",
    "tiled",
];

fn refusal(litert: &LiteRt, name: &str) -> turnout_core::Error {
    let Err(error) = litert.try_load(name) else {
        panic!("`{name}` loads");
    };
    error
}

#[test]
fn answers_are_those_of_its_own_interpreter_bit_for_bit() {
    let Some(litert) = litert() else { return };
    // `tiled` has a size that it computes, so it has other kernels here: see the next test.
    for name in SERVED.into_iter().filter(|name| *name != "tiled") {
        let model = litert.load(name);
        let cases = litert.cases(name);
        assert!(!cases.is_empty());
        for case in cases {
            case.check(&*model);
        }
    }
}

#[test]
fn answers_are_near_those_of_tensorflow() {
    let Some(litert) = litert() else { return };
    let mut compared = 0;
    for name in SERVED {
        let model = litert.load(name);
        for (number, case) in litert.cases(name).iter().enumerate() {
            let (index, inputs) = case.arrange(&*model);
            let got = model.run(index, inputs).expect("runs");
            let Some(want) = litert.by_tensorflow(name, number) else {
                continue;
            };
            for (spec, got) in model.signatures()[index].outputs.iter().zip(got) {
                let (_, want) = want
                    .iter()
                    .find(|(name, _)| *name == spec.name)
                    .expect("is");
                assert_eq!(want.shape(), got.shape(), "{name}");
                let (Values::Float32(want), Values::Float32(got)) = (want.values(), got.values())
                else {
                    panic!("{name}: not of floats");
                };
                let far = |(want, got): (&f32, &f32)| (want - got).abs() > 1e-5 + 1e-4 * want.abs();
                assert!(!want.iter().zip(got).any(far), "{name}: {want:?} {got:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn signatures_are_shown_with_the_default_first_and_with_what_varies() {
    let Some(litert) = litert() else { return };
    let model = litert.load("mlp");
    let names: Vec<&str> = model
        .signatures()
        .iter()
        .map(|each| each.name.as_str())
        .collect();
    assert_eq!(names, [DEFAULT_SIGNATURE, "a_logits"]);
    let x = &model.signatures()[0].inputs[0];
    assert_eq!((x.name.as_str(), x.dtype), ("x", DType::Float32));
    assert_eq!(x.shape, Some(vec![None, Some(8)]));
    assert!(model.signatures()[0].has_batch_dimension());

    let model = litert.load("identities");
    assert_eq!(model.signatures().len(), 14);
    for signature in model.signatures() {
        assert_eq!(signature.inputs[0].dtype.name(), signature.name);
        assert_eq!(
            signature.outputs[0].shape,
            Some(vec![None, Some(1), Some(2)])
        );
    }

    let image = &litert.load("images").signatures()[0].inputs[0].clone();
    assert_eq!(image.dtype, DType::Int8);
    assert_eq!(image.shape, Some(vec![Some(1), Some(8), Some(8), Some(3)]));
    assert_eq!(litert.load("plain").signatures()[0].name, DEFAULT_SIGNATURE);
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    let Some(litert) = litert() else { return };
    for (name, code, part) in [
        (
            "flex",
            ErrorCode::Unsupported,
            "`FlexMatrixDeterminant`, `FlexMatrixInverse`",
        ),
        ("custom", ErrorCode::Unsupported, "`SecretSauce`"),
        ("stub", ErrorCode::Unsupported, "MaxUnpooling2D"),
        (
            "text",
            ErrorCode::Unsupported,
            "`words` is of a type that cannot be served from LiteRT: string",
        ),
        (
            "decoder_of_any",
            ErrorCode::Unsupported,
            "an output whose size the model computes",
        ),
    ] {
        let error = refusal(litert, name);
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.message().contains(part), "{name}: {error}");
    }
}

#[test]
fn a_call_that_does_not_fit_fails_alone() {
    let Some(litert) = litert() else { return };
    let model = litert.load("mlp");
    let good = || {
        model
            .run(0, vec![floats(&[2, 8], &[0.5; 16])])
            .expect("runs")
    };
    let want = good();
    let empty = model
        .run(0, vec![floats(&[0, 8], &[])])
        .expect_err("is refused");
    assert_eq!(empty.code(), ErrorCode::InvalidInput);
    assert!(empty.message().contains("no empty tensors"), "{empty}");
    assert_eq!(good()[0].values(), want[0].values());
    assert!(model.run(9, Vec::new()).is_err());
    assert!(model.run(0, Vec::new()).is_err());
    let control = litert.load("control");
    let times = |times| tensor(&[], Values::Int32(vec![times]));
    let answer = control.run(0, vec![times(1), floats(&[2], &[2.0, 4.0])]);
    let inputs: Vec<_> = control.signatures()[0]
        .inputs
        .iter()
        .map(|spec| spec.name.as_str())
        .collect();
    assert_eq!(inputs, ["times", "x"]);
    assert_eq!(
        answer.expect("runs")[0].values(),
        &Values::Float32(vec![1.0, 2.0])
    );
}

#[test]
fn calls_of_many_threads_each_get_their_own_answer() {
    let Some(litert) = litert() else { return };
    let model = litert.load("mlp");
    let cases = litert.cases("mlp");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (model, cases) = (&model, &cases);
            scope.spawn(move || {
                for number in 0..200 {
                    cases[(thread + number) % cases.len()].check(&**model);
                }
            });
        }
    });
}

#[test]
fn state_is_kept_in_one_interpreter_and_told() {
    let Some(litert) = litert() else { return };
    let model = litert.load("counter");
    assert_eq!(
        model.state_change(0),
        Some("the operator `ASSIGN_VARIABLE`")
    );
    assert_eq!(litert.load("mlp").state_change(0), None);
    let sum = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    model.run(0, vec![floats(&[1], &[1.0])]).expect("runs");
                    sum.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    let last = model.run(0, vec![floats(&[1], &[0.0])]).expect("runs");
    assert_eq!(last[0].values(), &Values::Float32(vec![200.0]));
}

#[test]
fn one_call_may_have_threads_of_its_own() {
    let Some(litert) = litert() else { return };
    for threads in [Threads::Caller, Threads::SharedPool, Threads::Own(2)] {
        let options = LoadOptions {
            threads,
            ..options()
        };
        let artifact = Artifact::read(&litert.spec("mlp")).expect("reads");
        let model = litert.engine.load(&artifact, &options).expect("loads");
        drop(artifact);
        let case = &litert.cases("mlp")[5];
        let (index, inputs) = case.arrange(&*model);
        assert_eq!(model.run(index, inputs).expect("runs")[0].shape(), [300, 3]);
    }
}

#[test]
fn the_warm_up_shows_that_rows_may_be_merged() {
    let Some(litert) = litert() else { return };
    let model = litert.load("mlp");
    let warmup = measure(
        &*model,
        &Limits::for_batches_of(64),
        &std::time::Instant::now,
    );
    assert!(warmup.mergeable, "{}", warmup.reason);
    assert!(!warmup.row_us.is_empty());
    let model = litert.load("counter");
    let warmup = measure(
        &*model,
        &Limits::for_batches_of(64),
        &std::time::Instant::now,
    );
    assert!(!warmup.mergeable);
}

#[test]
fn signatures_of_a_manifest_may_rename_and_leave_out() {
    let Some(litert) = litert() else { return };
    let spec = |name: &str, tensor: &str, dtype, columns| TensorSpec {
        name: name.to_owned(),
        tensor: tensor.to_owned(),
        dtype,
        shape: Some(vec![None, Some(columns)]),
        any_shape: false,
    };
    let signature = |inputs, outputs| Signature {
        name: DEFAULT_SIGNATURE.to_owned(),
        inputs,
        outputs,
    };
    let load = |signature| {
        let options = LoadOptions {
            signatures: vec![signature],
            ..options()
        };
        litert.engine.load(
            &Artifact::read(&litert.spec("aliases")).expect("reads"),
            &options,
        )
    };
    let float = DType::Float32;
    let model = load(signature(
        vec![spec("b", "right", float, 2), spec("a", "left", float, 2)],
        vec![spec("difference", "minus", float, 2)],
    ))
    .expect("loads");
    let (ones, twos) = (floats(&[1, 2], &[1.0; 2]), floats(&[1, 2], &[2.0; 2]));
    let answer = model.run(0, vec![ones, twos]).expect("runs");
    assert_eq!(answer.len(), 1);
    assert_eq!(answer[0].values(), &Values::Float32(vec![1.0; 2]));
    for (inputs, outputs) in [
        (
            vec![spec("a", "left", float, 2)],
            vec![spec("d", "minus", float, 2)],
        ),
        (
            vec![spec("b", "right", float, 2), spec("a", "left", float, 2)],
            vec![spec("d", "elsewhere", float, 2)],
        ),
        (
            vec![
                spec("b", "right", float, 2),
                spec("a", "left", DType::Int32, 2),
            ],
            vec![spec("d", "minus", float, 2)],
        ),
    ] {
        let Err(error) = load(signature(inputs, outputs)) else {
            panic!("loads");
        };
        assert_eq!(error.code(), ErrorCode::ArtifactInvalid);
    }
}

#[test]
fn files_that_are_none_are_refused() {
    let Some(litert) = litert() else { return };
    let load = |bytes: Vec<u8>| -> turnout_core::Result<Box<dyn Model>> {
        litert.engine.load(&Artifact::from_bytes(bytes), &options())
    };
    let whole = litert.bytes("mlp");
    for bytes in [
        Vec::new(),
        b"TFL3".to_vec(),
        b"not a model, only text".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        [&[0; 4], &whole[4..]].concat(),
    ] {
        let Err(error) = load(bytes) else {
            panic!("loads");
        };
        assert_eq!(error.code(), ErrorCode::LoadFailed, "{error}");
    }
    assert!(load(whole).is_ok());
}

#[test]
fn another_library_is_refused_and_a_missing_one_has_advice() {
    let Some(litert) = litert() else { return };
    let open = |path: &Path| turnout_engine::open(&engine_spec(path), &sink());
    assert_eq!(
        open(&litert.library)
            .map(|engine| engine.version().starts_with("2."))
            .ok(),
        Some(true)
    );
    let Err(error) = open(Path::new("/nowhere/libLiteRt.so")) else {
        panic!("opens");
    };
    assert_eq!(error.code(), ErrorCode::RuntimeMissing);
    assert_eq!(error.hint(), Some("pip install 'turnout[tflite]'"));
    let Err(error) = open(&std::env::current_exe().expect("is")) else {
        panic!("opens");
    };
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert_eq!(index_of(&*litert.load("mlp"), "a_logits"), 1);
    assert!(LINES.lock().expect("not poisoned").len() < 1_000);
}
