//! The one way from a Rust error to a Python exception: the class of its code, found in `turnout.errors`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::de::DeserializeOwned;
use turnout_core::Error;

/// The exception for `error`, with its hint, and its cause as `__cause__`.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    build(py, error).unwrap_or_else(|failure| failure)
}

fn build(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = py
        .import("turnout.errors")?
        .getattr(error.code().python_class())?;
    let keywords = PyDict::new(py);
    keywords.set_item("hint", error.hint())?;
    let exception = PyErr::from_value(class.call((error.message(),), Some(&keywords))?);
    if let Some(source) = std::error::Error::source(error) {
        exception.set_cause(py, Some(PyRuntimeError::new_err(source.to_string())));
    }
    Ok(exception)
}

/// Parses what Python handed over as JSON.
///
/// # Errors
/// `ConfigError`, naming `what` and the place.
pub(crate) fn from_json<T: DeserializeOwned>(
    py: Python<'_>,
    what: &str,
    json: &str,
) -> PyResult<T> {
    serde_json::from_str(json).map_err(|source| {
        raise(
            py,
            &Error::config_invalid(format!("the {what} record cannot be read: {source}"))
                .with_source(source),
        )
    })
}
