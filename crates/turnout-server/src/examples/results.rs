//! Outputs of a model as classes and values.

use std::borrow::Cow;

use half::{bf16, f16};
use turnout_core::{DType, Error, Result, Tensor, Values};

use super::InferenceResult;
use super::classes::{ClassTable, Labels};
use super::plan::{Outputs, Plan};

/// See [`Plan::results`].
pub(super) fn read<'a>(
    plan: &Plan,
    outputs: &'a [Tensor],
    examples: usize,
) -> Result<InferenceResult<'a>> {
    let output = |index: usize| {
        let missing = || Error::internal("an engine returned too few outputs");
        outputs.get(index).ok_or_else(missing)
    };
    match plan.outputs {
        Outputs::Classes { labels, scores } => {
            let labels = labels.map(output).transpose()?;
            let scores = scores.map(output).transpose()?;
            let table = if plan.engine_parses {
                contract_classes(labels, scores, examples)?
            } else {
                found_classes(labels, scores, examples)?
            };
            Ok(InferenceResult::Classes(table))
        }
        Outputs::Values(index) => {
            let tensor = output(index)?;
            if plan.engine_parses && tensor.dtype() != DType::Float32 {
                return Err(wrong_dtype("output", "DT_FLOAT", tensor, "  "));
            }
            values(tensor, examples)
        }
    }
}

/// One value for each Example.
fn values(tensor: &Tensor, examples: usize) -> Result<InferenceResult<'_>> {
    if !matches!(tensor.shape(), [_] | [_, 1]) {
        return Err(Error::execution_failed(format!(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {}",
            shape_text(tensor)
        )));
    }
    if tensor.rows() != examples {
        return Err(Error::execution_failed(format!(
            "Input batch size did not match output batch size: {examples} vs. {}",
            tensor.rows()
        )));
    }
    let values = numbers(tensor).ok_or_else(|| wrong_dtype("output", "DT_FLOAT", tensor, "  "))?;
    Ok(InferenceResult::Values(values))
}

/// Outputs by TensorFlow Serving's contract: strings and floats, both `[examples, classes]`.
fn contract_classes<'a>(
    labels: Option<&'a Tensor>,
    scores: Option<&'a Tensor>,
    examples: usize,
) -> Result<ClassTable<'a>> {
    if let Some(labels) = labels {
        check_table(labels, "classes", (DType::String, "DT_STRING"), examples)?;
    }
    if let Some(scores) = scores {
        check_table(scores, "scores", (DType::Float32, "DT_FLOAT"), examples)?;
    }
    if let (Some(labels), Some(scores)) = (labels, scores)
        && labels.shape()[1] != scores.shape()[1]
    {
        return Err(Error::execution_failed(format!(
            "Tensors class and score should match in dim_size(1). Got {} vs. {}",
            labels.shape()[1],
            scores.shape()[1]
        )));
    }
    let classes = labels.or(scores).map_or(0, |tensor| tensor.shape()[1]);
    table(labels, scores, examples, classes)
}

fn check_table(
    tensor: &Tensor,
    what: &str,
    (dtype, name): (DType, &str),
    examples: usize,
) -> Result<()> {
    if tensor.shape().len() != 2 {
        return Err(Error::execution_failed(format!(
            "Expected Tensor shape: [batch_size num_classes] but got {}",
            shape_text(tensor)
        )));
    }
    if tensor.dtype() != dtype {
        return Err(wrong_dtype(what, name, tensor, " "));
    }
    if tensor.rows() != examples {
        return Err(Error::execution_failed(format!(
            "Expected {what} output batch size of {examples}. Got: {}",
            tensor.rows()
        )));
    }
    Ok(())
}

/// Outputs of converted classifiers: scores of all classes, or one label for each Example, or both.
fn found_classes<'a>(
    labels: Option<&'a Tensor>,
    scores: Option<&'a Tensor>,
    examples: usize,
) -> Result<ClassTable<'a>> {
    let columns = |tensor: &Tensor| match *tensor.shape() {
        [rows] if rows == examples => Ok(1),
        [rows, columns] if rows == examples => Ok(columns),
        _ => Err(Error::execution_failed(format!(
            "an output of classes has the wrong shape: got {}, expected [{examples}] or [{examples}, classes]",
            shape_text(tensor)
        ))),
    };
    let (named, scored) = (
        labels.map(columns).transpose()?,
        scores.map(columns).transpose()?,
    );
    match (named, scored) {
        (Some(named), Some(scored)) if named == scored => table(labels, scores, examples, scored),
        // The model's choice among its classes; their scores are known by their positions.
        (Some(1) | None, Some(scored)) => Ok(ClassTable {
            labels: Labels::Positions,
            ..table(None, scores, examples, scored)?
        }),
        (Some(named), None) => table(labels, None, examples, named),
        (named, scored) => Err(Error::execution_failed(format!(
            "the outputs of labels and scores have different numbers of classes: got {} and {}",
            named.unwrap_or(0),
            scored.unwrap_or(0)
        ))),
    }
}

/// `classes` of each Example; labels are empty and scores zero where the model has none.
fn table<'a>(
    labels: Option<&'a Tensor>,
    scores: Option<&'a Tensor>,
    examples: usize,
    classes: usize,
) -> Result<ClassTable<'a>> {
    let labels = labels.map_or(Ok(Labels::None), |tensor| {
        if is_label(tensor.dtype()) {
            Ok(Labels::Of(tensor.values()))
        } else {
            Err(wrong_dtype("classes", "DT_STRING", tensor, " "))
        }
    });
    let scores = scores.map(|tensor| {
        numbers(tensor).ok_or_else(|| wrong_dtype("scores", "DT_FLOAT", tensor, " "))
    });
    Ok(ClassTable {
        examples,
        classes,
        labels: labels?,
        scores: scores.transpose()?,
    })
}

/// Texts, whole numbers and truth values are labels.
fn is_label(dtype: DType) -> bool {
    !matches!(
        dtype,
        DType::Float16
            | DType::Bfloat16
            | DType::Float32
            | DType::Float64
            | DType::Complex64
            | DType::Complex128
    )
}

/// The values as floats, rounded where they have more digits; None where they are no numbers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the messages hold 32-bit floats"
)]
fn numbers(tensor: &Tensor) -> Option<Cow<'_, [f32]>> {
    macro_rules! convert {
        ($values:expr, $value:ident => $convert:expr) => {
            Cow::Owned($values.iter().map(|$value| $convert).collect())
        };
    }
    Some(match tensor.values() {
        Values::Float32(values) => Cow::Borrowed(values),
        Values::Float64(values) => convert!(values, value => *value as f32),
        Values::Float16(values) => convert!(values, bits => f16::from_bits(*bits).to_f32()),
        Values::Bfloat16(values) => convert!(values, bits => bf16::from_bits(*bits).to_f32()),
        Values::Int64(values) => convert!(values, value => *value as f32),
        Values::Int32(values) => convert!(values, value => *value as f32),
        Values::Int16(values) => convert!(values, value => f32::from(*value)),
        Values::Int8(values) => convert!(values, value => f32::from(*value)),
        Values::Uint64(values) => convert!(values, value => *value as f32),
        Values::Uint32(values) => convert!(values, value => *value as f32),
        Values::Uint16(values) => convert!(values, value => f32::from(*value)),
        Values::Uint8(values) => convert!(values, value => f32::from(*value)),
        Values::Bool(_) | Values::String(_) | Values::Complex64(_) | Values::Complex128(_) => {
            return None;
        }
    })
}

/// Before what it got, TensorFlow Serving puts one space for classes, and two for values.
fn wrong_dtype(what: &str, expected: &str, tensor: &Tensor, space: &str) -> Error {
    Error::execution_failed(format!(
        "Expected {what} Tensor of {expected}.{space}Got: {}",
        tensorflow_type(tensor.dtype())
    ))
}

/// `DT_…`, as TensorFlow's messages call a dtype.
fn tensorflow_type(dtype: DType) -> String {
    let name = match dtype {
        DType::Float16 => "HALF",
        DType::Float32 => "FLOAT",
        DType::Float64 => "DOUBLE",
        other => return format!("DT_{}", other.name().to_ascii_uppercase()),
    };
    format!("DT_{name}")
}

/// `[3,2]`, as TensorFlow writes it.
fn shape_text(tensor: &Tensor) -> String {
    let dims: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
    format!("[{}]", dims.join(","))
}
