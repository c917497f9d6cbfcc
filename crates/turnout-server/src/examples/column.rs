//! One input of a signature, filled with one feature of each Example.

use bytes::Bytes;
use half::{bf16, f16};
use turnout_core::signature::shape_text;
use turnout_core::{DType, Error, Result, Shape, Tensor, TensorSpec, Values};

use super::features::Budget;
use crate::grpc::wire::{FeatureKind, FeatureView, WireError};

/// Which Example, and the buffer that it borrows from.
pub(super) struct Place<'a> {
    pub(super) row: usize,
    pub(super) message: &'a Bytes,
}

pub(super) struct Column<'a> {
    spec: &'a TensorSpec,
    kind: FeatureKind,
    length: Length,
    /// The values of the first Example; those of the others have to be as many.
    first: Option<usize>,
    rows: usize,
    values: Values,
}

/// How many values an Example must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Exactly(usize),
    /// One dimension varies; the others multiply to this.
    MultipleOf(usize),
}

impl<'a> Column<'a> {
    /// # Errors
    /// `unsupported` for an input that no list of an Example can fill.
    pub(super) fn new(spec: &'a TensorSpec, rows: usize) -> Result<Self> {
        Ok(Self {
            spec,
            kind: kind_of(spec)?,
            length: length_of(spec)?,
            first: None,
            rows,
            values: Values::with_capacity(spec.dtype, 0),
        })
    }

    pub(super) fn name(&self) -> &'a str {
        &self.spec.name
    }

    /// Appends one feature.
    pub(super) fn push(
        &mut self,
        feature: &FeatureView<'_>,
        place: &Place<'_>,
        budget: &mut Budget,
    ) -> Result<()> {
        if let Some(kind) = feature.kind.filter(|kind| *kind != self.kind) {
            return Err(self.wrong_kind(kind, place.row));
        }
        let broken = |fault: WireError| {
            let row = place.row;
            Error::malformed(format!(
                "example {row} is not a `tensorflow.Example`: {fault}"
            ))
        };
        let count = feature.len().map_err(broken)?;
        self.check_length(count, place.row)?;
        let value_bytes = self.spec.dtype.size_bytes().unwrap_or(size_of::<Bytes>());
        budget.take(count, value_bytes)?;
        let before = self.values.len();
        let misfit = append(&mut self.values, feature, place.message).map_err(broken)?;
        match misfit {
            Some(value) => Err(self.out_of_range(value, place.row)),
            None if self.values.len() - before == count => Ok(()),
            None => Err(broken(WireError::PartialElement)),
        }
    }

    /// The tensor of all Examples, as the engine wants it.
    pub(super) fn finish(self) -> Result<Tensor> {
        let row_values = self.first.unwrap_or(0);
        let shape: Shape = match self.spec.shape.as_deref() {
            None => Shape::from_slice(&[self.rows, row_values]),
            Some([]) if self.rows == 1 => Shape::new(),
            // Several Examples for one value: said by `fit`.
            Some([]) => Shape::from_slice(&[self.rows]),
            Some([_, rest @ ..]) => {
                let fixed: usize = rest.iter().flatten().product();
                let varying = row_values.checked_div(fixed).unwrap_or(0);
                let rest = rest.iter().map(|dim| dim.unwrap_or(varying));
                std::iter::once(self.rows).chain(rest).collect()
            }
        };
        self.spec.fit(Tensor::new(shape, self.values)?)
    }

    fn check_length(&mut self, count: usize, row: usize) -> Result<()> {
        let name = self.name();
        let fits = match self.length {
            Length::Exactly(length) => count == length,
            Length::MultipleOf(0) => count == 0,
            Length::MultipleOf(unit) => count.is_multiple_of(unit),
        };
        if !fits {
            let expected = match self.length {
                Length::Exactly(length) => length.to_string(),
                Length::MultipleOf(unit) => format!("a multiple of {unit}"),
            };
            return Err(Error::invalid_input(format!(
                "feature `{name}` of example {row} has the wrong number of values: got {count}, expected {expected}"
            )));
        }
        let first = *self.first.get_or_insert(count);
        if count == first {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "feature `{name}` has not as many values in all examples: got {count} in example {row}, expected {first} as in \
             example 0"
        )))
    }

    fn wrong_kind(&self, got: FeatureKind, row: usize) -> Error {
        let error = Error::invalid_input(format!(
            "feature `{}` of example {row} has the wrong kind: got `{}`, expected `{}` for {}",
            self.name(),
            got.name(),
            self.kind.name(),
            self.spec.dtype
        ));
        match (got, self.kind) {
            (FeatureKind::Int64s, FeatureKind::Floats) => {
                error.with_hint("in JSON, write a whole number that is a float with a point: `2.0`")
            }
            (FeatureKind::Floats, FeatureKind::Int64s) => {
                error.with_hint("in JSON, write a whole number without a point: `2`")
            }
            _ => error,
        }
    }

    fn out_of_range(&self, value: i64, row: usize) -> Error {
        Error::invalid_input(format!(
            "feature `{}` of example {row} has a value out of the range of {}: {value}",
            self.name(),
            self.spec.dtype
        ))
    }
}

fn kind_of(spec: &TensorSpec) -> Result<FeatureKind> {
    Ok(match spec.dtype {
        DType::String => FeatureKind::Bytes,
        DType::Float16 | DType::Bfloat16 | DType::Float32 | DType::Float64 => FeatureKind::Floats,
        DType::Complex64 | DType::Complex128 => {
            return Err(Error::invalid_input(format!(
                "an Example cannot hold the input `{}`, which is {}",
                spec.name, spec.dtype
            )));
        }
        _ => FeatureKind::Int64s,
    })
}

fn length_of(spec: &TensorSpec) -> Result<Length> {
    let Some(dims) = spec.shape.as_deref() else {
        return Ok(Length::MultipleOf(1));
    };
    let rest = dims.get(1..).unwrap_or_default();
    let fixed: usize = rest.iter().flatten().product();
    match rest.iter().filter(|dim| dim.is_none()).count() {
        0 => Ok(Length::Exactly(fixed)),
        1 => Ok(Length::MultipleOf(fixed)),
        _ => Err(Error::invalid_input(format!(
            "an Example cannot say how long each dimension of the input `{}` is, of which several vary: {}",
            spec.name,
            shape_text(dims.iter().copied())
        ))),
    }
}

/// Appends the values of `feature`, whose kind fits. The first integer that the dtype does not have, if any.
fn append(
    values: &mut Values,
    feature: &FeatureView<'_>,
    message: &Bytes,
) -> Result<Option<i64>, WireError> {
    let mut misfit = None;
    macro_rules! integers {
        ($values:expr, $value:ident => $convert:expr) => {
            feature.int64s(|$value| match $convert {
                Some(value) => $values.push(value),
                None => {
                    misfit.get_or_insert($value);
                }
            })
        };
    }
    match values {
        Values::String(values) => feature.bytes(|bytes| values.push(message.slice_ref(bytes))),
        Values::Float16(values) => {
            feature.floats(|value| values.push(f16::from_f32(value).to_bits()))
        }
        Values::Bfloat16(values) => {
            feature.floats(|value| values.push(bf16::from_f32(value).to_bits()))
        }
        Values::Float32(values) => feature.floats(|value| values.push(value)),
        Values::Float64(values) => feature.floats(|value| values.push(value.into())),
        Values::Bool(values) => integers!(values, value => match value {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }),
        Values::Int8(values) => integers!(values, value => value.try_into().ok()),
        Values::Int16(values) => integers!(values, value => value.try_into().ok()),
        Values::Int32(values) => integers!(values, value => value.try_into().ok()),
        Values::Int64(values) => integers!(values, value => Some(value)),
        Values::Uint8(values) => integers!(values, value => value.try_into().ok()),
        Values::Uint16(values) => integers!(values, value => value.try_into().ok()),
        Values::Uint32(values) => integers!(values, value => value.try_into().ok()),
        Values::Uint64(values) => integers!(values, value => value.try_into().ok()),
        // Refused before the first Example.
        Values::Complex64(_) | Values::Complex128(_) => Ok(()),
    }?;
    Ok(misfit)
}
