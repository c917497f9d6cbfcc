//! Tensors across the seam: buffers in, bytearrays out.

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyTuple};
use turnout_core::{DType, Error, Shape, Tensor, Values};

use crate::error::raise;

/// `(name, dtype, shape, data)` as Python hands it over.
pub(crate) type WireTensor<'py> = (String, String, Vec<usize>, Bound<'py, PyAny>);

/// `(name, dtype, shape, data)` as Python gets it.
pub(crate) type ResultTensor<'py> = (String, &'static str, Bound<'py, PyTuple>, Bound<'py, PyAny>);

/// Copies a tensor out of Python.
///
/// # Errors
/// `InvalidInputError` when dtype, shape and data do not agree.
pub(crate) fn from_python(py: Python<'_>, wire: WireTensor<'_>) -> PyResult<(String, Tensor)> {
    let (name, dtype, shape, data) = wire;
    let invalid = |message: String| raise(py, &Error::invalid_input(message));
    let dtype = DType::from_name(&dtype)
        .ok_or_else(|| invalid(format!("input `{name}` has an unknown dtype: `{dtype}`")))?;
    let values = if dtype == DType::String {
        let items = data
            .try_iter()?
            .map(|item| Ok(Bytes::copy_from_slice(item?.cast::<PyBytes>()?.as_bytes())));
        Values::String(items.collect::<PyResult<_>>()?)
    } else {
        let bytes = PyBuffer::<u8>::get(&data)?.to_vec(py)?;
        let length = bytes.len();
        Values::from_bytes(dtype, &bytes).ok_or_else(|| {
            invalid(format!(
                "input `{name}` is not a whole number of {dtype} values: got {length} bytes"
            ))
        })?
    };
    let tensor = Tensor::new(Shape::from_vec(shape), values).map_err(|error| raise(py, &error))?;
    Ok((name, tensor))
}

/// Copies a tensor into Python.
pub(crate) fn to_python(
    py: Python<'_>,
    name: String,
    tensor: Tensor,
) -> PyResult<ResultTensor<'_>> {
    let dtype = tensor.dtype().name();
    let (shape, values) = tensor.into_parts();
    let data = match (&values, values.as_bytes()) {
        (Values::String(items), _) => {
            PyList::new(py, items.iter().map(|item| PyBytes::new(py, item)))?.into_any()
        }
        (_, bytes) => PyByteArray::new(py, bytes.unwrap_or_default()).into_any(),
    };
    Ok((name, dtype, PyTuple::new(py, shape)?, data))
}
