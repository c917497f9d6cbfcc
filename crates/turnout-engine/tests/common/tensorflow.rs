//! SavedModels that TensorFlow makes for the tests, and its own answers.
//!
//! They are made once per state of the script and release of TensorFlow, into the build folder. Where TensorFlow is not
//! installed, the tests say so and are passed over.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use turnout_core::snapshot::{ArtifactSpec, EngineSpec};
use turnout_core::{DType, Result, Tensor, Values};
use turnout_engine::{Artifact, Engine, Model};

use super::{Scratch, copied, options, sink, tensor};

const SCRIPT: &str = include_str!("../fixtures/make_savedmodel.py");

/// An installed TensorFlow and the models that it made.
pub(crate) struct TensorFlow {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) library: PathBuf,
    models: PathBuf,
    cases: Value,
}

/// A model and, for as long as it lives, the folder of its private copy.
pub(crate) struct Loaded {
    model: Box<dyn Model>,
    _scratch: Scratch,
}

impl Deref for Loaded {
    type Target = dyn Model;

    fn deref(&self) -> &Self::Target {
        &*self.model
    }
}

/// One call and what TensorFlow's own session answers.
pub(crate) struct Case {
    pub(crate) signature: String,
    pub(crate) what: String,
    pub(crate) inputs: Vec<(String, Tensor)>,
    pub(crate) answer: std::result::Result<Vec<(String, Tensor)>, String>,
}

static INSTALLED: LazyLock<Option<TensorFlow>> = LazyLock::new(find);

/// TensorFlow, or nothing and a line that says that the test is passed over.
#[allow(clippy::print_stderr, reason = "the test's only way to say it")]
pub(crate) fn installed() -> Option<&'static TensorFlow> {
    if INSTALLED.is_none() {
        eprintln!(
            "passed over: TensorFlow is not installed (`pip install tensorflow-cpu`, or set TENSORFLOW_PYTHON)"
        );
    }
    INSTALLED.as_ref()
}

/// `TENSORFLOW_PYTHON`, or the Python of this checkout.
pub(crate) fn python() -> PathBuf {
    std::env::var_os("TENSORFLOW_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python"),
        PathBuf::from,
    )
}

/// Nothing where it has no TensorFlow.
fn find() -> Option<TensorFlow> {
    let python = python();
    let script = "import importlib.util, pathlib; \
                  folder = pathlib.Path(importlib.util.find_spec('tensorflow').origin).parent; \
                  print(folder / 'libtensorflow_cc.so.2')";
    let output = Command::new(&python).args(["-c", script]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let library = PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim());
    let spec = EngineSpec {
        kind: "savedmodel".to_owned(),
        library: library.clone(),
    };
    let engine = turnout_engine::open(&spec, &sink()).expect("TensorFlow opens");
    let models = make_models(&python, "make_savedmodel.py", &[SCRIPT, engine.version()]);
    let cases = std::fs::read(models.join("cases.json")).expect("was made");
    Some(TensorFlow {
        engine,
        library,
        models,
        cases: serde_json::from_slice(&cases).expect("JSON"),
    })
}

/// The folder of the models that a script makes; one process makes them, and others wait for it. They are made again when
/// one of `versions` changes.
pub(crate) fn make_models(python: &Path, script: &str, versions: &[&str]) -> PathBuf {
    let digest = Sha256::digest(versions.concat());
    let stem = script.trim_start_matches("make_").trim_end_matches(".py");
    let name = digest[..6]
        .iter()
        .fold(format!("{stem}-"), |name, byte| format!("{name}{byte:02x}"));
    let models = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let lock = File::create(models.with_extension("lock")).expect("can be written");
    lock.lock().expect("locks");
    if !models.exists() {
        let partial = models.with_extension("partial");
        let _ = std::fs::remove_dir_all(&partial);
        let output = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/").to_owned() + script)
            .arg(&partial)
            .output()
            .expect("starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::rename(&partial, &models).expect("same disk");
    }
    models
}

impl TensorFlow {
    /// A model's files, as a snapshot names them, and a folder for the private copy that goes with what is returned.
    pub(crate) fn spec(&self, name: &str) -> (ArtifactSpec, Scratch) {
        let scratch = Scratch::new();
        let folder = self.models.join(name);
        let mut names = Vec::new();
        list(&folder, "", &mut names);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let copy = scratch.path().join("copy");
        (copied(&folder, "saved_model.pb", &names, &copy), scratch)
    }

    pub(crate) fn try_load(&self, name: &str) -> Result<Loaded> {
        let (spec, scratch) = self.spec(name);
        let model = self.engine.load(&Artifact::read(&spec)?, &options())?;
        Ok(Loaded {
            model,
            _scratch: scratch,
        })
    }

    pub(crate) fn load(&self, name: &str) -> Loaded {
        self.try_load(name)
            .unwrap_or_else(|error| panic!("`{name}` loads: {error}"))
    }

    pub(crate) fn cases(&self, name: &str) -> Vec<Case> {
        let cases = self.cases[name].as_array().expect("a list");
        cases.iter().map(Case::read).collect()
    }
}

fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("readable");
        let name = format!("{prefix}{}", entry.file_name().to_str().expect("ASCII"));
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{name}/"), names);
        } else {
            names.push(name);
        }
    }
}

impl Case {
    pub(crate) fn read(record: &Value) -> Self {
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        let answer = match text("error") {
            Some(words) => Err(words),
            None => Ok(read_tensors(&record["outputs"])),
        };
        Self {
            signature: text("signature").expect("a name"),
            what: text("what").expect("a name"),
            inputs: read_tensors(&record["inputs"]),
            answer,
        }
    }

    /// The index of the signature, and the inputs in its order.
    pub(crate) fn arrange(&self, model: &dyn Model) -> (usize, Vec<Tensor>) {
        let index = index_of(model, &self.signature);
        let find = |name: &str| self.inputs.iter().find(|(given, _)| given == name);
        let inputs = model.signatures()[index]
            .inputs
            .iter()
            .map(|spec| {
                let (_, tensor) = find(&spec.name).expect("every input is given");
                spec.fit(tensor.clone()).expect("any shape fits")
            })
            .collect();
        (index, inputs)
    }

    /// Asserts that the model answers as TensorFlow's session does, bit for bit.
    pub(crate) fn check(&self, model: &dyn Model) {
        let what = format!("{}, {}", self.signature, self.what);
        let (index, inputs) = self.arrange(model);
        let answer = model.run(index, inputs);
        match (&self.answer, answer) {
            (Ok(want), Ok(got)) => {
                let specs = &model.signatures()[index].outputs;
                assert_eq!(want.len(), got.len(), "{what}");
                for (spec, got) in specs.iter().zip(got) {
                    let (_, want) = want
                        .iter()
                        .find(|(name, _)| *name == spec.name)
                        .expect("named");
                    assert_eq!(want.shape(), got.shape(), "{what}: {}", spec.name);
                    assert_eq!(bits(want), bits(&got), "{what}: {}", spec.name);
                }
            }
            (Err(words), Err(error)) => {
                assert_eq!(without_numbers(error.message()), without_numbers(words));
            }
            (want, got) => panic!("{what}: wanted {:?}, got {got:?}", want.is_ok()),
        }
    }
}

/// Functions have numbers that another load gives them anew.
fn without_numbers(words: &str) -> String {
    words
        .chars()
        .filter(|character| !character.is_ascii_digit())
        .collect()
}

pub(crate) fn index_of(model: &dyn Model, signature: &str) -> usize {
    let found = model
        .signatures()
        .iter()
        .position(|each| each.name == signature);
    found.unwrap_or_else(|| panic!("no signature `{signature}`"))
}

/// Values that can be compared although not-a-number is unlike itself.
fn bits(tensor: &Tensor) -> (DType, Vec<Bytes>) {
    let values = match tensor.values() {
        Values::String(strings) => strings.clone(),
        fixed => vec![Bytes::copy_from_slice(
            fixed.as_bytes().expect("fixed-size"),
        )],
    };
    (tensor.dtype(), values)
}

pub(crate) fn read_tensors(record: &Value) -> Vec<(String, Tensor)> {
    let tensors = record.as_object().expect("an object").iter();
    tensors
        .map(|(name, record)| (name.clone(), read_tensor(record)))
        .collect()
}

fn read_tensor(record: &Value) -> Tensor {
    let decode = |value: &Value| {
        BASE64_STANDARD
            .decode(value.as_str().expect("text"))
            .expect("base64")
    };
    let dtype = DType::from_name(record["dtype"].as_str().expect("a name")).expect("known");
    let dims = record["shape"].as_array().expect("a list").iter();
    let shape: Vec<usize> = dims
        .map(|dim| usize::try_from(dim.as_u64().expect("a number")).expect("small"))
        .collect();
    let values = match &record["strings"] {
        Value::Array(strings) => {
            Values::String(strings.iter().map(|each| decode(each).into()).collect())
        }
        _ => Values::from_bytes(dtype, &decode(&record["bytes"])).expect("whole elements"),
    };
    tensor(&shape, values)
}
