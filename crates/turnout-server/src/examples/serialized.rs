//! Examples as they came, for a graph that parses them.

use bytes::Bytes;
use turnout_core::{Error, Result, Shape, Tensor, Values};

use crate::grpc::wire::{InputView, Limit};

/// A vector of serialized Examples. The context is put before each: bytes in a row are one message, merged.
pub(super) fn tensor(input: &InputView<'_>, message: &Bytes, limit: Limit) -> Result<Tensor> {
    let context = input.context();
    check_size(input, context.len(), limit)?;
    let strings: Vec<Bytes> = if context.is_empty() {
        let whole = input.examples().map(|example| message.slice_ref(example));
        whole.collect()
    } else {
        with_context(input, &context)
    };
    Tensor::new(Shape::from_slice(&[strings.len()]), Values::String(strings))
}

/// All in one buffer, which the strings share.
fn with_context(input: &InputView<'_>, context: &[u8]) -> Vec<Bytes> {
    let mut merged = Vec::with_capacity(input.examples_bytes() + input.len() * context.len());
    let mut ends = Vec::with_capacity(input.len());
    for example in input.examples() {
        merged.extend_from_slice(context);
        merged.extend_from_slice(example);
        ends.push(merged.len());
    }
    let merged = Bytes::from(merged);
    let mut start = 0;
    let strings = ends.into_iter().map(|end| {
        let string = merged.slice(start..end);
        start = end;
        string
    });
    strings.collect()
}

/// A context of a megabyte before each of a million Examples is a short request, and a terabyte.
fn check_size(input: &InputView<'_>, context_bytes: usize, limit: Limit) -> Result<()> {
    let handles = input.len().checked_mul(size_of::<Bytes>());
    let contexts = input.len().checked_mul(context_bytes);
    let needed = handles
        .zip(contexts)
        .and_then(|(handles, contexts)| handles.checked_add(contexts));
    if needed.is_some_and(|needed| needed <= limit.bytes) {
        return Ok(());
    }
    Err(Error::too_large(format!(
        "the Examples with their context are over the limit of decoded bytes (`{}`): got {} Examples and {context_bytes} \
         bytes of context for each, limit {}",
        limit.setting,
        input.len(),
        limit.bytes
    )))
}
