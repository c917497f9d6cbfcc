//! `tensorflow.serving.PredictionLog`: one recorded call, in warm-up files and request logs.

use turnout_core::Tensor;

use super::WireError;
use super::fields::predict;
use super::model_spec::{ModelSpecView, VersionField};
use super::predict_request::put_entry_head;
use super::reader::{Reader, Value};
use super::tensor_writer::{AnswerTensor, Carrier};
use super::writer::{
    WireType, bytes_len, put_bytes, put_bytes_head, put_key, put_message, put_varint_field,
};

const LOG_METADATA: u32 = 1;

const CLASSIFY: u32 = 2;
const REGRESS: u32 = 3;
const MULTI_INFERENCE: u32 = 4;
const SESSION_RUN: u32 = 5;
const PREDICT: u32 = 6;
const PREDICT_STREAMED: u32 = 7;

/// Of every kind's own message.
const REQUEST: u32 = 1;
const RESPONSE: u32 = 2;

mod metadata {
    pub(super) const MODEL_SPEC: u32 = 1;
    pub(super) const SAMPLING_CONFIG: u32 = 2;
    pub(super) const SAMPLING_RATE: u32 = 1;
    pub(super) const TIMESTAMP_SECS: u32 = 4;
    /// Turnout's own field, which others skip: microseconds from the last byte of the request to the answer.
    pub(super) const DURATION_US: u32 = 50_001;
}

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogKind {
    Classify,
    Regress,
    MultiInference,
    SessionRun,
    Predict,
    PredictStreamed,
}

impl LogKind {
    fn of_field(number: u32) -> Option<Self> {
        Some(match number {
            CLASSIFY => Self::Classify,
            REGRESS => Self::Regress,
            MULTI_INFERENCE => Self::MultiInference,
            SESSION_RUN => Self::SessionRun,
            PREDICT => Self::Predict,
            PREDICT_STREAMED => Self::PredictStreamed,
            _ => return None,
        })
    }

    fn field(self) -> u32 {
        match self {
            Self::Classify => CLASSIFY,
            Self::Regress => REGRESS,
            Self::MultiInference => MULTI_INFERENCE,
            Self::SessionRun => SESSION_RUN,
            Self::Predict => PREDICT,
            Self::PredictStreamed => PREDICT_STREAMED,
        }
    }

    /// The field's name in the message.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classify => "classify_log",
            Self::Regress => "regress_log",
            Self::MultiInference => "multi_inference_log",
            Self::SessionRun => "session_run_log",
            Self::Predict => "predict_log",
            Self::PredictStreamed => "predict_streamed_log",
        }
    }
}

/// A record that borrows from its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PredictionLogView<'a> {
    /// None where no kind is set that is known.
    pub(crate) kind: Option<LogKind>,
    /// The request, by the kind's own type.
    pub(crate) request: &'a [u8],
}

impl<'a> PredictionLogView<'a> {
    pub(crate) fn read(record: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self::default();
        let mut reader = Reader::new(record);
        while let Some((number, value)) = reader.field()? {
            if let (Some(kind), Value::Bytes(log)) = (LogKind::of_field(number), value) {
                view = Self {
                    kind: Some(kind),
                    request: request(log)?,
                };
            }
        }
        Ok(view)
    }
}

fn request(log: &[u8]) -> Result<&[u8], WireError> {
    let mut request: &[u8] = &[];
    let mut reader = Reader::new(log);
    while let Some((number, value)) = reader.field()? {
        if let (REQUEST, Value::Bytes(bytes)) = (number, value) {
            request = bytes;
        }
    }
    Ok(request)
}

/// What a record says of its call beside request and response.
pub(crate) struct LogMetadata<'a> {
    pub(crate) model: &'a str,
    /// The version that answered.
    pub(crate) version: u64,
    pub(crate) signature: &'a str,
    /// Which part of the calls was logged.
    pub(crate) sampling_rate: f64,
    pub(crate) timestamp_secs: u64,
    pub(crate) duration_us: u64,
}

impl LogMetadata<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        let spec = ModelSpecView {
            name: self.model,
            version: VersionField::Number(self.version.cast_signed()),
            signature_name: self.signature,
        };
        put_message(out, metadata::MODEL_SPEC, |out| spec.put(out));
        put_message(out, metadata::SAMPLING_CONFIG, |out| {
            put_key(out, metadata::SAMPLING_RATE, WireType::Fixed64);
            out.extend_from_slice(&self.sampling_rate.to_le_bytes());
        });
        put_varint_field(out, metadata::TIMESTAMP_SECS, self.timestamp_secs);
        put_varint_field(out, metadata::DURATION_US, self.duration_us);
    }
}

/// Serializes a record of a call, whose request and response are serialized already.
pub(crate) fn encode_prediction_log(
    metadata: &LogMetadata<'_>,
    kind: LogKind,
    request: &[u8],
    response: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(request.len() + response.len() + 256);
    put_message(&mut out, LOG_METADATA, |out| metadata.put(out));
    let log_bytes = bytes_len(REQUEST, request.len()) + bytes_len(RESPONSE, response.len());
    put_bytes_head(&mut out, kind.field(), log_bytes);
    put_bytes(&mut out, REQUEST, request);
    put_bytes(&mut out, RESPONSE, response);
    out
}

/// Serializes the `PredictRequest` that asks for the same as a request that came in another form.
pub(crate) fn encode_request_of_tensors(
    model: &str,
    signature: &str,
    inputs: &[(&str, &Tensor)],
) -> Vec<u8> {
    let spec = ModelSpecView {
        name: model,
        version: VersionField::None,
        signature_name: signature,
    };
    let mut out = Vec::new();
    put_message(&mut out, predict::REQUEST_MODEL_SPEC, |out| spec.put(out));
    for (name, tensor) in inputs {
        let tensor = AnswerTensor::new(tensor, Carrier::Typed);
        put_entry_head(&mut out, predict::INPUTS, name, tensor.encoded_len());
        tensor.put(&mut out);
    }
    out
}
