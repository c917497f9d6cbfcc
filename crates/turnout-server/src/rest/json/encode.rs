//! Output tensors to the answer's document.

use half::{bf16, f16};
use smallvec::SmallVec;
use turnout_core::{Error, Result, Signature, Tensor, TensorSpec, Values};

use super::Format;
use super::leaf::tensorflow_name;
use super::write::{write_base64, write_bool, write_f32, write_f64, write_integer, write_string};

/// About as many bytes of text for one element, brackets and comma included: what is reserved at first.
const TEXT_BYTES_PER_ELEMENT: usize = 12;

/// One output with what the writer needs to know of it.
struct Output<'a> {
    name: &'a str,
    tensor: &'a Tensor,
    as_base64: bool,
}

/// See [`super::encode_predict`].
pub(super) fn encode(
    outputs: &[Tensor],
    signature: &Signature,
    format: Format,
    out: &mut Vec<u8>,
) -> Result<()> {
    if outputs.is_empty() {
        return Err(Error::invalid_input(
            "Cannot convert empty tensor map to JSON",
        ));
    }
    if outputs.len() != signature.outputs.len() {
        return Err(Error::internal(
            "bug: another number of outputs than the signature's",
        ));
    }
    let outputs: SmallVec<[Output<'_>; 4]> =
        outputs.iter().zip(&signature.outputs).map(output).collect();
    for output in &outputs {
        check_dtype(output.tensor)?;
    }
    out.reserve(
        outputs
            .iter()
            .map(|output| output.tensor.values().len() * TEXT_BYTES_PER_ELEMENT + 64)
            .sum(),
    );
    match format {
        Format::Row => encode_rows(&outputs, out),
        Format::Column => {
            encode_columns(&outputs, out);
            Ok(())
        }
    }
}

fn output<'a>((tensor, spec): (&'a Tensor, &'a TensorSpec)) -> Output<'a> {
    Output {
        name: &spec.name,
        tensor,
        as_base64: spec.name.ends_with("_bytes"),
    }
}

fn check_dtype(tensor: &Tensor) -> Result<()> {
    match tensor.values() {
        Values::Complex64(_) | Values::Complex128(_) => Err(Error::invalid_input(format!(
            "Failed to write JSON value for tensor type: {}",
            tensorflow_name(tensor.dtype())
        ))),
        _ => Ok(()),
    }
}

fn encode_columns(outputs: &[Output<'_>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"outputs\":");
    if let [only] = outputs {
        write_block(only, only.tensor.shape(), 0, out);
    } else {
        write_members(outputs, out, |output, out| {
            write_block(output, output.tensor.shape(), 0, out);
        });
    }
    out.push(b'}');
}

fn encode_rows(outputs: &[Output<'_>], out: &mut Vec<u8>) -> Result<()> {
    let rows = common_rows(outputs)?;
    out.extend_from_slice(b"{\"predictions\":");
    if let [only] = outputs {
        write_block(only, only.tensor.shape(), 0, out);
    } else {
        write_list(rows, out, |row, out| {
            write_members(outputs, out, |output, out| {
                let dims = &output.tensor.shape()[1..];
                write_block(output, dims, row * dims.iter().product::<usize>(), out);
            });
        });
    }
    out.push(b'}');
    Ok(())
}

/// Dimension 0, which all outputs must share.
fn common_rows(outputs: &[Output<'_>]) -> Result<usize> {
    let mut common = None;
    for output in outputs {
        let name = output.name;
        let Some(rows) = output.tensor.shape().first().copied() else {
            return Err(Error::invalid_input(format!(
                "Tensor name: {name} has no shape information "
            )));
        };
        let expected = *common.get_or_insert(rows);
        if rows != expected {
            return Err(Error::invalid_input(format!(
                "Tensor name: {name} has inconsistent batch size: {rows} expecting: {expected}"
            )));
        }
    }
    Ok(common.unwrap_or(0))
}

fn write_members<'a>(
    outputs: &[Output<'a>],
    out: &mut Vec<u8>,
    write: impl Fn(&Output<'a>, &mut Vec<u8>),
) {
    let mut separator = b'{';
    for output in outputs {
        out.push(separator);
        write_string(output.name.as_bytes(), out);
        out.push(b':');
        write(output, out);
        separator = b',';
    }
    out.push(b'}');
}

fn write_list(length: usize, out: &mut Vec<u8>, mut write: impl FnMut(usize, &mut Vec<u8>)) {
    out.push(b'[');
    for index in 0..length {
        if index > 0 {
            out.push(b',');
        }
        write(index, out);
    }
    out.push(b']');
}

/// Writes the part of `dims` that begins at element `start`, chosen by type once and not once per element.
fn write_block(output: &Output<'_>, dims: &[usize], start: usize, out: &mut Vec<u8>) {
    macro_rules! nested {
        ($values:expr, $write:expr) => {
            write_nested($values, dims, start, out, &$write)
        };
    }
    match output.tensor.values() {
        Values::Bool(values) => nested!(values, |value, out| write_bool(*value, out)),
        Values::Int8(values) => nested!(values, |value, out| write_integer(*value, out)),
        Values::Int16(values) => nested!(values, |value, out| write_integer(*value, out)),
        Values::Int32(values) => nested!(values, |value, out| write_integer(*value, out)),
        Values::Int64(values) => nested!(values, |value, out| write_integer(*value, out)),
        Values::Uint8(values) => nested!(values, |value, out| write_integer(*value, out)),
        Values::Uint16(values) => nested!(values, |value, out| write_integer(*value, out)),
        Values::Uint32(values) => nested!(values, |value, out| write_integer(*value, out)),
        Values::Uint64(values) => nested!(values, |value, out| write_integer(*value, out)),
        Values::Float16(values) => nested!(values, |bits, out| write_f32(
            f16::from_bits(*bits).to_f32(),
            out
        )),
        Values::Bfloat16(values) => nested!(values, |bits, out| write_f32(
            bf16::from_bits(*bits).to_f32(),
            out
        )),
        Values::Float32(values) => nested!(values, |value, out| write_f32(*value, out)),
        Values::Float64(values) => nested!(values, |value, out| write_f64(*value, out)),
        Values::String(values) if output.as_base64 => {
            nested!(values, |value, out| write_base64(value, out));
        }
        Values::String(values) => nested!(values, |value, out| write_string(value, out)),
        // Refused before the first byte was written.
        Values::Complex64(_) | Values::Complex128(_) => {}
    }
}

/// One level of brackets per dimension; the depth of the recursion is the rank.
fn write_nested<T>(
    values: &[T],
    dims: &[usize],
    start: usize,
    out: &mut Vec<u8>,
    write: &impl Fn(&T, &mut Vec<u8>),
) {
    let Some((length, rest)) = dims.split_first() else {
        write(&values[start], out);
        return;
    };
    let stride: usize = rest.iter().product();
    write_list(*length, out, |index, out| {
        write_nested(values, rest, start + index * stride, out, write);
    });
}
