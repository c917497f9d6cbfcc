//! What a file says of itself: its signatures, the tensors that they name, and the operators that it needs.
//!
//! LiteRT builds its interpreter from indices of the file, not all of which it checks. They are checked here first: a bad
//! file must not end a process that serves others.

use turnout_core::{Error, Result};

use super::flatbuffer::{Table, root};
use super::quantization;
use super::sizes::{CUSTOM, are_known};

const IDENTIFIER: [u8; 4] = *b"TFL3";

/// Numbers of `BuiltinOperator`.
mod builtin {
    pub(super) const CALL: i32 = 31;
    pub(super) const IF: i32 = 118;
    pub(super) const WHILE: i32 = 119;
    pub(super) const ASSIGN_VARIABLE: i32 = 144;
    pub(super) const STABLEHLO_WHILE: i32 = 200;
    pub(super) const STABLEHLO_COMPOSITE: i32 = 206;
    pub(super) const STABLEHLO_CASE: i32 = 209;
}

/// Operators that are no builtin ones and that LiteRT has kernels for.
const CUSTOM_OPERATORS: [&str; 7] = [
    "AudioSpectrogram",
    "Convolution2DTransposeBias",
    "MaxPoolingWithArgmax2D",
    "MaxUnpooling2D",
    "Mfcc",
    "NumericVerify",
    "TFLite_Detection_PostProcess",
];
/// The most elements of a tensor that the model computes, as the file declares it. A wrong size is often a huge one, and
/// LiteRT would ask for the memory.
const MAX_ELEMENTS: i64 = 1 << 30;
/// What the names of TensorFlow's own operators begin with.
const TENSORFLOW_PREFIX: &str = "Flex";

/// A file, read as far as it is of interest.
#[derive(Debug)]
pub(super) struct File {
    pub(super) subgraphs: Vec<Subgraph>,
    pub(super) signatures: Vec<NamedTensors>,
}

#[derive(Debug)]
pub(super) struct Subgraph {
    /// Those that are inputs or outputs, by index.
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
    /// What in it keeps state from one call to the next, in words.
    change: Option<String>,
    /// An operator whose sizes are not known before it runs.
    unknown_size: Option<i32>,
    /// Whether its operators run other subgraphs, each time that it runs.
    calls_others: bool,
}

/// What the file says of a tensor.
#[derive(Clone, Debug)]
pub(super) struct TensorInfo {
    pub(super) name: String,
    /// A number of `TensorType`.
    pub(super) element: u8,
    /// None for unknown rank; a dimension below zero varies.
    pub(super) shape: Option<Vec<i32>>,
    is_variable: bool,
    is_constant: bool,
}

/// A signature: names for tensors of a subgraph.
#[derive(Debug)]
pub(super) struct NamedTensors {
    /// Empty where the file has none.
    pub(super) key: String,
    pub(super) subgraph: usize,
    pub(super) inputs: Vec<(String, usize)>,
    pub(super) outputs: Vec<(String, usize)>,
}

impl File {
    /// # Errors
    /// `load_failed` when it is not a model file or an index is wrong, `unsupported` when LiteRT has no kernel for one of
    /// its operators, naming all of those.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let model = model_of(bytes)?;
        let operators = Operator::read_all(&model)?;
        check_operators(&operators)?;
        let has_values = model
            .tables(4)?
            .iter()
            .map(|buffer| read_buffer(buffer, bytes.len()))
            .collect::<Result<Vec<_>>>()?;
        let subgraphs = model
            .tables(2)?
            .iter()
            .map(|table| Subgraph::read(table, &operators, &has_values))
            .collect::<Result<Vec<_>>>()?;
        let first = subgraphs
            .first()
            .ok_or_else(|| invalid("it has no graph"))?;
        let mut signatures = model
            .tables(7)?
            .iter()
            .map(|table| NamedTensors::read(table, &subgraphs))
            .collect::<Result<Vec<_>>>()?;
        if signatures.is_empty() {
            signatures.push(NamedTensors::of(first)?);
        }
        check_keys(&signatures)?;
        Ok(Self {
            subgraphs,
            signatures,
        })
    }

    /// The number of an operator whose sizes are not known before it runs, if there is one.
    pub(super) fn unknown_size(&self) -> Option<i32> {
        self.subgraphs
            .iter()
            .find_map(|subgraph| subgraph.unknown_size)
    }

    /// What in a signature's graph, or in those that it runs, may show in the answers of the next call.
    pub(super) fn state_change(&self, signature: usize) -> Option<&str> {
        let own = &self.subgraphs[self.signatures[signature].subgraph];
        let is_root = |index: usize| self.signatures.iter().any(|each| each.subgraph == index);
        let others = self
            .subgraphs
            .iter()
            .enumerate()
            .filter(|(index, _)| own.calls_others && !is_root(*index))
            .filter_map(|(_, subgraph)| subgraph.change.as_deref());
        own.change.as_deref().or_else(|| others.into_iter().next())
    }
}

/// The table that a file begins with.
///
/// # Errors
/// `load_failed` when it is no model file.
pub(super) fn model_of(bytes: &[u8]) -> Result<Table<'_>> {
    root(bytes, IDENTIFIER)
}

/// Whether a `Tensor` has its values in the file.
pub(super) fn is_constant(tensor: &Table<'_>, buffers: &[Table<'_>]) -> Result<bool> {
    match tensor.index(2)? {
        // By convention there is nothing in it.
        0 => Ok(false),
        index => buffers.get(index).map_or(Ok(false), has_values),
    }
}

fn has_values(buffer: &Table<'_>) -> Result<bool> {
    let within = buffer.vector(0, 1)?.is_some_and(|bytes| !bytes.is_empty());
    Ok(within || buffer.u64(1)?.is_some_and(|offset| offset > 1))
}

#[derive(Debug)]
pub(super) struct Operator {
    pub(super) code: i32,
    /// Empty for builtin ones.
    custom: String,
}

impl Operator {
    /// The kinds of operators that a model has.
    pub(super) fn read_all(model: &Table<'_>) -> Result<Vec<Self>> {
        model.tables(1)?.iter().map(Self::read).collect()
    }

    /// An `OperatorCode`: the code was one byte (field 0) before it became four (3).
    fn read(table: &Table<'_>) -> Result<Self> {
        let old = i32::from(table.u8(0)?.unwrap_or(0).cast_signed());
        let code = old.max(table.i32(3)?.unwrap_or(0));
        let custom = if code == CUSTOM {
            table.text(1)?
        } else {
            String::new()
        };
        Ok(Self { code, custom })
    }
}

fn check_operators(operators: &[Operator]) -> Result<()> {
    let mut missing: Vec<&str> = operators
        .iter()
        .filter(|operator| operator.code == CUSTOM)
        .map(|operator| operator.custom.as_str())
        .filter(|name| !CUSTOM_OPERATORS.contains(name))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let hint = if missing
        .iter()
        .all(|name| name.starts_with(TENSORFLOW_PREFIX))
    {
        "these are TensorFlow's own: serve the SavedModel, or convert it without SELECT_TF_OPS"
    } else {
        "convert the model to builtin operators alone, or serve it in another format"
    };
    Err(Error::unsupported(format!(
        "the model needs operators that LiteRT has no kernels for: {}",
        names.join(", ")
    ))
    .with_hint(hint))
}

/// A `Buffer`: its bytes lie within it (field 0), or behind the flatbuffer at an offset (1, 2). Returns whether it has any.
fn read_buffer(buffer: &Table<'_>, file_bytes: usize) -> Result<bool> {
    let within = buffer.vector(0, 1)?.is_some_and(|bytes| !bytes.is_empty());
    let (offset, size) = (buffer.u64(1)?.unwrap_or(0), buffer.u64(2)?.unwrap_or(0));
    // 1 is what writers leave where there is nothing.
    if offset <= 1 {
        return Ok(within);
    }
    match offset.checked_add(size) {
        Some(end) if end <= file_bytes as u64 => Ok(size > 0),
        _ => Err(invalid("the values of a tensor lie beyond its end")),
    }
}

impl Subgraph {
    /// A `SubGraph`: tensors 0, inputs 1, outputs 2, operators 3.
    fn read(table: &Table<'_>, operators: &[Operator], has_values: &[bool]) -> Result<Self> {
        let tensors = table
            .tables(0)?
            .iter()
            .map(|tensor| TensorInfo::read(tensor, has_values))
            .collect::<Result<Vec<_>>>()?;
        let mut subgraph = Self {
            inputs: indices(table, 1, tensors.len())?,
            outputs: indices(table, 2, tensors.len())?,
            change: tensors
                .iter()
                .find(|tensor| tensor.is_variable)
                .map(|tensor| format!("the tensor `{}` keeps its value", tensor.name)),
            tensors,
            unknown_size: None,
            calls_others: false,
        };
        for node in table.tables(3)? {
            subgraph.read_node(&node, operators)?;
        }
        Ok(subgraph)
    }

    /// An `Operator`: opcode 0, inputs 1, outputs 2, intermediates 8.
    fn read_node(&mut self, node: &Table<'_>, operators: &[Operator]) -> Result<()> {
        let operator = operators
            .get(node.index(0)?)
            .ok_or_else(|| invalid("an operator is of a kind that is not there"))?;
        // -1 leaves an optional input out.
        let given = node.integers(1)?.unwrap_or_default();
        let made = indices(node, 2, self.tensors.len())?;
        indices(node, 8, self.tensors.len())?;
        let is_wrong = |index: &i32| {
            *index < -1 || usize::try_from(*index).is_ok_and(|index| index >= self.tensors.len())
        };
        if given.iter().any(is_wrong) {
            return Err(invalid("an operator takes a tensor that is not there"));
        }
        let may_be_left_out = optional_from(operator.code);
        if given.iter().take(may_be_left_out).any(|index| *index < 0) {
            return Err(invalid("an operator lacks a tensor that it needs"));
        }
        if made
            .iter()
            .any(|tensor| self.inputs.contains(tensor) && !self.tensors[*tensor].is_variable)
        {
            return Err(invalid("an operator writes to an input of its graph"));
        }
        // What is left out is as good as constant.
        let is_constant = |input: usize| {
            given
                .get(input)
                .and_then(|index| usize::try_from(*index).ok())
                .is_none_or(|index| self.tensors[index].is_constant)
        };
        if !are_known(operator.code, is_constant) {
            self.unknown_size.get_or_insert(operator.code);
        }
        match operator.code {
            builtin::ASSIGN_VARIABLE => {
                self.change
                    .get_or_insert_with(|| "the operator `ASSIGN_VARIABLE`".to_owned());
            }
            // Not `CALL_ONCE`, which runs its graph before the first call alone.
            builtin::CALL
            | builtin::IF
            | builtin::WHILE
            | builtin::STABLEHLO_WHILE
            | builtin::STABLEHLO_COMPOSITE
            | builtin::STABLEHLO_CASE => self.calls_others = true,
            _ => {}
        }
        Ok(())
    }
}

impl TensorInfo {
    /// A `Tensor`: shape 0, type 1, buffer 2, name 3, quantisation 4, whether it is a variable 5,
    /// shape with what varies 7, whether the rank is known 8.
    fn read(table: &Table<'_>, has_values: &[bool]) -> Result<Self> {
        let has_values = match table.index(2)? {
            // By convention there is nothing in it.
            0 => false,
            buffer => *has_values
                .get(buffer)
                .ok_or_else(|| invalid("a tensor names a buffer that is not there"))?,
        };
        let fixed = table.integers(0)?;
        let element = table.u8(1)?.unwrap_or(0);
        if let Some(parameters) = table.table(4)? {
            quantization::check(&parameters, element, fixed.as_deref())?;
        }
        let elements = fixed.iter().flatten().try_fold(1i64, |product, dim| {
            product.checked_mul(i64::from(*dim).max(1))
        });
        let varying = table.integers(7)?.filter(|dims| !dims.is_empty());
        let knows_rank = table.u8(8)?.unwrap_or(0) != 0;
        let shape = match (varying, fixed) {
            (Some(dims), _) => Some(dims),
            (None, Some(dims)) if !dims.is_empty() || knows_rank => Some(dims),
            (None, _) => None,
        };
        if !has_values && elements.is_none_or(|elements| elements > MAX_ELEMENTS) {
            return Err(invalid("a tensor is larger than any that can be served"));
        }
        Ok(Self {
            name: table.text(3)?,
            element,
            shape,
            is_variable: table.u8(5)?.unwrap_or(0) != 0,
            is_constant: has_values,
        })
    }
}

impl NamedTensors {
    /// A `SignatureDef`: inputs 0, outputs 1, key 2, subgraph 4.
    fn read(table: &Table<'_>, subgraphs: &[Subgraph]) -> Result<Self> {
        let key = table.text(2)?;
        let subgraph = table.index(4)?;
        let graph = subgraphs.get(subgraph).ok_or_else(|| {
            invalid(&format!(
                "signature `{key}` is of a graph that is not there"
            ))
        })?;
        let signature = Self {
            inputs: named(table, 0)?,
            outputs: named(table, 1)?,
            key,
            subgraph,
        };
        signature.check(graph)?;
        Ok(signature)
    }

    /// The names that the tensors have, for a file without signatures.
    fn of(graph: &Subgraph) -> Result<Self> {
        let named = |indices: &[usize]| {
            let name = |index: &usize| (graph.tensors[*index].name.clone(), *index);
            indices.iter().map(name).collect()
        };
        let signature = Self {
            key: String::new(),
            subgraph: 0,
            inputs: named(&graph.inputs),
            outputs: named(&graph.outputs),
        };
        signature.check(graph)?;
        Ok(signature)
    }

    /// LiteRT goes by position among the graph's inputs and finds their names here: each must be named, once.
    fn check(&self, graph: &Subgraph) -> Result<()> {
        for (what, named, tensors) in [
            ("inputs", &self.inputs, &graph.inputs),
            ("outputs", &self.outputs, &graph.outputs),
        ] {
            let complete = tensors
                .iter()
                .all(|tensor| named.iter().any(|(_, index)| index == tensor));
            let known = named.iter().all(|(_, index)| tensors.contains(index));
            if !complete || !known {
                return Err(invalid(&format!(
                    "signature `{}` does not name all {what} of its graph, and them alone",
                    self.key
                )));
            }
            let mut names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            if names.first() == Some(&"") || names.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(invalid(&format!(
                    "{what} of signature `{}` have no name, or one name twice",
                    self.key
                ))
                .with_hint("convert the model from a SavedModel with signatures"));
            }
        }
        let mut inputs = graph.inputs.clone();
        inputs.sort_unstable();
        if inputs.windows(2).any(|pair| pair[0] == pair[1]) || inputs.len() != self.inputs.len() {
            return Err(invalid(&format!(
                "one input of signature `{}` is named twice",
                self.key
            )));
        }
        Ok(())
    }
}

/// The first input that an operator can do without: some kernels read the others without a look.
fn optional_from(operator: i32) -> usize {
    match operator {
        // Recurrent ones: gates, projections and states.
        16 | 24 | 35 | 44 | 46 | 52 => 1,
        // CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, CONV_3D: the bias.
        3 | 4 | 9 | 132 => 2,
        // SVDF, TRANSPOSE_CONV, CONV_3D_TRANSPOSE: likewise.
        27 | 67 | 141 => 3,
        _ => usize::MAX,
    }
}

fn check_keys(signatures: &[NamedTensors]) -> Result<()> {
    let mut keys: Vec<&str> = signatures.iter().map(|each| each.key.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(invalid(&format!(
            "two signatures have one name: `{}`",
            pair[0]
        ))),
    }
}

/// `TensorMap`s: name 0, tensor 1.
fn named(table: &Table<'_>, number: usize) -> Result<Vec<(String, usize)>> {
    table
        .tables(number)?
        .iter()
        .map(|entry| Ok((entry.text(0)?, entry.index(1)?)))
        .collect()
}

/// A list of tensors, all of which are there.
fn indices(table: &Table<'_>, number: usize, tensors: usize) -> Result<Vec<usize>> {
    table
        .integers(number)?
        .unwrap_or_default()
        .into_iter()
        .map(|index| {
            usize::try_from(index)
                .ok()
                .filter(|index| *index < tensors)
                .ok_or_else(|| invalid("a list names a tensor that is not there"))
        })
        .collect()
}

pub(super) fn invalid(how: &str) -> Error {
    Error::load_failed(format!("not a model that LiteRT can load: {how}"))
}
