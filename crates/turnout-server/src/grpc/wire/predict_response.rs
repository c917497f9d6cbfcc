//! `tensorflow.serving.PredictResponse`: written by the server, read by the client.

use bytes::Bytes;
use turnout_core::{Result, Tensor};

use super::WireError;
use super::fields::predict;
use super::model_spec::{ModelSpecView, VersionField};
use super::predict_request::{
    NamedTensors, entry_len, keep_last_of_each_name, push, put_entry_head, tensor_entry, to_tensors,
};
use super::reader::{Reader, Value};
use super::tensor_writer::{AnswerTensor, Carrier};
use super::writer::{bytes_len, put_bytes_head};

/// What a response says.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub model: &'a str,
    pub version: u64,
    pub signature: &'a str,
    pub outputs: &'a [(&'a str, &'a Tensor)],
    pub carrier: Carrier,
}

/// Serializes a response behind `head_bytes` zero bytes, which the caller fills in.
pub fn encode_predict_response(answer: &Answer<'_>, head_bytes: usize) -> Vec<u8> {
    let spec = ModelSpecView {
        name: answer.model,
        version: VersionField::Number(answer.version.cast_signed()),
        signature_name: answer.signature,
    };
    let outputs = answer
        .outputs
        .iter()
        .map(|(name, tensor)| (*name, AnswerTensor::new(tensor, answer.carrier)));
    let outputs: smallvec::SmallVec<[_; 4]> = outputs.collect();
    let entry_bytes = |(name, tensor): &(&str, AnswerTensor<'_>)| {
        bytes_len(predict::OUTPUTS, entry_len(name, tensor.encoded_len()))
    };
    let total = outputs.iter().map(entry_bytes).sum::<usize>()
        + bytes_len(predict::RESPONSE_MODEL_SPEC, spec.encoded_len());
    let mut out = Vec::with_capacity(head_bytes + total);
    out.resize(head_bytes, 0);
    for (name, tensor) in &outputs {
        put_entry_head(&mut out, predict::OUTPUTS, name, tensor.encoded_len());
        tensor.put(&mut out);
    }
    put_bytes_head(&mut out, predict::RESPONSE_MODEL_SPEC, spec.encoded_len());
    spec.put(&mut out);
    out
}

/// Parses a response into its version and its outputs, sorted by name.
///
/// # Errors
/// `malformed_request` when it is not protobuf, `invalid_input` when a tensor is not whole, `request_too_large` when the
/// tensors would take more than `limit_bytes` of memory.
pub fn decode_predict_response(
    message: &Bytes,
    limit_bytes: usize,
) -> Result<(i64, Vec<(String, Tensor)>)> {
    let (mut version, mut views) = (0, NamedTensors::new());
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (predict::OUTPUTS, Value::Bytes(entry)) => push(&mut views, tensor_entry(entry)?)?,
            (predict::RESPONSE_MODEL_SPEC, Value::Bytes(bytes)) => {
                version = version_of(bytes, version)?;
            }
            _ => {}
        }
    }
    keep_last_of_each_name(&mut views);
    Ok((version, to_tensors(&views, message, limit_bytes)?))
}

fn version_of(message: &[u8], former: i64) -> Result<i64, WireError> {
    let mut spec = ModelSpecView {
        version: VersionField::Number(former),
        ..ModelSpecView::default()
    };
    spec.merge(message)?;
    Ok(if let VersionField::Number(version) = spec.version {
        version
    } else {
        former
    })
}
