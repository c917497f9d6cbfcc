//! Reshapes to a size that the model computes, as reshapes to a size that is known.
//!
//! Converters write `reshape(x, [shape(x)[0], 3, 4])` with operators that compute the size, and declare the result as
//! `[-1, 3, 4]`. The number of elements tells what -1 is, so the size need not be computed. Where it is, LiteRT plans
//! memory only while the model runs, and keeps such an output where its interface does not reach.

use turnout_core::Result;

use super::flatbuffer::Table;
use super::schema::{Operator, invalid, is_constant, model_of};

const RESHAPE: i32 = 22;
/// The number of `ReshapeOptions` among the options of builtin operators.
const RESHAPE_OPTIONS: u8 = 17;
/// Offsets in a file have 32 bits, of which readers use 31.
const MAX_FILE_BYTES: usize = 1 << 31;

/// An operator's place in its graph's list, and what it is to be.
#[derive(Debug)]
struct Reshape {
    place: usize,
    operator: u32,
    from: i32,
    to: i32,
    shape: Vec<i32>,
}

/// The file with such operators replaced; None where it has none.
///
/// # Errors
/// `load_failed` when the file is malformed.
pub(super) fn with_known_sizes(file: &[u8]) -> Result<Option<Vec<u8>>> {
    let model = model_of(file)?;
    let operators = Operator::read_all(&model)?;
    let buffers = model.tables(4)?;
    let mut found = Vec::new();
    for graph in model.tables(2)? {
        find(&graph, &operators, &buffers, &mut found)?;
    }
    if found.is_empty() {
        return Ok(None);
    }
    let mut changed = file.to_vec();
    for reshape in &found {
        replace(&mut changed, reshape)?;
    }
    Ok(Some(changed))
}

fn find(
    graph: &Table<'_>,
    operators: &[Operator],
    buffers: &[Table<'_>],
    found: &mut Vec<Reshape>,
) -> Result<()> {
    let tensors = graph.tables(0)?;
    let tensor = |index: i32| {
        usize::try_from(index)
            .ok()
            .and_then(|index| tensors.get(index))
    };
    let Some(places) = graph.vector(3, 4)? else {
        return Ok(());
    };
    for (index, node) in graph.tables(3)?.iter().enumerate() {
        let number = node.index(0)?;
        let is_reshape = operators
            .get(number)
            .is_some_and(|operator| operator.code == RESHAPE);
        let (Some(given), Some(made)) = (node.integers(1)?, node.integers(2)?) else {
            continue;
        };
        let ([from, size], [to], true) = (given.as_slice(), made.as_slice(), is_reshape) else {
            continue;
        };
        let (Some(size), Some(result)) = (tensor(*size), tensor(*to)) else {
            continue;
        };
        let shape = result.integers(7)?.unwrap_or_default();
        let varies = shape.iter().filter(|dim| **dim < 0).count();
        if varies == 1 && !is_constant(size, buffers)? {
            found.push(Reshape {
                place: places.place(index),
                operator: u32::try_from(number).map_err(|_| invalid("too many operators"))?,
                from: *from,
                to: *to,
                shape,
            });
        }
    }
    Ok(())
}

/// Writes the operator anew at the end of the file, and leads its place in the list there.
fn replace(file: &mut Vec<u8>, reshape: &Reshape) -> Result<()> {
    file.resize(file.len().next_multiple_of(4), 0);
    let base = file.len();
    let table = base + 16;
    let offset = u32::try_from(table - reshape.place)
        .ok()
        .filter(|_| base < MAX_FILE_BYTES)
        .ok_or_else(|| invalid("it is too large"))?;
    file[reshape.place..reshape.place + 4].copy_from_slice(&offset.to_le_bytes());
    // Where the operator's fields lie: opcode, inputs, outputs, kind of options, options.
    file.extend(
        [14u16, 24, 4, 8, 12, 20, 16, 0]
            .map(u16::to_le_bytes)
            .concat(),
    );
    file.extend(16i32.to_le_bytes());
    file.extend(reshape.operator.to_le_bytes());
    // The distances to the two lists and the options, which follow.
    file.extend([16u32, 20, 32].map(u32::to_le_bytes).concat());
    file.extend([RESHAPE_OPTIONS, 0, 0, 0]);
    for tensor in [reshape.from, reshape.to] {
        file.extend(1u32.to_le_bytes());
        file.extend(tensor.to_le_bytes());
    }
    file.extend([6u16, 8, 4, 0].map(u16::to_le_bytes).concat());
    file.extend(8i32.to_le_bytes());
    file.extend(4u32.to_le_bytes());
    let rank = u32::try_from(reshape.shape.len()).map_err(|_| invalid("too many dimensions"))?;
    file.extend(rank.to_le_bytes());
    for dim in &reshape.shape {
        file.extend(dim.max(&-1).to_le_bytes());
    }
    Ok(())
}
