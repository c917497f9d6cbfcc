//! The well-known types that the other files use.

use super::{File, Kind, Message, field};

const ANY: Message = Message::new(
    "Any",
    &[
        field("type_url", 1, Kind::String),
        field("value", 2, Kind::Bytes),
    ],
);

pub(crate) const INT64_VALUE: Message =
    Message::new("Int64Value", &[field("value", 1, Kind::Int64)]);

pub(super) static ANY_FILE: File = File {
    messages: &[&ANY],
    ..File::new("google/protobuf/any.proto", "google.protobuf")
};

pub(super) static WRAPPERS_FILE: File = File {
    messages: &[&INT64_VALUE],
    ..File::new("google/protobuf/wrappers.proto", "google.protobuf")
};
