//! Signatures of a `MetaGraphDef` as ours.

use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::{DType, Error, Result, Signature, TensorSpec};

use super::meta_graph::MetaGraph;
use super::values::dtype_of_value;
use super::wire::{fields, map_entry};

/// What TensorFlow runs when it loads a model, written down as if it were a signature.
const INIT_SIGNATURE: &str = "__saved_model_init_op";

/// The signatures that clients can call, `serving_default` first, the others by name. `warn` hears of each that they
/// cannot, and why.
///
/// # Errors
/// `load_failed` when there is none, or the description is malformed.
pub(super) fn read(graph: &MetaGraph<'_>, warn: &dyn Fn(&str)) -> Result<Vec<Signature>> {
    let mut signatures = Vec::new();
    let mut reasons = Vec::new();
    for (name, message) in &graph.signatures {
        match read_signature(name, message)? {
            _ if *name == INIT_SIGNATURE => {}
            Ok(signature) => signatures.push(signature),
            Err(reason) => reasons.push(format!("signature `{name}` cannot be served: {reason}")),
        }
    }
    if signatures.is_empty() {
        let because = match reasons.as_slice() {
            [] => "the SavedModel has no signature that can be served".to_owned(),
            reasons => reasons.join("; "),
        };
        return Err(Error::load_failed(because)
            .with_hint("save it with `signatures`, such as `serving_default`"));
    }
    for reason in &reasons {
        warn(reason);
    }
    signatures.sort_by(|left, right| order(left).cmp(&order(right)));
    Ok(signatures)
}

fn order(signature: &Signature) -> (bool, &str) {
    (signature.name != DEFAULT_SIGNATURE, &signature.name)
}

/// The signature, or why no door can carry its tensors.
fn read_signature(name: &str, message: &[u8]) -> Result<Result<Signature, String>> {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for field in fields(message) {
        let (specs, entry) = match field? {
            (1, entry) => (&mut inputs, entry),
            (2, entry) => (&mut outputs, entry),
            _ => continue,
        };
        let (alias, info) = map_entry(entry.bytes()?)?;
        match read_tensor(alias, info)? {
            Ok(spec) => specs.push(spec),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    for specs in [&mut inputs, &mut outputs] {
        specs.sort_by(|left: &TensorSpec, right| left.name.cmp(&right.name));
    }
    Ok(Ok(Signature {
        name: name.to_owned(),
        inputs,
        outputs,
    }))
}

/// A `TensorInfo`: name 1, dtype 2, shape 3; tensors of several parts have no name.
fn read_tensor(alias: &str, message: &[u8]) -> Result<Result<TensorSpec, String>> {
    let (mut tensor, mut number, mut shape) = ("", 0, Some(Vec::new()));
    for field in fields(message) {
        match field? {
            (1, field) => tensor = field.text()?,
            (2, field) => number = field.number()?,
            (3, field) => shape = read_shape(field.bytes()?)?,
            _ => {}
        }
    }
    if tensor.is_empty() {
        return Ok(Err(format!("`{alias}` is not one dense tensor")));
    }
    Ok(match i32::try_from(number).ok().and_then(dtype_of_value) {
        Some(dtype) => Ok(spec(alias, tensor, dtype, shape)),
        None => Err(format!(
            "`{alias}` is of a TensorFlow type that clients cannot send: {number}"
        )),
    })
}

fn spec(alias: &str, tensor: &str, dtype: DType, shape: Option<Vec<Option<usize>>>) -> TensorSpec {
    TensorSpec {
        name: alias.to_owned(),
        tensor: tensor.to_owned(),
        dtype,
        shape,
        any_shape: true,
    }
}

/// A `TensorShapeProto`: dimensions 2, whether the rank is unknown 3. A size below zero varies.
fn read_shape(message: &[u8]) -> Result<Option<Vec<Option<usize>>>> {
    let mut dims = Vec::new();
    for field in fields(message) {
        match field? {
            (2, dim) => dims.push(read_dimension(dim.bytes()?)?),
            (3, unknown) if unknown.number()? != 0 => return Ok(None),
            _ => {}
        }
    }
    Ok(Some(dims))
}

fn read_dimension(message: &[u8]) -> Result<Option<usize>> {
    let mut size = 0;
    for field in fields(message) {
        if let (1, field) = field? {
            size = field.number()?.cast_signed();
        }
    }
    Ok(usize::try_from(size).ok())
}
