//! The extension module `turnout._dataplane`: the data plane as Python sees it. Nothing here decides.

mod data_plane;
mod error;
mod messages;
mod profiler;
mod tensors;

use pyo3::prelude::*;
use turnout_core::ErrorCode;
use turnout_core::event::LogLevel;
use turnout_core::snapshot::{ArtifactSpec, EngineSpec, ServableSettings};
use turnout_engine::{Artifact, LoadOptions, Threads};

use crate::error::{from_json, raise};

#[pymodule(name = "_dataplane")]
mod module {
    #[pymodule_export]
    use super::{
        bound_memory_retention,
        data_plane::DataPlane,
        inspect_artifact, list_error_codes, list_metrics, list_rest_routes,
        list_tf_serving_metrics,
        messages::{
            decode_predict_request, decode_predict_response, encode_predict_request, masked_crc32c,
        },
        probe_engine,
        profiler::Profiler,
    };

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python expects")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// Runtime logs of one-off calls have no server to go to.
fn silent() -> turnout_engine::LogSink {
    std::sync::Arc::new(|_: LogLevel, _: &str| ())
}

/// Process-wide, so it is for a process that is there for its server alone.
#[pyfunction]
fn bound_memory_retention() {
    turnout_engine::memory::bound_retention();
}

#[pyfunction]
fn inspect_artifact(
    py: Python<'_>,
    engine_json: &str,
    artifact_json: &str,
    settings_json: &str,
) -> PyResult<String> {
    let engine: EngineSpec = from_json(py, "engine", engine_json)?;
    let artifact: ArtifactSpec = from_json(py, "artifact", artifact_json)?;
    let settings: ServableSettings = from_json(py, "settings", settings_json)?;
    let inspect = || {
        let engine = turnout_engine::open(&engine, &silent())?;
        let options = LoadOptions {
            threads: Threads::Caller,
            signatures: Vec::new(),
            savedmodel: settings.savedmodel,
            interpreters: 1,
        };
        let model = engine.load(&Artifact::read(&artifact)?, &options)?;
        Ok(
            serde_json::json!({ "signatures": model.signatures(), "runtime": engine.version() })
                .to_string(),
        )
    };
    py.detach(inspect).map_err(|error| raise(py, &error))
}

#[pyfunction]
fn probe_engine(py: Python<'_>, engine_json: &str) -> PyResult<String> {
    let engine: EngineSpec = from_json(py, "engine", engine_json)?;
    let probe = || turnout_engine::open(&engine, &silent());
    let engine = py.detach(probe).map_err(|error| raise(py, &error))?;
    Ok(serde_json::json!({ "version": engine.version() }).to_string())
}

type CodeRow = (
    &'static str,
    bool,
    &'static str,
    u16,
    &'static str,
    &'static str,
);

#[pyfunction]
fn list_error_codes() -> Vec<CodeRow> {
    let row = |code: &ErrorCode| {
        let (http, grpc) = (
            turnout_server::rest::http_status(*code),
            turnout_server::grpc::status_name(*code),
        );
        (
            code.slug(),
            code.retryable(),
            code.python_class(),
            http,
            grpc,
            code.meaning(),
        )
    };
    ErrorCode::ALL.iter().map(row).collect()
}

type MetricRow = (&'static str, &'static str, &'static str, Vec<&'static str>);

fn metric_row(metric: &turnout_server::metrics::MetricInfo) -> MetricRow {
    (
        metric.name,
        metric.kind,
        metric.help,
        metric.labels.to_vec(),
    )
}

#[pyfunction]
fn list_metrics() -> Vec<MetricRow> {
    let metrics = turnout_server::metrics::METRICS.iter();
    metrics.map(metric_row).collect()
}

#[pyfunction]
fn list_tf_serving_metrics() -> Vec<MetricRow> {
    let metrics = turnout_server::metrics::TF_SERVING_METRICS.iter();
    metrics.map(metric_row).collect()
}

#[pyfunction]
fn list_rest_routes() -> Vec<(&'static str, &'static str, &'static str)> {
    turnout_server::rest::routes()
}
