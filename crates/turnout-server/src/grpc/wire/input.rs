//! `tensorflow.serving.Input`: serialized Examples, which are counted here and not looked into.

use std::borrow::Cow;

use bytes::Bytes;
use smallvec::SmallVec;
use turnout_core::Result;

use super::WireError;
use super::fields::input::{CONTEXT, EXAMPLES, LIST, LIST_WITH_CONTEXT};
use super::predict_request::push;
use super::reader::{Reader, Value};

/// An `Input` that borrows from its message.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputView<'a> {
    /// Which arm of the oneof is set; 0 for none.
    arm: u32,
    /// Serialized lists of that arm. More than one only where the message comes in pieces, which protobuf merges.
    lists: SmallVec<[&'a [u8]; 1]>,
    /// Serialized pieces of one Example, in the order in which protobuf merges them.
    context: SmallVec<[&'a [u8]; 1]>,
    examples: usize,
    examples_bytes: usize,
}

impl<'a> InputView<'a> {
    /// The view of a serialized `ExampleListWithContext`, or of an `ExampleList`, which is one without context.
    pub(crate) fn of_list(list: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self::default();
        view.merge_list(LIST_WITH_CONTEXT, list)?;
        Ok(view)
    }

    /// Takes over what `message` sets. One arm clears the other.
    pub(crate) fn merge(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            if let (LIST | LIST_WITH_CONTEXT, Value::Bytes(list)) = (number, value) {
                self.merge_list(number, list)?;
            }
        }
        Ok(())
    }

    fn merge_list(&mut self, arm: u32, list: &'a [u8]) -> Result<(), WireError> {
        if self.arm != arm {
            *self = Self {
                arm,
                ..Self::default()
            };
        }
        let mut reader = Reader::new(list);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (EXAMPLES, Value::Bytes(example)) => {
                    self.examples += 1;
                    self.examples_bytes += example.len();
                }
                (CONTEXT, Value::Bytes(context)) if arm == LIST_WITH_CONTEXT => {
                    push(&mut self.context, context)?;
                }
                _ => {}
            }
        }
        push(&mut self.lists, list)
    }

    /// How many Examples there are.
    pub(crate) fn len(&self) -> usize {
        self.examples
    }

    /// Bytes of all serialized Examples, without the context.
    pub(crate) fn examples_bytes(&self) -> usize {
        self.examples_bytes
    }

    /// The serialized Examples, without the context.
    pub(crate) fn examples(&self) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.lists.iter().flat_map(|list| Fields(Reader::new(list)));
        fields.filter_map(|(number, value)| match (number, value) {
            (EXAMPLES, Value::Bytes(example)) => Some(example),
            _ => None,
        })
    }

    /// What belongs to every Example, serialized: empty where there is none. Bytes in a row are a message in pieces.
    pub(crate) fn context(&self) -> Cow<'a, [u8]> {
        match self.context.as_slice() {
            [] => Cow::Borrowed(&[]),
            [context] => Cow::Borrowed(context),
            pieces => Cow::Owned(pieces.concat()),
        }
    }

    /// The context in pieces, of which the later ones go before.
    pub(crate) fn context_pieces(&self) -> &[&'a [u8]] {
        &self.context
    }
}

/// The serialized Examples of an `Input`, and the context that belongs to all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SerializedExamples {
    pub examples: Vec<Bytes>,
    pub context: Bytes,
}

/// Parses an `Input` without a look into its Examples, which share `message`. The door itself keeps them where they are.
///
/// # Errors
/// `malformed_request` when it is not protobuf.
pub fn decode_input(message: &Bytes) -> Result<SerializedExamples> {
    let mut view = InputView::default();
    view.merge(message)?;
    Ok(SerializedExamples {
        examples: view
            .examples()
            .map(|each| message.slice_ref(each))
            .collect(),
        context: Bytes::copy_from_slice(&view.context()),
    })
}

/// The fields of a message that was read to its end before, so that no fault can come.
struct Fields<'a>(Reader<'a>);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.field().ok().flatten()
    }
}
