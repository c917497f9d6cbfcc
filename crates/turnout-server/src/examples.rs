//! Classify and Regress, without a transport: serialized Examples go in, classes or values come out.
//!
//! A [`Plan`] is made of a signature and a method; it says what the engine is fed with and which outputs mean what. Engines
//! that parse Examples themselves get them as they came, and their signatures are held to TensorFlow Serving's contract.
//! For all others [`features`] makes the inputs out of the Examples, and [`plan`] finds the outputs by name and type.

mod classes;
mod column;
mod features;
mod plan;
mod results;
mod serialized;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::{Error, ErrorCode, Result, Signature, Tensor};

use crate::grpc::wire::{InputView, Limit};
use crate::servable::Servable;

pub(crate) use classes::ClassTable;
pub(crate) use plan::{Method, Plan};

/// What Classify or Regress answers. Nothing is copied that the outputs hold as it is wanted.
#[derive(Clone, Debug)]
pub(crate) enum InferenceResult<'a> {
    Classes(ClassTable<'a>),
    /// For each Example its value.
    Values(Cow<'a, [f32]>),
}

/// A class of an Example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Class<'a> {
    pub(crate) label: Label<'a>,
    pub(crate) score: f32,
}

/// The name of a class. Text need not be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label<'a> {
    Text(&'a [u8]),
    /// As wide as any integer of a tensor.
    Number(i128),
}

impl Label<'_> {
    pub(crate) fn with_text<T>(self, take: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Text(text) => take(text),
            Self::Number(number) => take(itoa::Buffer::new().format(number).as_bytes()),
        }
    }
}

/// The index of the signature of that name; the empty one gives the default one.
///
/// # Errors
/// `signature_not_found`, by TensorFlow Serving's text.
pub(crate) fn find_signature(servable: &Servable, name: &str) -> Result<usize> {
    find_signature_or(servable, name, "No signature was found with the name: ")
}

/// The same, with other words before the name.
pub(crate) fn find_signature_or(servable: &Servable, name: &str, words: &str) -> Result<usize> {
    servable.signature(Some(name)).map_err(|error| {
        if error.code() != ErrorCode::SignatureNotFound {
            return error;
        }
        Error::signature_not_found(format!("{words}{}", signature_name(name)))
    })
}

/// The name that is meant: the empty one is the default signature's.
pub(crate) fn signature_name(name: &str) -> &str {
    if name.is_empty() {
        DEFAULT_SIGNATURE
    } else {
        name
    }
}

impl Plan {
    /// How a signature of `servable` answers `method`.
    ///
    /// # Errors
    /// As of [`Plan::new`].
    pub(crate) fn of(method: Method, servable: &Servable, signature: usize) -> Result<Self> {
        let engine_parses = servable.engine_model().parses_examples();
        Self::new(method, &servable.signatures[signature], engine_parses)
    }

    /// The inputs of `signature`, made of `input`, which borrows from `message`; at most `limit` of memory for all of them.
    ///
    /// # Errors
    /// `invalid_input` where there is no Example, or where Turnout parses Examples and they lack what the signature wants;
    /// `malformed_request` for what is no Example then; `request_too_large`.
    pub(crate) fn feed(
        &self,
        signature: &Signature,
        input: &InputView<'_>,
        message: &Bytes,
        limit: Limit,
    ) -> Result<Vec<Tensor>> {
        if input.len() == 0 {
            return Err(Error::invalid_input("Input is empty."));
        }
        if self.engine_parses {
            return Ok(vec![serialized::tensor(input, message, limit)?]);
        }
        features::tensors(&signature.inputs, input, message, limit)
    }

    /// What `outputs`, those of the signature of this plan, mean for so many Examples.
    ///
    /// # Errors
    /// `execution_failed` by TensorFlow Serving's texts where they have not the shapes or dtypes that the method wants.
    pub(crate) fn results<'a>(
        &self,
        outputs: &'a [Tensor],
        examples: usize,
    ) -> Result<InferenceResult<'a>> {
        results::read(self, outputs, examples)
    }
}
