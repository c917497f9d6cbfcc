//! TensorFlow Lite models that the tests' script makes, and the answers of LiteRT's own interpreter.
//!
//! Made once per state of the script and release, as SavedModels are. Where TensorFlow or LiteRT is not installed, the
//! tests say so and are passed over.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use turnout_core::snapshot::{ArtifactSpec, EngineSpec};
use turnout_core::{Result, Tensor};
use turnout_engine::{Artifact, Engine, Model};

use super::tensorflow::{Case, make_models, python, read_tensors};
use super::{options, sink};

const SCRIPT: &str = include_str!("../fixtures/make_tflite.py");

/// An installed LiteRT and the models that TensorFlow made.
pub(crate) struct LiteRt {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) library: PathBuf,
    models: PathBuf,
    cases: Value,
}

static INSTALLED: LazyLock<Option<LiteRt>> = LazyLock::new(find);

/// LiteRT, or nothing and a line that says that the test is passed over.
#[allow(clippy::print_stderr, reason = "the test's only way to say it")]
pub(crate) fn litert() -> Option<&'static LiteRt> {
    if INSTALLED.is_none() {
        eprintln!(
            "passed over: LiteRT or TensorFlow is not installed (`pip install ai-edge-litert tensorflow-cpu`)"
        );
    }
    INSTALLED.as_ref()
}

/// `TURNOUT_LITERT`, or where the Python of this checkout has it; nothing where that has no LiteRT or no TensorFlow.
fn find() -> Option<LiteRt> {
    let python = python();
    let script = "import importlib.util, pathlib; \
                  importlib.util.find_spec('tensorflow').origin; \
                  folder = pathlib.Path(importlib.util.find_spec('ai_edge_litert').origin).parent; \
                  print(folder / 'libLiteRt.so')";
    let output = Command::new(&python).args(["-c", script]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let found = String::from_utf8(output.stdout).expect("a path");
    let library = std::env::var_os("TURNOUT_LITERT").map_or(found.trim().into(), PathBuf::from);
    let engine = turnout_engine::open(&engine_spec(&library), &sink()).expect("LiteRT opens");
    let models = make_models(&python, "make_tflite.py", &[SCRIPT, engine.version()]);
    let cases = std::fs::read(models.join("cases.json")).expect("was made");
    Some(LiteRt {
        engine,
        library,
        models,
        cases: serde_json::from_slice(&cases).expect("JSON"),
    })
}

pub(crate) fn engine_spec(library: &Path) -> EngineSpec {
    EngineSpec {
        kind: "tflite".to_owned(),
        library: library.to_owned(),
    }
}

impl LiteRt {
    pub(crate) fn spec(&self, name: &str) -> ArtifactSpec {
        ArtifactSpec {
            path: self.models.join(name),
            entry: "model.tflite".to_owned(),
            private_copy: None,
            files: Vec::new(),
        }
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.models.join(name).join("model.tflite")).expect("was made")
    }

    pub(crate) fn try_load(&self, name: &str) -> Result<Box<dyn Model>> {
        self.engine
            .load(&Artifact::read(&self.spec(name))?, &options())
    }

    pub(crate) fn load(&self, name: &str) -> Box<dyn Model> {
        self.try_load(name)
            .unwrap_or_else(|error| panic!("`{name}` loads: {error}"))
    }

    pub(crate) fn cases(&self, name: &str) -> Vec<Case> {
        let cases = self.cases[name].as_array().expect("a list");
        cases.iter().map(Case::read).collect()
    }

    /// What TensorFlow itself answers, where a model was made from its functions.
    pub(crate) fn by_tensorflow(&self, name: &str, case: usize) -> Option<Vec<(String, Tensor)>> {
        let record = &self.cases[name][case]["tensorflow"];
        record.is_object().then(|| read_tensors(record))
    }
}
