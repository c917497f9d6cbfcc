//! What can be loaded, under which names, and what is said of the rest.

mod common;

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use common::{engine, engine_spec, fixtures, floats, load, options, sink, spec, try_load};
use turnout_core::snapshot::EngineSpec;
use turnout_core::{DType, Error, ErrorCode, Result, Signature, TensorSpec};
use turnout_engine::{Artifact, LoadOptions, Model, Threads};

#[test]
fn the_runtime_says_its_version() {
    let version = engine().version();
    assert!(version.starts_with("1.") && version.len() > 3, "{version}");
}

#[test]
fn a_library_is_opened_once_under_all_its_names() {
    engine();
    let link = std::env::temp_dir().join(format!("turnout-library-{}", std::process::id()));
    symlink(common::library(), &link).expect("links");
    let spec = EngineSpec {
        kind: "onnx".to_owned(),
        library: link.clone(),
    };
    let again = turnout_engine::open(&spec, &sink());
    std::fs::remove_file(link).expect("removes");
    assert_eq!(again.expect("is open").version(), engine().version());
}

#[test]
fn a_second_library_and_unknown_engines_are_refused_in_words() {
    engine();
    let other = fixtures().join("linear.onnx");
    let error = turnout_engine::open(
        &EngineSpec {
            kind: "onnx".to_owned(),
            library: other,
        },
        &sink(),
    );
    let error = error.err().expect("refused");
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(
        error
            .message()
            .starts_with("one process opens one ONNX Runtime: got `"),
        "{error}"
    );
    let error = turnout_engine::open(
        &EngineSpec {
            kind: "caffe".to_owned(),
            ..engine_spec()
        },
        &sink(),
    );
    assert_eq!(
        error.err().expect("refused").message(),
        "unknown engine: `caffe`"
    );
}

#[test]
fn a_library_that_is_not_there_names_what_to_install() {
    let library = PathBuf::from("/nowhere/libonnxruntime.so.1.99.0");
    let error = turnout_engine::open(
        &EngineSpec {
            kind: "onnx".to_owned(),
            library,
        },
        &sink(),
    );
    let error = error.err().expect("missing");
    assert_eq!(error.code(), ErrorCode::RuntimeMissing);
    assert_eq!(
        error.message(),
        "ONNX Runtime's library is not there: `/nowhere/libonnxruntime.so.1.99.0`"
    );
    assert_eq!(error.hint(), Some("pip install 'turnout[onnx]'"));
}

type Dims = &'static [Option<usize>];

#[test]
fn a_graph_describes_itself_under_its_own_names() {
    let cases: [(&str, Dims, Dims); 4] = [
        ("linear", &[None, Some(4)], &[None, Some(3)]),
        ("scalar", &[], &[]),
        ("fixed", &[Some(2), Some(3)], &[Some(2), Some(3)]),
        ("rank8", &[None; 8], &[None; 8]),
    ];
    for (name, input, output) in cases {
        let model = load(name);
        let [signature] = model.signatures() else {
            panic!("one signature")
        };
        assert_eq!(signature.name, "serving_default");
        assert_eq!(
            (
                signature.inputs[0].name.as_str(),
                signature.outputs[0].name.as_str()
            ),
            ("x", "y")
        );
        assert_eq!(signature.inputs[0].shape.as_deref(), Some(input), "{name}");
        assert_eq!(
            signature.outputs[0].shape.as_deref(),
            Some(output),
            "{name}"
        );
    }
    assert_eq!(load("unknown_rank").signatures()[0].inputs[0].shape, None);
    assert_eq!(
        load("identity_bfloat16").signatures()[0].inputs[0].dtype,
        DType::Bfloat16
    );
}

#[test]
fn every_kind_of_thread_gives_the_same_answer() {
    let artifact = Artifact::read(&spec("linear.onnx")).expect("reads");
    for threads in [Threads::Caller, Threads::SharedPool, Threads::Own(2)] {
        let model = engine()
            .load(
                &artifact,
                &LoadOptions {
                    threads,
                    signatures: vec![],
                    interpreters: 1,
                },
            )
            .expect("loads");
        let answer = model
            .run(0, vec![floats(&[1, 4], &[1.0, 1.0, 1.0, 1.0])])
            .expect("runs");
        assert_eq!(answer, [floats(&[1, 3], &[-2.0, 1.0, 4.0])], "{threads:?}");
    }
}

fn tensor_spec(name: &str, tensor: &str, dtype: DType, shape: &[Option<usize>]) -> TensorSpec {
    TensorSpec {
        name: name.to_owned(),
        tensor: tensor.to_owned(),
        dtype,
        shape: Some(shape.to_vec()),
        any_shape: false,
    }
}

fn signature(name: &str, input: TensorSpec, output: TensorSpec) -> Signature {
    Signature {
        name: name.to_owned(),
        inputs: vec![input],
        outputs: vec![output],
    }
}

fn load_with(name: &str, signatures: Vec<Signature>) -> Result<Box<dyn Model>> {
    let artifact = Artifact::read(&spec(&format!("{name}.onnx")))?;
    engine().load(
        &artifact,
        &LoadOptions {
            signatures,
            ..options()
        },
    )
}

#[test]
fn signatures_rename_and_choose() {
    let columns = || tensor_spec("columns", "x", DType::Float32, &[None, Some(4)]);
    let signatures = vec![
        signature(
            "serving_default",
            columns(),
            tensor_spec("class", "label", DType::Int64, &[None]),
        ),
        signature(
            "scores",
            columns(),
            tensor_spec("p", "scores", DType::Float32, &[None, Some(3)]),
        ),
    ];
    let model = load_with("two_heads", signatures.clone()).expect("loads");
    assert_eq!(model.signatures(), signatures);
    let input = floats(&[1, 4], &[1.0, 0.0, 0.0, 0.0]);
    let all = common::run("two_heads", [input.clone()]);
    assert_eq!(model.run(0, vec![input.clone()]).expect("runs"), all[..1]);
    assert_eq!(model.run(1, vec![input]).expect("runs"), all[1..]);
}

fn refusal(model: Result<Box<dyn Model>>) -> Error {
    model.err().expect("refused")
}

#[test]
fn signatures_that_do_not_fit_are_refused() {
    let x = || tensor_spec("x", "x", DType::Float32, &[None, Some(4)]);
    let y = || tensor_spec("y", "scores", DType::Float32, &[None, Some(3)]);
    let cases = [
        (
            signature("s", tensor_spec("x", "z", DType::Float32, &[None]), y()),
            "input `z` is not in the model, which has `x`",
        ),
        (
            signature(
                "s",
                x(),
                tensor_spec("y", "answer", DType::Float32, &[None]),
            ),
            "output `answer` is not in the model, which has `label`, `scores`",
        ),
        (
            signature("s", tensor_spec("x", "x", DType::Float64, &[None]), y()),
            "input `x` is float32 in the model, got float64",
        ),
        (
            Signature {
                inputs: vec![],
                ..signature("s", x(), y())
            },
            "input `x` is named 0 times, expected once",
        ),
        (
            Signature {
                inputs: vec![x(), x()],
                ..signature("s", x(), y())
            },
            "input `x` is named 2 times, expected once",
        ),
        (
            Signature {
                outputs: vec![],
                ..signature("s", x(), y())
            },
            "it has no output",
        ),
    ];
    for (signature, how) in cases {
        let error = refusal(load_with("two_heads", vec![signature]));
        assert_eq!(error.code(), ErrorCode::ArtifactInvalid);
        assert_eq!(
            error.message(),
            format!("signature `s` does not fit the model: {how}")
        );
    }
}

#[test]
fn outputs_that_are_no_tensors_are_refused_unless_left_out() {
    let error = refusal(try_load("zipmap"));
    assert_eq!(error.code(), ErrorCode::Unsupported);
    let want = "output `maps` of the model is not a tensor that can be served: got a sequence";
    assert_eq!(error.message(), want);
    assert!(error.hint().expect("says how").contains("'zipmap': False"));
    let x = || tensor_spec("x", "x", DType::Float32, &[None, Some(3)]);
    let scores = tensor_spec("p", "scores", DType::Float32, &[None, Some(3)]);
    let model = load_with("zipmap", vec![signature("s", x(), scores)]).expect("loads");
    let input = floats(&[1, 3], &[0.5, 0.25, 0.25]);
    assert_eq!(model.run(0, vec![input.clone()]).expect("runs"), [input]);
    let maps = tensor_spec("m", "maps", DType::Float32, &[None]);
    assert_eq!(
        refusal(load_with("zipmap", vec![signature("s", x(), maps)])).code(),
        ErrorCode::Unsupported
    );
}

#[test]
fn files_that_are_no_models_are_refused_in_words() {
    let cases = [
        (
            "corrupted",
            "ONNX Runtime cannot load the model: Failed to load model because protobuf parsing failed.",
        ),
        (
            "identity_complex64",
            "ONNX Runtime cannot load the model: Exception during loading: MLDataType for: tensor(complex64) is not \
             currently registered or supported",
        ),
    ];
    for (name, message) in cases {
        let error = refusal(try_load(name));
        assert_eq!(
            (error.code(), error.message()),
            (ErrorCode::LoadFailed, message)
        );
    }
    for bytes in [b"".as_slice(), b"not a model", &[0xFF; 4_096]] {
        let error = refusal(engine().load(&Artifact::from_bytes(bytes.to_vec()), &options()));
        assert_eq!(error.code(), ErrorCode::LoadFailed);
    }
}

#[test]
fn weights_in_other_files_need_a_private_copy() {
    let error = refusal(try_load("external"));
    assert_eq!(error.code(), ErrorCode::LoadFailed);
    assert!(
        error
            .hint()
            .expect("says how")
            .starts_with("the model keeps weights in other files"),
        "{error}"
    );
    assert!(!error.message().contains('/'), "{error}");
}

#[test]
fn a_private_copy_that_lacks_the_weights_says_so() {
    let folder = common::Scratch::new();
    let copy = folder.path().join("cache");
    let spec = common::copied(&fixtures(), "external.onnx", &["external.onnx"], &copy);
    let error = refusal(engine().load(&Artifact::read(&spec).expect("reads"), &options()));
    assert!(
        error
            .message()
            .contains("External data path does not exist"),
        "{error}"
    );
    assert!(!error.message().contains('/'), "{error}");
    assert!(
        error
            .hint()
            .expect("says how")
            .starts_with("publish all files"),
        "{error}"
    );
}

#[test]
fn a_private_copy_serves_after_it_and_its_source_are_gone() {
    let folder = common::Scratch::new();
    let source = folder.path().join("repository");
    std::fs::create_dir(&source).expect("makes");
    for name in ["external.onnx", "external.bin"] {
        std::fs::copy(fixtures().join(name), source.join(name)).expect("copies");
    }
    let copy = folder.path().join("cache/7");
    let spec = common::copied(
        &source,
        "external.onnx",
        &["external.onnx", "external.bin"],
        &copy,
    );
    let artifact = Artifact::read(&spec).expect("reads");
    std::fs::write(source.join("external.bin"), b"truncated").expect("overwrites");
    let model = engine().load(&artifact, &options()).expect("loads");
    drop(artifact);
    assert!(!copy.exists());
    let answer = model
        .run(0, vec![floats(&[1, 4], &[1.0, 1.0, 1.0, 1.0])])
        .expect("runs");
    assert_eq!(answer, [floats(&[1, 3], &[-2.0, 1.0, 4.0])]);
}
