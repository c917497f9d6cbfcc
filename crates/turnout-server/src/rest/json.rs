//! JSON of the REST door: request documents to tensors, tensors to answers. Pure functions, no DOM.

mod column;
mod columns;
mod cursor;
mod document;
mod encode;
mod examples;
mod leaf;
mod nest;
mod number;
mod results;
mod rows;
mod string;
mod strings;
mod write;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use turnout_core::{Result, Signature, Tensor};

use crate::examples::InferenceResult;

pub(crate) use write::write_string;

/// How a request gave its tensors, and so how the answer gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `instances` and `predictions`: one element per row.
    Row,
    /// `inputs` and `outputs`: whole tensors.
    Column,
}

/// What is accepted.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonOptions {
    /// Refuses what TensorFlow Serving takes although something in it is wrong: text behind the document, keys that nothing
    /// knows, and keys that come twice.
    pub strict: bool,
}

/// A predict request.
#[derive(Debug)]
pub struct DecodedPredict {
    /// The index of the signature.
    pub signature: usize,
    /// In the order of the signature's inputs, fitting their dtypes, ranks and fixed dimensions.
    pub inputs: Vec<Tensor>,
    pub format: Format,
}

/// A request of Classify or Regress.
#[derive(Debug)]
pub struct ExamplesDocument {
    /// Empty for the default one.
    pub signature_name: String,
    /// A serialized `ExampleListWithContext` with one Example at least.
    pub list: Bytes,
}

/// Reads a request of Classify or Regress into serialized Examples; no model is needed for it.
///
/// A feature's first value decides what it holds: text and base64 are bytes, a number with a point or an exponent is a float,
/// other numbers and truth values are integers. An empty list is a feature that holds nothing.
///
/// # Errors
/// `malformed_request` where the body is not JSON or lacks `examples`, `invalid_input` where a feature cannot be one.
pub fn decode_examples(body: &[u8], options: JsonOptions) -> Result<ExamplesDocument> {
    examples::decode(body, options)
}

/// Appends the answer of Classify or Regress. Labels are written byte by byte, so what is not UTF-8 stays as it is.
pub(crate) fn encode_results(result: &InferenceResult<'_>, out: &mut Vec<u8>) {
    results::encode(result, out);
}

/// Reads a predict request for a version that has `signatures`, the default one first.
///
/// Depth costs no stack, and what is reserved depends on the body's length alone.
///
/// # Errors
/// `malformed_request` where the body is not JSON, `signature_not_found`, and `invalid_input` or `unsupported` where the
/// document does not say what the signature expects; in this order, whatever the order of the keys.
pub fn decode_predict(
    body: &[u8],
    signatures: &[Signature],
    options: JsonOptions,
) -> Result<DecodedPredict> {
    document::decode(body, signatures, options)
}

/// Checks what can be checked of a predict request without its model.
///
/// # Errors
/// As [`decode_predict`]: these faults come before that of an unknown model.
pub fn check_document(body: &[u8], options: JsonOptions) -> Result<()> {
    document::check(body, options)
}

/// Appends the answer that holds `outputs`, which are in the order of the signature's outputs.
///
/// Floats are the shortest text that reads back as the same float; NaN and the infinities are bare tokens. Strings whose
/// output is named `…_bytes` are base64; other strings are written byte by byte, so what is not UTF-8 stays as it is.
///
/// # Errors
/// `invalid_input` for a scalar output or different numbers of rows in row format, and for complex numbers.
pub fn encode_predict(
    outputs: &[Tensor],
    signature: &Signature,
    format: Format,
    out: &mut Vec<u8>,
) -> Result<()> {
    encode::encode(outputs, signature, format, out)
}
