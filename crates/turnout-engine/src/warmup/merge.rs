//! Whether requests may be executed together: f(a‖b) = f(a)‖f(b), shown by running the model.

use std::time::Instant;

use half::{bf16, f16};
use turnout_core::{Result as CoreResult, Shape, Signature, Tensor, TensorSpec, Values};

use super::{Limits, generate};
use crate::Model;

/// Rows of the two requests that are merged: equal and unequal ones, and sums that fill vector registers and do not.
const PAIRS: [(usize, usize); 4] = [(1, 1), (1, 2), (3, 5), (7, 9)];
/// Two sums of the same numbers in another order differ by less; two different answers by more.
const TOLERANCE: f64 = 1e-5;

/// Compares merged with separate calls for every signature.
///
/// # Errors
/// Why the requests of this model must be executed alone, in words. Not having been shown in time is a reason.
pub(super) fn show(
    model: &dyn Model,
    row_us: &[(usize, f32)],
    limits: &Limits,
    now: &dyn Fn() -> Instant,
) -> Result<String, String> {
    let deadline = now() + limits.merge;
    refuse_long(model, row_us, limits)?;
    for (index, signature) in model.signatures().iter().enumerate() {
        if !signature.has_batch_dimension() {
            return Err(format!(
                "signature `{}`: {}",
                signature.name,
                what_is_fixed(signature)
            ));
        }
        let mut varies = false;
        for (pair, rows) in PAIRS.into_iter().enumerate() {
            if now() > deadline {
                return Err(format!("not shown within {} ms", limits.merge.as_millis()));
            }
            let case = Case {
                model,
                index,
                signature,
                seed: 2 * pair as u64,
                rows,
            };
            varies |= case
                .show()
                .map_err(|reason| format!("signature `{}`: {reason}", signature.name))?;
        }
        if !varies {
            return Err(format!(
                "signature `{}` gives one answer to all generated rows",
                signature.name
            ));
        }
    }
    Ok("merged and separate calls agreed within 1e-5 on generated rows".to_owned())
}

/// What keeps a signature from having a batch dimension.
fn what_is_fixed(signature: &Signature) -> String {
    let fixed = |spec: &&TensorSpec| !matches!(spec.shape.as_deref(), Some([None, ..]));
    if let Some(spec) = signature.inputs.iter().find(fixed) {
        return format!("dimension 0 of input `{}` does not vary", spec.name);
    }
    match signature.outputs.iter().find(fixed) {
        Some(spec) => format!("dimension 0 of output `{}` does not vary", spec.name),
        None => "it has no input".to_owned(),
    }
}

/// Spares a load the calls of a model so slow that they could not be done in time.
fn refuse_long(model: &dyn Model, row_us: &[(usize, f32)], limits: &Limits) -> Result<(), String> {
    let calls = model.signatures().len() * PAIRS.len() * 3;
    let row_ms = row_us.first().map_or(0.0, |(_, micros)| *micros / 1e3);
    if row_ms * calls as f32 <= limits.merge.as_secs_f32() * 1e3 {
        return Ok(());
    }
    Err(format!(
        "not shown within {} ms: one row takes {row_ms:.0} ms",
        limits.merge.as_millis()
    ))
}

/// One merged call and the two that it stands for.
struct Case<'model> {
    model: &'model dyn Model,
    index: usize,
    signature: &'model Signature,
    seed: u64,
    rows: (usize, usize),
}

impl Case<'_> {
    /// Whether the rows of some output differ, so that a mix-up of rows would have been seen.
    fn show(&self) -> Result<bool, String> {
        let (rows, more_rows) = self.rows;
        let sizes = format!("{rows}+{more_rows} rows");
        let failed = |error: turnout_core::Error| format!("{sizes}: {error}");
        let first = generate::inputs(self.signature, rows, self.seed).map_err(failed)?;
        let second = generate::inputs(self.signature, more_rows, self.seed + 1).map_err(failed)?;
        let merged = concatenate_all(&first, &second).map_err(failed)?;
        let merged = self.model.run(self.index, merged).map_err(failed)?;
        let first = self.model.run(self.index, first).map_err(failed)?;
        let second = self.model.run(self.index, second).map_err(failed)?;
        let mut varies = false;
        for (spec, (merged, (first, second))) in self
            .signature
            .outputs
            .iter()
            .zip(merged.iter().zip(first.iter().zip(&second)))
        {
            let separate = concatenate(first, second).map_err(failed)?;
            compare(merged, &separate)
                .map_err(|reason| format!("{sizes}, output `{}`: {reason}", spec.name))?;
            varies |= rows_differ(merged);
        }
        Ok(varies)
    }
}

fn concatenate_all(first: &[Tensor], second: &[Tensor]) -> CoreResult<Vec<Tensor>> {
    first
        .iter()
        .zip(second)
        .map(|(first, second)| concatenate(first, second))
        .collect()
}

/// One tensor of the rows of both, whose other dimensions must agree.
fn concatenate(first: &Tensor, second: &Tensor) -> CoreResult<Tensor> {
    let mut shape: Shape = first.shape().iter().copied().collect();
    if let Some(rows) = shape.first_mut() {
        *rows = first.rows() + second.rows();
    }
    let mut values = first.values().clone();
    values.append(second.values())?;
    Tensor::new(shape, values)
}

fn compare(merged: &Tensor, separate: &Tensor) -> Result<(), String> {
    if merged.shape() != separate.shape() {
        return Err(format!(
            "shapes differ: merged {:?}, separate {:?}",
            merged.shape(),
            separate.shape()
        ));
    }
    let (Some(left), Some(right)) = (floats(merged.values()), floats(separate.values())) else {
        return if merged.values() == separate.values() {
            Ok(())
        } else {
            Err("values differ".to_owned())
        };
    };
    let scale = mean_magnitude(&right);
    let worst = left
        .iter()
        .zip(&right)
        .map(|(left, right)| difference(*left, *right, scale))
        .fold(0.0, f64::max);
    if worst <= TOLERANCE {
        Ok(())
    } else {
        Err(format!("values differ by {worst:.1e} relative"))
    }
}

/// The relative difference. Numbers near zero are judged by the output's own scale: they come from cancellation.
fn difference(left: f64, right: f64, scale: f64) -> f64 {
    if left == right || (left.is_nan() && right.is_nan()) {
        return 0.0;
    }
    let difference = (left - right).abs() / right.abs().max(scale);
    if difference.is_nan() {
        f64::INFINITY
    } else {
        difference
    }
}

fn mean_magnitude(values: &[f64]) -> f64 {
    let finite = || values.iter().filter(|value| value.is_finite());
    finite().map(|value| value.abs()).sum::<f64>() / finite().count().max(1) as f64
}

/// Floating-point values as doubles; None for those that must be equal.
fn floats(values: &Values) -> Option<Vec<f64>> {
    Some(match values {
        Values::Float16(values) => values
            .iter()
            .map(|bits| f16::from_bits(*bits).to_f64())
            .collect(),
        Values::Bfloat16(values) => values
            .iter()
            .map(|bits| bf16::from_bits(*bits).to_f64())
            .collect(),
        Values::Float32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Values::Float64(values) => values.clone(),
        Values::Complex64(values) => values
            .as_flattened()
            .iter()
            .map(|value| f64::from(*value))
            .collect(),
        Values::Complex128(values) => values.as_flattened().to_vec(),
        _ => return None,
    })
}

fn rows_differ(tensor: &Tensor) -> bool {
    let width = tensor.values().len() / tensor.rows().max(1);
    if width == 0 {
        return false;
    }
    let first = tensor.values().slice(0..width);
    (1..tensor.rows()).any(|row| {
        is_other(
            &first,
            &tensor.values().slice(row * width..(row + 1) * width),
        )
    })
}

/// Whether two rows are known to differ: not-a-number says nothing.
fn is_other(first: &Values, row: &Values) -> bool {
    match (floats(first), floats(row)) {
        (Some(first), Some(row)) => first
            .iter()
            .zip(&row)
            .any(|(left, right)| left.is_finite() && right.is_finite() && left != right),
        _ => first != row,
    }
}
