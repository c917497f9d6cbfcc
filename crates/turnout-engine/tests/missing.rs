//! A process that has no ONNX Runtime.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use turnout_core::snapshot::EngineSpec;
use turnout_core::{Error, ErrorCode};
use turnout_engine::LogSink;

fn refusal(library: PathBuf) -> Error {
    let sink: LogSink = Arc::new(|_, _: &str| {});
    turnout_engine::open(
        &EngineSpec {
            kind: "onnx".to_owned(),
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
    for _ in 0..2 {
        let error = refusal(library.clone());
        assert_eq!(error.code(), ErrorCode::RuntimeMissing);
        assert!(
            error
                .message()
                .starts_with("ONNX Runtime's library cannot be opened: "),
            "{error}"
        );
        assert!(error.message().ends_with("invalid ELF header"), "{error}");
        assert_eq!(error.hint(), Some("pip install 'turnout[onnx]'"));
    }
}

#[test]
fn a_library_of_something_else_is_refused() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    let libc = maps
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .find(|path| path.contains("/libc.so"));
    let error = refusal(PathBuf::from(libc.expect("this program uses it")));
    assert_eq!(error.code(), ErrorCode::RuntimeMissing);
    assert!(
        error.message().ends_with("undefined symbol: OrtGetApiBase"),
        "{error}"
    );
}
