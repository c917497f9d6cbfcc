//! `turnout._dataplane.DataPlane`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use turnout_core::snapshot::{Settings, Snapshot};
use turnout_core::{Error, ErrorCode};
use turnout_server::TlsFiles;
use turnout_server::dataplane::Call;

use crate::error::{from_json, raise};
use crate::tensors::{ResultTensor, WireTensor, from_python, to_python};

/// See `_dataplane.pyi`.
#[pyclass(frozen, module = "turnout._dataplane")]
pub(crate) struct DataPlane {
    inner: Arc<turnout_server::DataPlane>,
    /// The process that made it; threads do not survive `fork()`.
    pid: u32,
}

impl DataPlane {
    fn check_pid(&self, py: Python<'_>) -> PyResult<()> {
        if self.pid == std::process::id() {
            return Ok(());
        }
        let error = Error::new(
            ErrorCode::Forked,
            "this object was made before `fork()` and cannot be used in the child",
        )
        .with_hint("make it after the fork: load models in each worker process");
        Err(raise(py, &error))
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            // In a forked child the threads do not exist, so waiting for them would never end: leave all as it is.
            std::mem::forget(Arc::clone(&self.inner));
        }
    }
}

#[pymethods]
impl DataPlane {
    #[new]
    fn new(py: Python<'_>, settings_json: &str) -> PyResult<Self> {
        let settings: Settings = from_json(py, "settings", settings_json)?;
        let made = py.detach(|| turnout_server::DataPlane::new(settings));
        let inner = Arc::new(made.map_err(|error| raise(py, &error))?);
        Ok(Self {
            inner,
            pid: std::process::id(),
        })
    }

    #[pyo3(signature = (door, address, reuse_port, tls=None))]
    fn listen(
        &self,
        py: Python<'_>,
        door: &str,
        address: &str,
        reuse_port: bool,
        tls: Option<(PathBuf, PathBuf, Option<PathBuf>)>,
    ) -> PyResult<String> {
        self.check_pid(py)?;
        let tls = tls.map(|(certificate, key, client_ca)| TlsFiles {
            certificate,
            key,
            client_ca,
        });
        py.detach(|| self.inner.listen(door, address, reuse_port, tls))
            .map_err(|error| raise(py, &error))
    }

    fn reload_certificates(&self, py: Python<'_>) -> PyResult<()> {
        self.check_pid(py)?;
        py.detach(|| self.inner.reload_certificates())
            .map_err(|error| raise(py, &error))
    }

    fn apply(&self, py: Python<'_>, snapshot_json: &str) -> PyResult<()> {
        self.check_pid(py)?;
        let snapshot: Snapshot = from_json(py, "snapshot", snapshot_json)?;
        py.detach(|| self.inner.apply(snapshot))
            .map_err(|error| raise(py, &error))
    }

    fn next_event(&self, py: Python<'_>, timeout_ms: u64) -> PyResult<Option<String>> {
        self.check_pid(py)?;
        let event = py.detach(|| self.inner.next_event(Duration::from_millis(timeout_ms)));
        let to_json = |event| serde_json::to_string(&event).expect("bug: an event is always JSON");
        Ok(event.map(to_json))
    }

    #[pyo3(signature = (command, code, message))]
    fn answer(
        &self,
        py: Python<'_>,
        command: u64,
        code: Option<&str>,
        message: &str,
    ) -> PyResult<()> {
        self.check_pid(py)?;
        let result = code.map_or(Ok(()), |slug| {
            let known = ErrorCode::ALL.iter().find(|code| code.slug() == slug);
            let code = known.copied().unwrap_or(ErrorCode::Internal);
            Err(Error::new(code, message))
        });
        self.inner.answer(command, result);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the signature that Python sees")]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        model: &str,
        version: Option<u64>,
        signature: Option<&str>,
        inputs: Vec<WireTensor<'py>>,
        timeout_ms: Option<u64>,
    ) -> PyResult<(u64, Vec<ResultTensor<'py>>)> {
        self.check_pid(py)?;
        let inputs = inputs
            .into_iter()
            .map(|wire| from_python(py, wire))
            .collect::<PyResult<_>>()?;
        let timeout = timeout_ms.map(Duration::from_millis);
        let call = Call {
            model,
            version,
            signature,
            inputs,
            timeout,
        };
        let answer = py
            .detach(|| self.inner.predict(call))
            .map_err(|error| raise(py, &error))?;
        let outputs = answer
            .outputs
            .into_iter()
            .map(|(name, tensor)| to_python(py, name, tensor));
        Ok((answer.version, outputs.collect::<PyResult<_>>()?))
    }

    fn status(&self, py: Python<'_>) -> PyResult<String> {
        self.check_pid(py)?;
        Ok(serde_json::to_string(&py.detach(|| self.inner.status()))
            .expect("bug: a status is always JSON"))
    }

    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        self.check_pid(py)?;
        Ok(py.detach(|| self.inner.metrics()))
    }

    fn drain(&self, py: Python<'_>, delay_ms: u64, timeout_ms: u64) -> PyResult<bool> {
        self.check_pid(py)?;
        let (delay, timeout) = (
            Duration::from_millis(delay_ms),
            Duration::from_millis(timeout_ms),
        );
        Ok(py.detach(|| self.inner.drain(delay, timeout)))
    }

    fn close(&self, py: Python<'_>) {
        // In a forked child there is nothing to stop: the threads stayed with the parent.
        if self.pid == std::process::id() {
            py.detach(|| self.inner.close());
        }
    }
}
