//! From the table to serialized `google.protobuf.FileDescriptorProto` messages, as `protoc` would make them.

use super::{Enum, Field, File, Kind, Message, Method, Service};
use crate::grpc::wire::writer::{put_bytes, put_message, put_varint_field};

const LABEL_OPTIONAL: u64 = 1;
const LABEL_REPEATED: u64 = 3;

/// The serialized descriptor of `file`.
pub(crate) fn encode_file(file: &File) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, file.name.as_bytes());
    put_bytes(&mut out, 2, file.package.as_bytes());
    for dependency in file.dependencies {
        put_bytes(&mut out, 3, dependency.name.as_bytes());
    }
    for message in file.messages {
        let full_name = format!("{}.{}", file.package, message.name);
        put_message(&mut out, 4, |out| put_descriptor(out, message, &full_name));
    }
    for of in file.enums {
        put_message(&mut out, 5, |out| put_enum(out, of));
    }
    for service in file.services {
        put_message(&mut out, 6, |out| put_service(out, service));
    }
    put_bytes(&mut out, 12, b"proto3");
    out
}

fn put_descriptor(out: &mut Vec<u8>, message: &Message, full_name: &str) {
    let oneofs = oneofs(message);
    put_bytes(out, 1, message.name.as_bytes());
    for field in message.fields {
        put_message(out, 2, |out| put_field(out, field, full_name, &oneofs));
    }
    for nested in message.messages {
        let full_name = format!("{full_name}.{}", nested.name);
        put_message(out, 3, |out| put_descriptor(out, nested, &full_name));
    }
    for field in message.fields {
        if let Kind::MapTo(value) = field.kind {
            put_message(out, 3, |out| put_map_entry(out, field, value));
        }
    }
    for of in message.enums {
        put_message(out, 4, |out| put_enum(out, of));
    }
    for oneof in oneofs {
        put_message(out, 8, |out| put_bytes(out, 1, oneof.as_bytes()));
    }
}

/// The names of a message's oneofs, in the order of their first fields.
fn oneofs(message: &Message) -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in message.fields.iter().filter_map(|field| field.oneof) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn put_field(out: &mut Vec<u8>, field: &Field, message: &str, oneofs: &[&str]) {
    let label = if is_repeated(field) {
        LABEL_REPEATED
    } else {
        LABEL_OPTIONAL
    };
    put_bytes(out, 1, field.name.as_bytes());
    put_varint_field(out, 3, u64::from(field.number));
    put_varint_field(out, 4, label);
    put_varint_field(out, 5, type_number(field.kind));
    if let Some(type_name) = type_name(field, message) {
        put_bytes(out, 6, type_name.as_bytes());
    }
    if let Some(index) = field
        .oneof
        .and_then(|name| oneofs.iter().position(|other| *other == name))
    {
        put_varint_field(out, 9, index as u64);
    }
    let json_name = field
        .json_name
        .map_or_else(|| camel_case(field.name, false), str::to_owned);
    put_bytes(out, 10, json_name.as_bytes());
}

fn is_repeated(field: &Field) -> bool {
    field.repeated || matches!(field.kind, Kind::MapTo(_))
}

/// `FieldDescriptorProto.Type`.
fn type_number(kind: Kind) -> u64 {
    match kind {
        Kind::Double => 1,
        Kind::Float => 2,
        Kind::Int64 => 3,
        Kind::Uint64 => 4,
        Kind::Int32 => 5,
        Kind::Bool => 8,
        Kind::String => 9,
        Kind::Message(_) | Kind::MapTo(_) => 11,
        Kind::Bytes => 12,
        Kind::Uint32 => 13,
        Kind::Enum(_) => 14,
    }
}

fn type_name(field: &Field, message: &str) -> Option<String> {
    match field.kind {
        Kind::Message(name) | Kind::Enum(name) => Some(format!(".{name}")),
        Kind::MapTo(_) => Some(format!(".{message}.{}", entry_name(field))),
        _ => None,
    }
}

/// The message that `protoc` makes for the entries of a map: `inputs` gives `InputsEntry`.
fn entry_name(field: &Field) -> String {
    format!("{}Entry", camel_case(field.name, true))
}

fn put_map_entry(out: &mut Vec<u8>, field: &Field, value: &'static str) {
    let name = entry_name(field);
    put_bytes(out, 1, name.as_bytes());
    put_message(out, 2, |out| {
        put_field(out, &super::field("key", 1, Kind::String), "", &[]);
    });
    put_message(out, 2, |out| {
        put_field(
            out,
            &super::field("value", 2, Kind::Message(value)),
            "",
            &[],
        );
    });
    put_message(out, 7, |options| put_varint_field(options, 7, 1));
}

fn put_enum(out: &mut Vec<u8>, of: &Enum) {
    put_bytes(out, 1, of.name.as_bytes());
    for (name, number) in of.values {
        put_message(out, 2, |out| {
            put_bytes(out, 1, name.as_bytes());
            put_varint_field(out, 2, i64::from(*number).cast_unsigned());
        });
    }
}

fn put_service(out: &mut Vec<u8>, service: &Service) {
    put_bytes(out, 1, service.name.as_bytes());
    for method in service.methods {
        put_message(out, 2, |out| put_method(out, method));
    }
}

fn put_method(out: &mut Vec<u8>, method: &Method) {
    put_bytes(out, 1, method.name.as_bytes());
    put_bytes(out, 2, format!(".{}", method.input).as_bytes());
    put_bytes(out, 3, format!(".{}", method.output).as_bytes());
    if method.client_streaming {
        put_varint_field(out, 5, 1);
    }
    if method.server_streaming {
        put_varint_field(out, 6, 1);
    }
}

/// `model_spec` as `modelSpec`, or `ModelSpec` with `upper_first`.
fn camel_case(name: &str, upper_first: bool) -> String {
    let mut upper = upper_first;
    let mut camel = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else {
            camel.push(if upper {
                letter.to_ascii_uppercase()
            } else {
                letter
            });
            upper = false;
        }
    }
    camel
}
