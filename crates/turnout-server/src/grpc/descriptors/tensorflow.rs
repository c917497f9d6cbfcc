//! The messages of TensorFlow itself: tensors, shapes, signatures, error codes.

use super::{Enum, Field, File, Kind, Message, field, one_of, repeated};

const DATA_TYPE: Enum = Enum {
    name: "DataType",
    values: &[
        ("DT_INVALID", 0),
        ("DT_FLOAT", 1),
        ("DT_DOUBLE", 2),
        ("DT_INT32", 3),
        ("DT_UINT8", 4),
        ("DT_INT16", 5),
        ("DT_INT8", 6),
        ("DT_STRING", 7),
        ("DT_COMPLEX64", 8),
        ("DT_INT64", 9),
        ("DT_BOOL", 10),
        ("DT_BFLOAT16", 14),
        ("DT_UINT16", 17),
        ("DT_COMPLEX128", 18),
        ("DT_HALF", 19),
        ("DT_UINT32", 22),
        ("DT_UINT64", 23),
    ],
};

pub(crate) const TENSOR_SHAPE_DIM: Message = Message::new(
    "Dim",
    &[
        field("size", 1, Kind::Int64),
        field("name", 2, Kind::String),
    ],
);

pub(crate) const TENSOR_SHAPE_PROTO: Message = Message {
    name: "TensorShapeProto",
    fields: &[
        repeated("dim", 2, Kind::Message("tensorflow.TensorShapeProto.Dim")),
        field("unknown_rank", 3, Kind::Bool),
    ],
    messages: &[&TENSOR_SHAPE_DIM],
    enums: &[],
};

const DTYPE: Kind = Kind::Enum("tensorflow.DataType");
const SHAPE: Kind = Kind::Message("tensorflow.TensorShapeProto");

pub(crate) const TENSOR_PROTO: Message = Message::new(
    "TensorProto",
    &[
        field("dtype", 1, DTYPE),
        field("tensor_shape", 2, SHAPE),
        field("tensor_content", 4, Kind::Bytes),
        repeated("half_val", 13, Kind::Int32),
        repeated("float_val", 5, Kind::Float),
        repeated("double_val", 6, Kind::Double),
        repeated("int_val", 7, Kind::Int32),
        repeated("string_val", 8, Kind::Bytes),
        repeated("scomplex_val", 9, Kind::Float),
        repeated("int64_val", 10, Kind::Int64),
        repeated("bool_val", 11, Kind::Bool),
        repeated("dcomplex_val", 12, Kind::Double),
        repeated("uint32_val", 16, Kind::Uint32),
        repeated("uint64_val", 17, Kind::Uint64),
    ],
);

const TENSOR_INFO: Message = Message::new(
    "TensorInfo",
    &[
        one_of("encoding", "name", 1, Kind::String),
        field("dtype", 2, DTYPE),
        field("tensor_shape", 3, SHAPE),
    ],
);

const fn tensor_infos(name: &'static str, number: u32) -> Field {
    field(name, number, Kind::MapTo("tensorflow.TensorInfo"))
}

const SIGNATURE_DEF: Message = Message::new(
    "SignatureDef",
    &[
        tensor_infos("inputs", 1),
        tensor_infos("outputs", 2),
        field("method_name", 3, Kind::String),
    ],
);

const CODE: Enum = Enum {
    name: "Code",
    values: &[
        ("OK", 0),
        ("CANCELLED", 1),
        ("UNKNOWN", 2),
        ("INVALID_ARGUMENT", 3),
        ("DEADLINE_EXCEEDED", 4),
        ("NOT_FOUND", 5),
        ("ALREADY_EXISTS", 6),
        ("PERMISSION_DENIED", 7),
        ("UNAUTHENTICATED", 16),
        ("RESOURCE_EXHAUSTED", 8),
        ("FAILED_PRECONDITION", 9),
        ("ABORTED", 10),
        ("OUT_OF_RANGE", 11),
        ("UNIMPLEMENTED", 12),
        ("INTERNAL", 13),
        ("UNAVAILABLE", 14),
        ("DATA_LOSS", 15),
    ],
};

pub(super) static TYPES_FILE: File = File {
    enums: &[&DATA_TYPE],
    ..File::new("tensorflow/core/framework/types.proto", "tensorflow")
};

pub(super) static TENSOR_SHAPE_FILE: File = File {
    messages: &[&TENSOR_SHAPE_PROTO],
    ..File::new("tensorflow/core/framework/tensor_shape.proto", "tensorflow")
};

pub(super) static TENSOR_FILE: File = File {
    dependencies: &[&TENSOR_SHAPE_FILE, &TYPES_FILE],
    messages: &[&TENSOR_PROTO],
    ..File::new("tensorflow/core/framework/tensor.proto", "tensorflow")
};

pub(super) static META_GRAPH_FILE: File = File {
    dependencies: &[&TENSOR_SHAPE_FILE, &TYPES_FILE],
    messages: &[&TENSOR_INFO, &SIGNATURE_DEF],
    ..File::new("tensorflow/core/protobuf/meta_graph.proto", "tensorflow")
};

pub(super) static ERROR_CODES_FILE: File = File {
    enums: &[&CODE],
    ..File::new(
        "tensorflow/core/protobuf/error_codes.proto",
        "tensorflow.error",
    )
};
