//! Signatures of a file as ours.

use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::{DType, Error, Result, Signature, TensorSpec};

use super::api::MAX_RANK;
use super::schema::{File, TensorInfo, invalid};

/// A signature, and where LiteRT finds it and its tensors.
#[derive(Debug)]
pub(super) struct Call {
    /// Among those of the file.
    pub(super) index: usize,
    /// The tensors of the graph's inputs, in its order; for each, which of the signature's inputs it is.
    pub(super) inputs: Vec<Port>,
    /// The tensors of the graph's outputs, in its order. One tensor may be several outputs.
    pub(super) outputs: Vec<Port>,
    /// For each output of the signature the tensor that it is.
    pub(super) answers: Vec<usize>,
    pub(super) state_change: Option<String>,
}

/// One input or output of a graph.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) tensor: usize,
    pub(super) dtype: DType,
    /// Which of the signature's inputs or outputs it is.
    pub(super) named: usize,
    /// None for unknown rank; a None dimension varies.
    pub(super) shape: Option<Vec<Option<usize>>>,
}

/// The signatures of a file, `serving_default` first, and how each is called.
///
/// # Errors
/// `unsupported` when a tensor is of a type that no door or LiteRT's interface can carry.
pub(super) fn read(file: &File) -> Result<Vec<(Signature, Call)>> {
    let mut read = (0..file.signatures.len())
        .map(|index| read_one(file, index))
        .collect::<Result<Vec<_>>>()?;
    read.sort_by(|(left, _), (right, _)| order(left).cmp(&order(right)));
    Ok(read)
}

fn order(signature: &Signature) -> (bool, &str) {
    (signature.name != DEFAULT_SIGNATURE, &signature.name)
}

fn read_one(file: &File, index: usize) -> Result<(Signature, Call)> {
    let named = &file.signatures[index];
    let graph = &file.subgraphs[named.subgraph];
    let specs = |named: &[(String, usize)]| {
        named
            .iter()
            .map(|(name, tensor)| spec(name, &graph.tensors[*tensor]))
            .collect::<Result<Vec<_>>>()
    };
    let signature = Signature {
        name: match named.key.as_str() {
            "" => DEFAULT_SIGNATURE.to_owned(),
            key => key.to_owned(),
        },
        inputs: specs(&named.inputs)?,
        outputs: specs(&named.outputs)?,
    };
    let call = Call {
        index,
        inputs: ports(&graph.inputs, &named.inputs, &signature.inputs)?,
        outputs: ports(&graph.outputs, &named.outputs, &signature.outputs)?,
        answers: named.outputs.iter().map(|(_, tensor)| *tensor).collect(),
        state_change: file.state_change(index).map(str::to_owned),
    };
    Ok((signature, call))
}

fn ports(graph: &[usize], named: &[(String, usize)], specs: &[TensorSpec]) -> Result<Vec<Port>> {
    graph
        .iter()
        .map(|tensor| {
            let position = named
                .iter()
                .position(|(_, index)| index == tensor)
                .ok_or_else(|| Error::internal("bug: a tensor without a name"))?;
            Ok(Port {
                tensor: *tensor,
                dtype: specs[position].dtype,
                named: position,
                shape: specs[position].shape.clone(),
            })
        })
        .collect()
}

fn spec(name: &str, tensor: &TensorInfo) -> Result<TensorSpec> {
    if tensor
        .shape
        .as_ref()
        .is_some_and(|dims| dims.len() > MAX_RANK)
    {
        return Err(Error::unsupported(format!(
            "`{name}` has more dimensions than LiteRT's interface carries: expected at most {MAX_RANK}"
        )));
    }
    if tensor
        .shape
        .as_ref()
        .is_some_and(|dims| dims.iter().any(|dim| *dim < -1))
    {
        return Err(invalid(&format!("`{name}` has a dimension below -1")));
    }
    Ok(TensorSpec {
        name: name.to_owned(),
        tensor: name.to_owned(),
        dtype: dtype_of(tensor.element).map_err(|what| {
            Error::unsupported(format!(
                "`{name}` is of a type that cannot be served from LiteRT: {what}"
            ))
        })?,
        shape: tensor
            .shape
            .as_ref()
            .map(|dims| dims.iter().map(|dim| usize::try_from(*dim).ok()).collect()),
        any_shape: false,
    })
}

/// The dtype of a number of `TensorType`, or what else it is. LiteRT's interface has no strings, though its kernels have.
fn dtype_of(number: u8) -> Result<DType, String> {
    Ok(match number {
        0 => DType::Float32,
        1 => DType::Float16,
        2 => DType::Int32,
        3 => DType::Uint8,
        4 => DType::Int64,
        6 => DType::Bool,
        7 => DType::Int16,
        8 => DType::Complex64,
        9 => DType::Int8,
        10 => DType::Float64,
        12 => DType::Uint64,
        15 => DType::Uint32,
        16 => DType::Uint16,
        18 => DType::Bfloat16,
        5 => return Err("string".to_owned()),
        11 => return Err("complex128".to_owned()),
        17 => return Err("int4".to_owned()),
        other => return Err(format!("number {other} of the format")),
    })
}

/// The number of `LiteRtElementType` for a dtype.
pub(super) fn element_of(dtype: DType) -> Result<i32> {
    Ok(match dtype {
        DType::Float32 => 1,
        DType::Int32 => 2,
        DType::Uint8 => 3,
        DType::Int64 => 4,
        DType::Bool => 6,
        DType::Int16 => 7,
        DType::Complex64 => 8,
        DType::Int8 => 9,
        DType::Float16 => 10,
        DType::Float64 => 11,
        DType::Uint64 => 13,
        DType::Uint32 => 16,
        DType::Uint16 => 17,
        DType::Bfloat16 => 19,
        DType::Complex128 | DType::String => {
            return Err(Error::unsupported(format!(
                "LiteRT's interface has no {dtype} tensors"
            )));
        }
    })
}
