//! `tensorflow.serving.PredictionLog`: one recorded call, in warm-up files and request logs.

use super::WireError;
use super::reader::{Reader, Value};

const CLASSIFY: u32 = 2;
const REGRESS: u32 = 3;
const MULTI_INFERENCE: u32 = 4;
const SESSION_RUN: u32 = 5;
const PREDICT: u32 = 6;
const PREDICT_STREAMED: u32 = 7;

/// Of every kind's own message.
const REQUEST: u32 = 1;

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
