//! `Example` and `Input` as prost reads them: the oracle of tests and of a fuzz target.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct BytesList {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) value: Vec<bytes::Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FloatList {
    #[prost(float, repeated, tag = "1")]
    pub(super) value: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Int64List {
    #[prost(int64, repeated, tag = "1")]
    pub(super) value: Vec<i64>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Kind {
    #[prost(message, tag = "1")]
    Bytes(BytesList),
    #[prost(message, tag = "2")]
    Floats(FloatList),
    #[prost(message, tag = "3")]
    Int64s(Int64List),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Feature {
    #[prost(oneof = "Kind", tags = "1, 2, 3")]
    pub(super) kind: Option<Kind>,
}

/// An entry of a map, as the wire has it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<Feature>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Features {
    #[prost(message, repeated, tag = "1")]
    pub(super) feature: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Example {
    #[prost(message, optional, tag = "1")]
    pub(super) features: Option<Features>,
}

impl Example {
    /// The last entry of a key counts.
    pub(super) fn by_name(&self) -> BTreeMap<String, Feature> {
        let entries = self.features.iter().flat_map(|features| &features.feature);
        let pair = |entry: &Entry| (entry.key.clone(), entry.value.clone().unwrap_or_default());
        entries.map(pair).collect()
    }
}

/// A list whose Examples are left as they are.
#[derive(Clone, PartialEq, Message)]
pub(super) struct List {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) examples: Vec<bytes::Bytes>,
}

/// The context in pieces, which follow one another where protobuf merges them.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ListWithContext {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) examples: Vec<bytes::Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) context: Vec<bytes::Bytes>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum InputKind {
    #[prost(message, tag = "1")]
    List(List),
    #[prost(message, tag = "2")]
    ListWithContext(ListWithContext),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Input {
    #[prost(oneof = "InputKind", tags = "1, 2")]
    pub(super) kind: Option<InputKind>,
}

impl Input {
    /// The Examples and the context.
    pub(super) fn parts(self) -> (Vec<bytes::Bytes>, Vec<u8>) {
        match self.kind {
            None => (Vec::new(), Vec::new()),
            Some(InputKind::List(list)) => (list.examples, Vec::new()),
            Some(InputKind::ListWithContext(list)) => (list.examples, list.context.concat()),
        }
    }
}
