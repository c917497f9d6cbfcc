//! The features of Examples as the inputs of a signature, by name: for engines that cannot parse Examples.

use bytes::Bytes;
use turnout_core::{Error, Result, Tensor, TensorSpec};

use super::column::{Column, Place};
use crate::grpc::wire::{FeatureView, InputView, Limit, WireError, for_each_feature};

/// The inputs in the order of `specs`, one row for each Example; at most `limit` of memory for all of them.
///
/// # Errors
/// As of [`super::Plan::feed`].
pub(super) fn tensors(
    specs: &[TensorSpec],
    input: &InputView<'_>,
    message: &Bytes,
    limit: Limit,
) -> Result<Vec<Tensor>> {
    let examples = input.len();
    let mut columns = specs
        .iter()
        .map(|spec| Column::new(spec, examples))
        .collect::<Result<Vec<_>>>()?;
    let names = Names::new(specs);
    let mut context = vec![None; specs.len()];
    for piece in input.context_pieces() {
        names
            .read(piece, &mut context)
            .map_err(|fault| not_an_example("the context", fault))?;
    }
    let mut budget = Budget {
        left_bytes: limit.bytes,
        limit,
    };
    let mut found = vec![None; specs.len()];
    for (row, example) in input.examples().enumerate() {
        found.fill(None);
        names
            .read(example, &mut found)
            .map_err(|fault| not_an_example(&format!("example {row}"), fault))?;
        let both = found.iter().zip(&context);
        for (column, (own, shared)) in columns.iter_mut().zip(both) {
            let place = Place { row, message };
            let feature = own.as_ref().or(shared.as_ref());
            let feature = feature.ok_or_else(|| missing(column.name(), row, specs))?;
            column.push(feature, &place, &mut budget)?;
        }
    }
    columns.into_iter().map(Column::finish).collect()
}

/// The inputs by name.
struct Names<'a> {
    /// Sorted: an Example may have as many features as a signature has inputs.
    sorted: Vec<(&'a str, usize)>,
}

impl<'a> Names<'a> {
    fn new(specs: &'a [TensorSpec]) -> Self {
        let names = specs.iter().map(|spec| spec.name.as_str());
        let mut sorted: Vec<(&str, usize)> = names.zip(0..).collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// Puts the features of `example` that are inputs into their places.
    fn read<'m>(
        &self,
        example: &'m [u8],
        found: &mut [Option<FeatureView<'m>>],
    ) -> Result<(), WireError> {
        for_each_feature(example, |name, feature| {
            let place = self
                .sorted
                .binary_search_by(|(other, _)| (*other).cmp(name));
            if let Ok(place) = place {
                found[self.sorted[place].1] = Some(feature);
            }
        })
    }
}

/// Memory that is left for values.
pub(super) struct Budget {
    left_bytes: usize,
    limit: Limit,
}

impl Budget {
    /// Takes room for `count` values of `value_bytes`.
    pub(super) fn take(&mut self, count: usize, value_bytes: usize) -> Result<()> {
        let left = count
            .checked_mul(value_bytes)
            .and_then(|needed| self.left_bytes.checked_sub(needed));
        self.left_bytes = left.ok_or_else(|| {
            Error::too_large(format!(
                "the values of the Examples are over the limit of decoded bytes (`{}`): limit {}",
                self.limit.setting, self.limit.bytes
            ))
        })?;
        Ok(())
    }
}

fn not_an_example(which: &str, fault: WireError) -> Error {
    Error::malformed(format!("{which} is not a `tensorflow.Example`: {fault}"))
}

fn missing(name: &str, row: usize, specs: &[TensorSpec]) -> Error {
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    Error::invalid_input(format!(
        "example {row} has no feature `{name}`: expected `{}`",
        names.join("`, `")
    ))
}
