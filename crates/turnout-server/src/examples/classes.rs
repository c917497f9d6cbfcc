//! The classes of all Examples, read from the outputs as they are asked for.

use std::borrow::Cow;

use turnout_core::Values;

use super::{Class, Label};

/// For each Example as many classes, the first Example's first.
#[derive(Clone, Debug)]
pub(crate) struct ClassTable<'a> {
    pub(super) examples: usize,
    pub(super) classes: usize,
    pub(super) labels: Labels<'a>,
    /// None where all are zero.
    pub(super) scores: Option<Cow<'a, [f32]>>,
}

/// Where labels come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Labels<'a> {
    /// All are empty.
    None,
    /// The positions of the classes.
    Positions,
    /// Texts or whole numbers, one for each class of each Example.
    Of(&'a Values),
}

impl<'a> ClassTable<'a> {
    /// For each Example its classes.
    pub(crate) fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = Class<'a>>> {
        (0..self.examples)
            .map(move |row| (0..self.classes).map(move |class| self.class(row, class)))
    }

    fn class(&self, row: usize, class: usize) -> Class<'a> {
        let index = row * self.classes + class;
        Class {
            label: match self.labels {
                Labels::None => Label::Text(b""),
                Labels::Positions => Label::Number(class as i128),
                Labels::Of(values) => label(values, index).unwrap_or(Label::Text(b"")),
            },
            score: self.scores.as_ref().map_or(0.0, |scores| scores[index]),
        }
    }
}

/// The label that a value says; None where values of its dtype say none.
pub(super) fn label(values: &Values, index: usize) -> Option<Label<'_>> {
    Some(match values {
        Values::String(values) => Label::Text(&values[index]),
        Values::Int64(values) => Label::Number(values[index].into()),
        Values::Int32(values) => Label::Number(values[index].into()),
        Values::Int16(values) => Label::Number(values[index].into()),
        Values::Int8(values) => Label::Number(values[index].into()),
        Values::Uint64(values) => Label::Number(values[index].into()),
        Values::Uint32(values) => Label::Number(values[index].into()),
        Values::Uint16(values) => Label::Number(values[index].into()),
        Values::Uint8(values) => Label::Number(values[index].into()),
        Values::Bool(values) => Label::Number(values[index].into()),
        _ => return None,
    })
}
