//! Column format: `inputs` is the only input's tensor, or an object of all inputs by name.

use turnout_core::signature::TensorSpec;
use turnout_core::{Error, Signature, Tensor};

use super::JsonOptions;
use super::column::Column;
use super::cursor::{Cursor, Parse, quote};
use super::leaf::base64_object;

/// Reads the value of `inputs`, at which `cursor` stands.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    signature: &Signature,
    options: JsonOptions,
) -> Parse<Vec<Tensor>> {
    if cursor.peek_token() == b'{' && base64_object(*cursor).is_none() {
        return read_named(cursor, signature, options);
    }
    match signature.inputs.as_slice() {
        [spec] => Ok(vec![read_input(cursor, spec, cursor.remaining_bytes())?]),
        _ => Err(Error::invalid_input(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per \
             tensorinfo_map",
        )
        .into()),
    }
}

fn read_input(cursor: &mut Cursor<'_>, spec: &TensorSpec, text_bytes: usize) -> Parse<Tensor> {
    let mut column = Column::new(spec.dtype, text_bytes);
    let shape = column.read(cursor)?;
    Ok(column.finish(spec, shape)?)
}

/// Other keys are ignored, and of a key that comes twice the first counts; unless the reading is strict.
fn read_named(
    cursor: &mut Cursor<'_>,
    signature: &Signature,
    options: JsonOptions,
) -> Parse<Vec<Tensor>> {
    let mut tensors: Vec<Option<Tensor>> = vec![None; signature.inputs.len()];
    let share = cursor.remaining_bytes() / signature.inputs.len().max(1);
    let mut more = !cursor.open(b'}');
    while more {
        let name = cursor.member_name()?;
        let input = signature.inputs.iter().position(|spec| name.is(&spec.name));
        match input.filter(|input| tensors[*input].is_none()) {
            Some(input) => {
                tensors[input] = Some(read_input(cursor, &signature.inputs[input], share)?);
            }
            None if options.strict => {
                return Err(Error::invalid_input(format!(
                    "input is unknown or comes twice in 'inputs' object: {}",
                    quote(name.to_text().as_bytes())
                ))
                .into());
            }
            None => cursor.skip_value()?,
        }
        more = cursor.next_member()?;
    }
    let named = tensors
        .into_iter()
        .zip(&signature.inputs)
        .map(|(tensor, spec)| {
            let missing = || {
                Error::invalid_input(format!(
                    "Missing named input: {} in 'inputs' object.",
                    spec.name
                ))
            };
            tensor.ok_or_else(missing)
        });
    Ok(named.collect::<Result<_, Error>>()?)
}
