//! The responses of Classify, Regress and `MultiInference`.

use turnout_core::{Error, Result};

use super::fields::inference::{
    CLASSES, CLASSIFICATION, LABEL, REGRESSION_FIELD, REGRESSIONS, RESPONSE_MODEL_SPEC, RESULT,
    RESULT_MODEL_SPEC, RESULTS, ROWS_OF_CLASSES, SCORE, VALUE,
};
use super::model_spec::{ModelSpecView, VersionField};
use super::writer::{
    bytes_len, float_field_len, put_bytes, put_bytes_head, put_float_field, put_message,
};
use crate::examples::{Class, InferenceResult};

/// One result with what made it.
#[derive(Debug)]
pub(crate) struct Inferred<'a> {
    pub(crate) model: &'a str,
    pub(crate) version: u64,
    pub(crate) signature: &'a str,
    pub(crate) result: InferenceResult<'a>,
}

impl<'a> Inferred<'a> {
    fn spec(&self) -> ModelSpecView<'a> {
        ModelSpecView {
            name: self.model,
            version: VersionField::Number(self.version.cast_signed()),
            signature_name: self.signature,
        }
    }
}

/// Serializes a `ClassificationResponse` or a `RegressionResponse` behind `head_bytes` zero bytes.
///
/// # Errors
/// `execution_failed` for a label that is not UTF-8: clients could not read the message.
pub(crate) fn encode_inference_response(
    inferred: &Inferred<'_>,
    head_bytes: usize,
) -> Result<Vec<u8>> {
    let mut out = vec![0; head_bytes];
    put_result(&mut out, RESULT, &inferred.result)?;
    put_spec(&mut out, RESPONSE_MODEL_SPEC, &inferred.spec());
    Ok(out)
}

/// Serializes a `MultiInferenceResponse` behind `head_bytes` zero bytes.
///
/// # Errors
/// As [`encode_inference_response`].
pub(crate) fn encode_multi_inference_response(
    results: &[Inferred<'_>],
    head_bytes: usize,
) -> Result<Vec<u8>> {
    let mut out = vec![0; head_bytes];
    for inferred in results {
        let arm = match inferred.result {
            InferenceResult::Classes(_) => CLASSIFICATION,
            InferenceResult::Values(_) => REGRESSION_FIELD,
        };
        let mut result = Vec::new();
        put_spec(&mut result, RESULT_MODEL_SPEC, &inferred.spec());
        put_result(&mut result, arm, &inferred.result)?;
        put_bytes(&mut out, RESULTS, &result);
    }
    Ok(out)
}

fn put_spec(out: &mut Vec<u8>, number: u32, spec: &ModelSpecView<'_>) {
    put_message(out, number, |out| spec.put(out));
}

fn put_result(out: &mut Vec<u8>, number: u32, result: &InferenceResult<'_>) -> Result<()> {
    match result {
        InferenceResult::Classes(table) => {
            let row_bytes: Vec<usize> = table.rows().map(row_len).collect();
            let total = row_bytes
                .iter()
                .map(|bytes| bytes_len(ROWS_OF_CLASSES, *bytes));
            put_bytes_head(out, number, total.sum());
            for (mut row, bytes) in table.rows().zip(row_bytes) {
                put_bytes_head(out, ROWS_OF_CLASSES, bytes);
                row.try_for_each(|class| put_class(out, &class))?;
            }
        }
        InferenceResult::Values(values) => {
            let value_len = |value: &f32| bytes_len(REGRESSIONS, float_field_len(VALUE, *value));
            put_bytes_head(out, number, values.iter().map(value_len).sum());
            for value in values.iter() {
                put_bytes_head(out, REGRESSIONS, float_field_len(VALUE, *value));
                put_float_field(out, VALUE, *value);
            }
        }
    }
    Ok(())
}

fn row_len<'a>(classes: impl Iterator<Item = Class<'a>>) -> usize {
    let lengths = classes.map(|class| bytes_len(CLASSES, class_len(&class)));
    lengths.sum()
}

fn class_len(class: &Class<'_>) -> usize {
    let label = class.label.with_text(|text| match text {
        [] => 0,
        text => bytes_len(LABEL, text.len()),
    });
    label + float_field_len(SCORE, class.score)
}

fn put_class(out: &mut Vec<u8>, class: &Class<'_>) -> Result<()> {
    put_bytes_head(out, CLASSES, class_len(class));
    class.label.with_text(|text| {
        if std::str::from_utf8(text).is_err() {
            return Err(Error::execution_failed(format!(
                "the label of a class is not UTF-8: `{}`",
                text.escape_ascii()
                    .take(128)
                    .map(char::from)
                    .collect::<String>()
            )));
        }
        if !text.is_empty() {
            put_bytes(out, LABEL, text);
        }
        Ok(())
    })?;
    put_float_field(out, SCORE, class.score);
    Ok(())
}
