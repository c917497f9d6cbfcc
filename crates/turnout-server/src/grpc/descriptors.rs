//! The one table of messages, fields and services that this door speaks.
//!
//! The hand-written codec takes its field numbers from here at compile time ([`Message::number`]), reflection builds its
//! file descriptors from here ([`encode`]), and a test holds the table against TensorFlow Serving's own descriptors.
//! Fields that Turnout neither reads nor writes are left out.

mod any;
mod encode;
mod example;
mod health;
mod inference;
mod reflection;
mod serving;
mod tensorflow;
#[cfg(test)]
mod tests;

pub(crate) use any::INT64_VALUE;
pub(crate) use encode::encode_file;
pub(crate) use example::{BYTES_LIST, EXAMPLE, FEATURE, FEATURES, FLOAT_LIST, INT64_LIST};
pub(crate) use inference::{
    CLASS, CLASSIFICATION_REQUEST, CLASSIFICATION_RESPONSE, CLASSIFICATION_RESULT, CLASSIFICATIONS,
    EXAMPLE_LIST, EXAMPLE_LIST_WITH_CONTEXT, INFERENCE_RESULT, INFERENCE_TASK, INPUT,
    MULTI_INFERENCE_REQUEST, MULTI_INFERENCE_RESPONSE, REGRESSION, REGRESSION_REQUEST,
    REGRESSION_RESPONSE, REGRESSION_RESULT,
};
pub(crate) use serving::{MODEL_SPEC, PREDICT_REQUEST, PREDICT_RESPONSE};
pub(crate) use tensorflow::{TENSOR_PROTO, TENSOR_SHAPE_DIM, TENSOR_SHAPE_PROTO};

use super::wire::writer::put_bytes;

/// Every file, dependencies before dependents.
pub(crate) static FILES: &[&File] = &[
    &any::ANY_FILE,
    &any::WRAPPERS_FILE,
    &tensorflow::TYPES_FILE,
    &tensorflow::TENSOR_SHAPE_FILE,
    &tensorflow::TENSOR_FILE,
    &tensorflow::META_GRAPH_FILE,
    &tensorflow::ERROR_CODES_FILE,
    &example::FEATURE_FILE,
    &example::EXAMPLE_FILE,
    &serving::STATUS_FILE,
    &serving::MODEL_FILE,
    &serving::PREDICT_FILE,
    &inference::INPUT_FILE,
    &inference::CLASSIFICATION_FILE,
    &inference::REGRESSION_FILE,
    &inference::INFERENCE_FILE,
    &serving::GET_MODEL_METADATA_FILE,
    &serving::GET_MODEL_STATUS_FILE,
    &serving::PREDICTION_SERVICE_FILE,
    &serving::MODEL_SERVICE_FILE,
    &health::FILE,
    &reflection::V1,
    &reflection::V1_ALPHA,
];

/// A serialized `google.protobuf.FileDescriptorSet` of the whole table.
pub fn file_descriptor_set() -> Vec<u8> {
    let mut set = Vec::new();
    for file in FILES {
        put_bytes(&mut set, 1, &encode_file(file));
    }
    set
}

/// A `.proto` file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) dependencies: &'static [&'static File],
    pub(crate) messages: &'static [&'static Message],
    pub(crate) enums: &'static [&'static Enum],
    pub(crate) services: &'static [&'static Service],
}

/// A message type; its oneofs are named by its fields.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
    pub(crate) messages: &'static [&'static Message],
    pub(crate) enums: &'static [&'static Enum],
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
    pub(crate) oneof: Option<&'static str>,
    /// Set where the JSON name is not the name in camel case.
    pub(crate) json_name: Option<&'static str>,
}

/// What a field holds. Messages and enums are named in full, without the leading dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Bool,
    String,
    Bytes,
    Message(&'static str),
    Enum(&'static str),
    /// A map from strings to the named message.
    MapTo(&'static str),
}

#[derive(Debug)]
pub(crate) struct Enum {
    pub(crate) name: &'static str,
    pub(crate) values: &'static [(&'static str, i32)],
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) methods: &'static [Method],
}

#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) input: &'static str,
    pub(crate) output: &'static str,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
}

const fn field(name: &'static str, number: u32, kind: Kind) -> Field {
    Field {
        name,
        number,
        kind,
        repeated: false,
        oneof: None,
        json_name: None,
    }
}

const fn repeated(name: &'static str, number: u32, kind: Kind) -> Field {
    Field {
        repeated: true,
        ..field(name, number, kind)
    }
}

const fn one_of(oneof: &'static str, name: &'static str, number: u32, kind: Kind) -> Field {
    Field {
        oneof: Some(oneof),
        ..field(name, number, kind)
    }
}

const fn unary(name: &'static str, input: &'static str, output: &'static str) -> Method {
    Method {
        name,
        input,
        output,
        client_streaming: false,
        server_streaming: false,
    }
}

impl Message {
    const fn new(name: &'static str, fields: &'static [Field]) -> Self {
        Self {
            name,
            fields,
            messages: &[],
            enums: &[],
        }
    }

    /// The number of the field `name`; in a constant, a field that is not in the table does not compile.
    pub(crate) const fn number(&self, name: &str) -> u32 {
        let mut index = 0;
        while index < self.fields.len() {
            if same(self.fields[index].name, name) {
                return self.fields[index].number;
            }
            index += 1;
        }
        panic!("bug: the table has no such field")
    }
}

impl File {
    const fn new(name: &'static str, package: &'static str) -> Self {
        Self {
            name,
            package,
            dependencies: &[],
            messages: &[],
            enums: &[],
            services: &[],
        }
    }

    /// The full names of everything that this file defines, services' methods and nested types among them.
    pub(crate) fn symbols(&self) -> Vec<String> {
        let mut symbols = Vec::new();
        let full = |name: &str| format!("{}.{name}", self.package);
        self.messages
            .iter()
            .for_each(|message| message_symbols(message, &full(message.name), &mut symbols));
        symbols.extend(self.enums.iter().map(|of| full(of.name)));
        for service in self.services {
            symbols.push(full(service.name));
            symbols.extend(
                service
                    .methods
                    .iter()
                    .map(|method| format!("{}.{}", full(service.name), method.name)),
            );
        }
        symbols
    }
}

fn message_symbols(message: &Message, full_name: &str, symbols: &mut Vec<String>) {
    symbols.push(full_name.to_owned());
    symbols.extend(
        message
            .fields
            .iter()
            .map(|field| format!("{full_name}.{}", field.name)),
    );
    symbols.extend(
        message
            .enums
            .iter()
            .map(|of| format!("{full_name}.{}", of.name)),
    );
    for nested in message.messages {
        message_symbols(nested, &format!("{full_name}.{}", nested.name), symbols);
    }
}

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}
