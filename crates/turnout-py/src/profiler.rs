//! `turnout._dataplane.Profiler`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use turnout_core::snapshot::ServableSpec;
use turnout_core::{Error, Result, Tensor};
use turnout_engine::warmup::generate;
use turnout_engine::{Artifact, LoadOptions, Threads};

use crate::error::{from_json, raise};
use crate::silent;
use crate::tensors::{WireTensor, from_python};

/// See `_dataplane.pyi`.
#[pyclass(frozen, module = "turnout._dataplane")]
pub(crate) struct Profiler(Mutex<Option<Box<dyn turnout_engine::Profiler>>>);

#[pymethods]
impl Profiler {
    #[new]
    fn new(py: Python<'_>, servable_json: &str, folder: PathBuf) -> PyResult<Self> {
        let spec: ServableSpec = from_json(py, "servable", servable_json)?;
        let load = move || {
            let engine = turnout_engine::open(&spec.engine, &silent())?;
            let options = LoadOptions {
                threads: match spec.settings.intra_op_threads {
                    0 | 1 => Threads::Caller,
                    count => Threads::Own(count),
                },
                signatures: spec.signatures,
                savedmodel: spec.settings.savedmodel,
                interpreters: 1,
            };
            engine.profiler(&Artifact::read(&spec.artifact)?, &options, &folder)
        };
        let profiler = py.detach(load).map_err(|error| raise(py, &error))?;
        Ok(Self(Mutex::new(Some(profiler))))
    }

    fn signatures(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |profiler| {
            Ok(serde_json::json!(profiler.signatures()).to_string())
        })
    }

    fn run(
        &self,
        py: Python<'_>,
        signature: usize,
        inputs: Vec<WireTensor<'_>>,
        measured: bool,
    ) -> PyResult<()> {
        let inputs = inputs
            .into_iter()
            .map(|wire| from_python(py, wire))
            .collect::<PyResult<Vec<_>>>()?;
        self.with(py, |profiler| {
            let inputs = arrange(profiler, signature, inputs)?;
            profiler.run(signature, inputs, measured)
        })
    }

    fn run_generated(
        &self,
        py: Python<'_>,
        signature: usize,
        rows: usize,
        measured: bool,
    ) -> PyResult<()> {
        self.with(py, |profiler| {
            let described = &profiler.signatures().get(signature).ok_or_else(unknown)?;
            let inputs = generate::inputs(described, rows, 0)?;
            profiler.run(signature, inputs, measured)
        })
    }

    fn finish(&self, py: Python<'_>) -> PyResult<String> {
        let finish = || {
            let profiler = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            let profile = profiler.ok_or_else(over)?.finish()?;
            Ok(serde_json::json!(profile).to_string())
        };
        py.detach(finish).map_err(|error: Error| raise(py, &error))
    }
}

impl Profiler {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut dyn turnout_engine::Profiler) -> Result<T> + Send,
    ) -> PyResult<T> {
        py.detach(|| {
            let mut profiler = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            act(&mut **profiler.as_mut().ok_or_else(over)?)
        })
        .map_err(|error| raise(py, &error))
    }
}

fn over() -> Error {
    Error::internal("bug: the profile is finished")
}

fn unknown() -> Error {
    Error::internal("bug: no such signature")
}

/// Puts tensors into the signature's order and checks them against it, as a server's doors do.
fn arrange(
    profiler: &dyn turnout_engine::Profiler,
    signature: usize,
    mut given: Vec<(String, Tensor)>,
) -> Result<Vec<Tensor>> {
    let signature = profiler.signatures().get(signature).ok_or_else(unknown)?;
    let inputs = signature.inputs.iter().map(|spec| {
        let index = given.iter().position(|(name, _)| *name == spec.name);
        let index = index.ok_or_else(|| {
            Error::invalid_input(format!("the input is missing: `{}`", spec.name))
        })?;
        spec.fit(given.swap_remove(index).1)
    });
    inputs.collect()
}
