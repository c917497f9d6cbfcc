//! The messages of Predict for Python's gRPC client. See `_dataplane.pyi`.

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use turnout_core::{DType, Error, Shape};
use turnout_server::grpc::wire::{self, TensorContent, TensorParts};

use crate::error::raise;
use crate::tensors::{ResultTensor, WireTensor, to_python};

/// The most memory that the tensors of one answer may take: more fits in no gRPC message.
const MAX_ANSWER_BYTES: usize = u32::MAX as usize;

/// Data copied out of Python.
enum Data {
    Fixed(Vec<u8>),
    Strings(Vec<Vec<u8>>),
}

#[pyfunction]
pub(crate) fn encode_predict_request<'py>(
    py: Python<'py>,
    model: &str,
    version: Option<i64>,
    signature: &str,
    inputs: Vec<WireTensor<'py>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let inputs = inputs
        .into_iter()
        .map(|(name, dtype, shape, data)| {
            let dtype = dtype_named(py, &name, &dtype)?;
            Ok((name, dtype, shape, data_from_python(py, dtype, &data)?))
        })
        .collect::<PyResult<Vec<_>>>()?;
    let encoded = py.detach(|| {
        let texts: Vec<Vec<&[u8]>> = inputs.iter().map(|(.., data)| data.texts()).collect();
        let parts: Vec<_> = inputs
            .iter()
            .zip(&texts)
            .map(|((name, dtype, shape, data), texts)| {
                let content = data.content(texts);
                let shape = Shape::from_slice(shape);
                let dtype = *dtype;
                (
                    name.as_str(),
                    TensorParts {
                        dtype,
                        shape,
                        content,
                    },
                )
            })
            .collect();
        wire::encode_predict_request(model, version, signature, &parts)
    });
    let message = encoded.map_err(|error| raise(py, &error))?;
    Ok(PyBytes::new(py, &message))
}

#[pyfunction]
pub(crate) fn decode_predict_response<'py>(
    py: Python<'py>,
    message: &Bound<'py, PyAny>,
) -> PyResult<(i64, Vec<ResultTensor<'py>>)> {
    let message = Bytes::from(PyBuffer::<u8>::get(message)?.to_vec(py)?);
    let decoded = py.detach(|| wire::decode_predict_response(&message, MAX_ANSWER_BYTES));
    let (version, outputs) = decoded.map_err(|error| raise(py, &error))?;
    let outputs = outputs
        .into_iter()
        .map(|(name, tensor)| to_python(py, name, tensor));
    Ok((version, outputs.collect::<PyResult<_>>()?))
}

#[pyfunction]
pub(crate) fn decode_predict_request<'py>(
    py: Python<'py>,
    message: &Bound<'py, PyAny>,
) -> PyResult<(String, String, Vec<ResultTensor<'py>>)> {
    let message = Bytes::from(PyBuffer::<u8>::get(message)?.to_vec(py)?);
    let decoded = py.detach(|| wire::decode_predict_request(&message, MAX_ANSWER_BYTES));
    let request = decoded.map_err(|error| raise(py, &error))?;
    let inputs = request.inputs.into_iter();
    let inputs = inputs.map(|(name, tensor)| to_python(py, name, tensor));
    Ok((
        request.model,
        request.signature,
        inputs.collect::<PyResult<_>>()?,
    ))
}

#[pyfunction]
pub(crate) fn masked_crc32c(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<u32> {
    let data = PyBuffer::<u8>::get(data)?.to_vec(py)?;
    Ok(py.detach(|| turnout_core::tfrecord::masked_crc32c(&data)))
}

fn dtype_named(py: Python<'_>, name: &str, dtype: &str) -> PyResult<DType> {
    DType::from_name(dtype).ok_or_else(|| {
        let text = format!("input `{name}` has an unknown dtype: `{dtype}`");
        raise(py, &Error::invalid_input(text))
    })
}

fn data_from_python(py: Python<'_>, dtype: DType, data: &Bound<'_, PyAny>) -> PyResult<Data> {
    if dtype != DType::String {
        return Ok(Data::Fixed(PyBuffer::<u8>::get(data)?.to_vec(py)?));
    }
    let items = data
        .try_iter()?
        .map(|item| Ok(item?.cast::<PyBytes>()?.as_bytes().to_vec()));
    Ok(Data::Strings(items.collect::<PyResult<_>>()?))
}

impl Data {
    fn texts(&self) -> Vec<&[u8]> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Strings(texts) => texts.iter().map(Vec::as_slice).collect(),
        }
    }

    fn content<'a>(&'a self, texts: &'a [&'a [u8]]) -> TensorContent<'a> {
        match self {
            Self::Fixed(bytes) => TensorContent::Fixed(bytes),
            Self::Strings(_) => TensorContent::Strings(texts),
        }
    }
}
