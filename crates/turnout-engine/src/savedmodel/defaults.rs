//! Values of inputs that a request may leave out: the `defaults` of a `SignatureDef`.

use turnout_core::{Error, ErrorCode, Result, Shape, Signature, Tensor, Values};

use super::api::{Api, Buffer};
use super::meta_graph::MetaGraph;
use super::status::Outcome;
use super::values::{make_tensor, read_tensor};
use super::wire::{fields, map_entry};

/// One for each input of a signature, None where a request has to bring it.
pub(super) type Defaults = Vec<Option<Tensor>>;

/// Reads those of a signature; a manifest's signature has those of the graph's of the same name.
///
/// # Errors
/// `load_failed` when one is malformed, or not of its input's dtype.
pub(super) fn read(
    api: &'static Api,
    meta: &MetaGraph<'_>,
    signature: &Signature,
) -> Result<Defaults> {
    let mut defaults = vec![None; signature.inputs.len()];
    let found = meta
        .signatures
        .iter()
        .find(|(name, _)| *name == signature.name);
    let Some((_, message)) = found else {
        return Ok(defaults);
    };
    for field in fields(message) {
        let (4, entry) = field? else { continue };
        let (alias, message) = map_entry(entry.bytes()?)?;
        let Some(input) = signature.input(alias) else {
            continue;
        };
        let tensor = decode(api, message).map_err(|error| not_a_default(alias, error.message()))?;
        let (got, expected) = (tensor.dtype(), signature.inputs[input].dtype);
        if got != expected {
            return Err(not_a_default(
                alias,
                &format!("its dtype is {got}, and that of the input {expected}"),
            ));
        }
        defaults[input] = Some(tensor);
    }
    Ok(defaults)
}

fn not_a_default(alias: &str, why: &str) -> Error {
    Error::load_failed(format!(
        "the default value of the input `{alias}` cannot be read: {why}"
    ))
}

/// A serialized `TensorProto`, read by TensorFlow itself.
fn decode(api: &'static Api, message: &[u8]) -> Result<Tensor> {
    let outcome = Outcome::new(api);
    let empty = Tensor::new(Shape::from_slice(&[0]), Values::Uint8(Vec::new()))?;
    let tensor = make_tensor(api, empty)?;
    let buffer = Buffer::of(message);
    // SAFETY: the buffer is only read, during the call; the tensor is alive, and gets other contents.
    unsafe { (api.tensor_from_proto)(&raw const buffer, tensor.as_ptr(), outcome.as_ptr()) };
    outcome.check(ErrorCode::LoadFailed)?;
    read_tensor(api, &tensor)
}
