//! A process that has no runtime.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use turnout_core::snapshot::EngineSpec;
use turnout_core::{Error, ErrorCode};
use turnout_engine::LogSink;

fn refusal(kind: &str, library: PathBuf) -> Error {
    let sink: LogSink = Arc::new(|_, _: &str| {});
    turnout_engine::open(
        &EngineSpec {
            kind: kind.to_owned(),
            library,
        },
        &sink,
    )
    .err()
    .expect("refused")
}

#[test]
fn what_is_no_library_is_refused_and_does_not_stop_another_try() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let runtimes = [
        ("onnx", "ONNX Runtime's", "pip install 'turnout[onnx]'"),
        (
            "savedmodel",
            "TensorFlow's",
            "pip install 'turnout[tensorflow]'",
        ),
    ];
    for (kind, whose, hint) in [runtimes, runtimes].concat() {
        let error = refusal(kind, library.clone());
        assert_eq!(error.code(), ErrorCode::RuntimeMissing);
        let fact = format!("{whose} library cannot be opened: ");
        assert!(error.message().starts_with(&fact), "{error}");
        assert!(error.message().ends_with("invalid ELF header"), "{error}");
        assert_eq!(error.hint(), Some(hint));
    }
}

#[test]
fn a_library_of_something_else_is_refused() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    let libc = maps
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .find(|path| path.contains("/libc.so"));
    let libc = PathBuf::from(libc.expect("this program uses it"));
    for (kind, symbol) in [("onnx", "OrtGetApiBase"), ("savedmodel", "TF_Version")] {
        let error = refusal(kind, libc.clone());
        assert_eq!(error.code(), ErrorCode::RuntimeMissing);
        let words = format!("undefined symbol: {symbol}");
        assert!(error.message().ends_with(&words), "{error}");
    }
}
