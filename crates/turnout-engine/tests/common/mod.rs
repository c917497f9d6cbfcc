//! What the tests of real models share.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use turnout_core::event::LogLevel;
use turnout_core::snapshot::{ArtifactSpec, EngineSpec};
use turnout_core::{Result, Tensor, Values};
use turnout_engine::{Artifact, Engine, LoadOptions, LogSink, Model, Threads};

/// Lines that ONNX Runtime has logged in this process.
pub(crate) static LINES: Mutex<Vec<(LogLevel, String)>> = Mutex::new(Vec::new());

static ENGINE: LazyLock<Arc<dyn Engine>> =
    LazyLock::new(|| turnout_engine::open(&engine_spec(), &sink()).expect("opens"));

pub(crate) fn engine() -> &'static Arc<dyn Engine> {
    &ENGINE
}

pub(crate) fn engine_spec() -> EngineSpec {
    EngineSpec {
        kind: "onnx".to_owned(),
        library: library(),
    }
}

pub(crate) fn sink() -> LogSink {
    Arc::new(|level, line: &str| {
        LINES
            .lock()
            .expect("not poisoned")
            .push((level, line.to_owned()))
    })
}

/// ONNX Runtime's library: `TURNOUT_ONNXRUNTIME`, or where the Python of this checkout has it.
pub(crate) fn library() -> PathBuf {
    if let Some(path) = std::env::var_os("TURNOUT_ONNXRUNTIME") {
        return path.into();
    }
    let script = "import importlib.util, pathlib; \
                  folder = pathlib.Path(importlib.util.find_spec('onnxruntime').origin).parent; \
                  print(next((folder / 'capi').glob('libonnxruntime.so.1.*')))";
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
    let output = Command::new(&python).args(["-c", script]).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)
            .expect("a path")
            .trim()
            .into(),
        _ => panic!(
            "no ONNX Runtime: set TURNOUT_ONNXRUNTIME to libonnxruntime.so.1.*, or run `make setup`"
        ),
    }
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx")
}

/// A model file as a snapshot names one, without sizes and hashes.
pub(crate) fn spec(entry: &str) -> ArtifactSpec {
    ArtifactSpec {
        path: fixtures(),
        entry: entry.to_owned(),
        private_copy: None,
        files: Vec::new(),
    }
}

pub(crate) fn options() -> LoadOptions {
    LoadOptions {
        threads: Threads::Caller,
        signatures: Vec::new(),
    }
}

pub(crate) fn try_load(name: &str) -> Result<Box<dyn Model>> {
    engine().load(&Artifact::read(&spec(&format!("{name}.onnx")))?, &options())
}

pub(crate) fn load(name: &str) -> Box<dyn Model> {
    try_load(name).unwrap_or_else(|error| panic!("`{name}` loads: {error}"))
}

pub(crate) fn tensor(shape: &[usize], values: Values) -> Tensor {
    Tensor::new(shape.iter().copied().collect(), values).expect("shape and values agree")
}

pub(crate) fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    tensor(shape, Values::Float32(values.to_vec()))
}
