//! What the tests of real models share.
#![allow(dead_code, reason = "each test program uses some of it")]

pub(crate) mod litert;
pub(crate) mod tensorflow;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use turnout_core::event::LogLevel;
use turnout_core::snapshot::{ArtifactSpec, EngineSpec, FileSpec, SavedModelSettings};
use turnout_core::{Result, Tensor, Values};
use turnout_engine::{Artifact, Engine, LoadOptions, LogSink, Model, Threads};

/// Lines that ONNX Runtime has logged in this process.
pub(crate) static LINES: Mutex<Vec<(LogLevel, String)>> = Mutex::new(Vec::new());

/// Kept for good: the engine holds it weakly.
static SINK: LazyLock<LogSink> = LazyLock::new(|| {
    Arc::new(|level, line: &str| {
        let mut lines = LINES.lock().expect("not poisoned");
        lines.push((level, line.to_owned()));
    })
});

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
    SINK.clone()
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
        savedmodel: SavedModelSettings {
            tags: vec!["serve".to_owned()],
            inter_op_threads: None,
            session_config: Vec::new(),
        },
        interpreters: 4,
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

pub(crate) fn strings(shape: &[usize], values: &[&[u8]]) -> Tensor {
    tensor(
        shape,
        Values::String(
            values
                .iter()
                .map(|value| Bytes::copy_from_slice(value))
                .collect(),
        ),
    )
}

/// The answer of a fixture's default signature.
pub(crate) fn run(name: &str, inputs: impl IntoIterator<Item = Tensor>) -> Vec<Tensor> {
    let answer = load(name).run(0, inputs.into_iter().collect());
    answer.unwrap_or_else(|error| panic!("`{name}` runs: {error}"))
}

/// Resident memory of this process.
pub(crate) fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("has a line of it");
    let kib: i64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    kib * 1024
}

/// Threads of this process.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux").count()
}

/// A folder of one test, removed at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("turnout-engine-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("makes");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Files of `source` that are to be copied to `copy`.
pub(crate) fn copied(source: &Path, entry: &str, names: &[&str], copy: &Path) -> ArtifactSpec {
    let size_bytes = |name: &str| source.join(name).metadata().expect("exists").len();
    let file = |name: &&str| FileSpec {
        name: (*name).to_owned(),
        size_bytes: size_bytes(name),
        sha256: None,
    };
    ArtifactSpec {
        path: source.to_owned(),
        entry: entry.to_owned(),
        private_copy: Some(copy.to_owned()),
        files: names.iter().map(file).collect(),
    }
}

/// A model file of two square matrices, `width` rows each, written by hand: too large to be committed.
pub(crate) fn large_model(width: usize) -> Vec<u8> {
    let matrix = |name: &str, modulus: usize| {
        let dims: Vec<u8> = [width, width]
            .iter()
            .flat_map(|dim| number(1, *dim))
            .collect();
        let weights = (0..width * width)
            .flat_map(|index| ((index % modulus) as f32 / modulus as f32).to_le_bytes());
        let weights: Vec<u8> = weights.collect();
        bytes(
            5,
            &[
                dims,
                number(2, 1),
                bytes(8, name.as_bytes()),
                bytes(9, &weights),
            ]
            .concat(),
        )
    };
    let multiply = |left: &str, right: &str, product: &str| {
        let names = [
            bytes(1, left.as_bytes()),
            bytes(1, right.as_bytes()),
            bytes(2, product.as_bytes()),
        ];
        bytes(1, &[names.concat(), bytes(4, b"MatMul")].concat())
    };
    let value = |field: u8, name: &str| {
        let dims = [bytes(1, &bytes(2, b"batch")), bytes(1, &number(1, width))].concat();
        let kind = bytes(1, &[number(1, 1), bytes(2, &dims)].concat());
        bytes(
            field,
            &[bytes(1, name.as_bytes()), bytes(2, &kind)].concat(),
        )
    };
    let nodes = [multiply("x", "w", "h"), multiply("h", "v", "y")].concat();
    let graph = [
        nodes,
        bytes(2, b"large"),
        matrix("w", 97),
        matrix("v", 89),
        value(11, "x"),
        value(12, "y"),
    ]
    .concat();
    [number(1, 8), bytes(7, &graph), bytes(8, &number(2, 13))].concat()
}

/// A protobuf field of a number.
fn number(field: u8, value: usize) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

/// A protobuf field of bytes, a string or a message.
fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(value.len()), value.to_vec()].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut encoded = Vec::new();
    while value >= 0x80 {
        encoded.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    encoded.push(value.to_le_bytes()[0]);
    encoded
}
