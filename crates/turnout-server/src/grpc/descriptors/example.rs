//! TensorFlow's `Example`: named features, each a list of bytes, floats or integers.

use super::{File, Kind, Message, field, one_of, repeated};

pub(crate) const BYTES_LIST: Message =
    Message::new("BytesList", &[repeated("value", 1, Kind::Bytes)]);

pub(crate) const FLOAT_LIST: Message =
    Message::new("FloatList", &[repeated("value", 1, Kind::Float)]);

pub(crate) const INT64_LIST: Message =
    Message::new("Int64List", &[repeated("value", 1, Kind::Int64)]);

pub(crate) const FEATURE: Message = Message::new(
    "Feature",
    &[
        one_of(
            "kind",
            "bytes_list",
            1,
            Kind::Message("tensorflow.BytesList"),
        ),
        one_of(
            "kind",
            "float_list",
            2,
            Kind::Message("tensorflow.FloatList"),
        ),
        one_of(
            "kind",
            "int64_list",
            3,
            Kind::Message("tensorflow.Int64List"),
        ),
    ],
);

pub(crate) const FEATURES: Message = Message::new(
    "Features",
    &[field("feature", 1, Kind::MapTo("tensorflow.Feature"))],
);

pub(crate) const EXAMPLE: Message = Message::new(
    "Example",
    &[field("features", 1, Kind::Message("tensorflow.Features"))],
);

pub(super) static FEATURE_FILE: File = File {
    messages: &[&BYTES_LIST, &FLOAT_LIST, &INT64_LIST, &FEATURE, &FEATURES],
    ..File::new("tensorflow/core/example/feature.proto", "tensorflow")
};

pub(super) static EXAMPLE_FILE: File = File {
    dependencies: &[&FEATURE_FILE],
    messages: &[&EXAMPLE],
    ..File::new("tensorflow/core/example/example.proto", "tensorflow")
};
