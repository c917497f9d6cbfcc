use std::collections::{BTreeMap, HashSet};

use prost::Message as _;

use super::*;
use crate::grpc::wire::messages as prost_structs;
use crate::grpc::wire::reader::{Reader, Value};

fn messages() -> BTreeMap<String, &'static Message> {
    fn add(name: String, message: &'static Message, all: &mut BTreeMap<String, &'static Message>) {
        for nested in message.messages {
            add(format!("{name}.{}", nested.name), nested, all);
        }
        all.insert(name, message);
    }
    let mut all = BTreeMap::new();
    for file in FILES {
        for message in file.messages {
            add(
                format!("{}.{}", file.package, message.name),
                message,
                &mut all,
            );
        }
    }
    all
}

#[test]
fn names_and_numbers_are_unique_and_types_are_defined_where_they_are_imported() {
    for file in FILES {
        let visible: HashSet<String> = file
            .dependencies
            .iter()
            .flat_map(|other| other.symbols())
            .chain(file.symbols())
            .collect();
        let symbols = file.symbols();
        let unique: HashSet<&String> = symbols.iter().collect();
        assert_eq!(unique.len(), symbols.len(), "{}", file.name);
        for method in file.services.iter().flat_map(|service| service.methods) {
            assert!(visible.contains(method.input), "{}", method.input);
            assert!(visible.contains(method.output), "{}", method.output);
        }
        for message in file.messages {
            let numbers: HashSet<u32> = message.fields.iter().map(|field| field.number).collect();
            assert_eq!(numbers.len(), message.fields.len(), "{}", message.name);
            for field in message.fields {
                if let Kind::Message(name) | Kind::Enum(name) | Kind::MapTo(name) = field.kind {
                    assert!(visible.contains(name), "{}: {name}", file.name);
                }
            }
        }
    }
}

#[test]
fn dependencies_come_first() {
    let mut seen = HashSet::new();
    for file in FILES {
        let missing = file
            .dependencies
            .iter()
            .find(|other| !seen.contains(other.name));
        assert!(missing.is_none(), "{}: {missing:?}", file.name);
        seen.insert(file.name);
    }
}

/// Walks over a message in which every string is the name of its own field.
fn check(messages: &BTreeMap<String, &Message>, name: &str, bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    while let Some((number, value)) = reader.field().expect("written by prost") {
        let field = messages[name]
            .fields
            .iter()
            .find(|field| field.number == number);
        let field = field.unwrap_or_else(|| panic!("{name} has no field {number}"));
        match (field.kind, value) {
            (Kind::String, Value::Bytes(text)) => {
                assert_eq!(text, field.name.as_bytes(), "{name}.{number}");
            }
            (Kind::Message(nested), Value::Bytes(bytes)) => check(messages, nested, bytes),
            (Kind::MapTo(nested), Value::Bytes(entry)) => {
                let mut entry = Reader::new(entry);
                while let Some((number, value)) = entry.field().expect("written by prost") {
                    if let (2, Value::Bytes(bytes)) = (number, value) {
                        check(messages, nested, bytes);
                    }
                }
            }
            (Kind::Bytes, Value::Bytes(_))
            | (Kind::Int64 | Kind::Int32 | Kind::Bool | Kind::Enum(_), Value::Varint(_)) => {}
            (Kind::Int32, Value::Bytes(_)) if field.repeated => {}
            (kind, value) => panic!("{name}.{}: {kind:?} is written as {value:?}", field.name),
        }
    }
}

fn text(name: &str) -> String {
    name.to_owned()
}

fn spec(choice: prost_structs::VersionChoice) -> prost_structs::ModelSpec {
    prost_structs::ModelSpec {
        name: text("name"),
        version_choice: Some(choice),
        signature_name: text("signature_name"),
    }
}

fn assert_agrees(name: &str, message: &impl prost::Message) {
    check(&messages(), name, &message.encode_to_vec());
}

#[test]
fn prost_structs_of_metadata_agree_with_the_table() {
    use prost_structs::*;
    let version = VersionChoice::Version(Int64Value { value: 1 });
    let request = GetModelMetadataRequest {
        model_spec: Some(spec(version.clone())),
        metadata_field: vec![text("metadata_field")],
    };
    let any = Any {
        type_url: text("type_url"),
        value: vec![1],
    };
    let response = GetModelMetadataResponse {
        model_spec: Some(spec(version)),
        metadata: [(text("k"), any)].into(),
    };
    assert_agrees("tensorflow.serving.GetModelMetadataRequest", &request);
    assert_agrees("tensorflow.serving.GetModelMetadataResponse", &response);
}

#[test]
fn prost_structs_of_signatures_agree_with_the_table() {
    use prost_structs::*;
    let dim = Dim {
        size: 1,
        name: text("name"),
    };
    let info = TensorInfo {
        name: text("name"),
        dtype: 1,
        tensor_shape: Some(TensorShape {
            dim: vec![dim],
            unknown_rank: true,
        }),
    };
    let definition = SignatureDef {
        inputs: [(text("k"), info.clone())].into(),
        outputs: [(text("k"), info)].into(),
        method_name: text("method_name"),
    };
    let definitions = SignatureDefMap {
        signature_def: [(text("k"), definition)].into(),
    };
    assert_agrees("tensorflow.serving.SignatureDefMap", &definitions);
}

#[test]
fn prost_structs_of_status_and_health_agree_with_the_table() {
    use prost_structs::*;
    let label = VersionChoice::VersionLabel(text("version_label"));
    let request = GetModelStatusRequest {
        model_spec: Some(spec(label)),
    };
    let status = ModelVersionStatus {
        version: 1,
        state: 10,
        status: Some(StatusProto {
            error_code: 1,
            error_message: text("error_message"),
        }),
    };
    let response = GetModelStatusResponse {
        model_version_status: vec![status],
    };
    let service = text("service");
    let check = HealthCheckRequest { service };
    let health = HealthCheckResponse { status: 1 };
    assert_agrees("tensorflow.serving.GetModelStatusRequest", &request);
    assert_agrees("tensorflow.serving.GetModelStatusResponse", &response);
    assert_agrees("grpc.health.v1.HealthCheckRequest", &check);
    assert_agrees("grpc.health.v1.HealthCheckResponse", &health);
}

#[test]
fn prost_structs_of_both_reflections_agree_with_the_table() {
    use prost_structs::*;
    let all = messages();
    let extension = ExtensionRequest {
        containing_type: text("containing_type"),
        extension_number: 1,
    };
    let queries = [
        ReflectionQuery::FileByFilename(text("file_by_filename")),
        ReflectionQuery::FileContainingSymbol(text("file_containing_symbol")),
        ReflectionQuery::FileContainingExtension(extension),
        ReflectionQuery::AllExtensionNumbersOfType(text("all_extension_numbers_of_type")),
        ReflectionQuery::ListServices(text("list_services")),
    ];
    let answers = [
        ReflectionAnswer::FileDescriptors(FileDescriptorResponse {
            file_descriptor_proto: vec![vec![1]],
        }),
        ReflectionAnswer::ExtensionNumbers(ExtensionNumberResponse {
            base_type_name: text("base_type_name"),
            extension_number: vec![1],
        }),
        ReflectionAnswer::Services(ListServiceResponse {
            service: vec![ServiceResponse { name: text("name") }],
        }),
        ReflectionAnswer::Error(ErrorResponse {
            error_code: 1,
            error_message: text("error_message"),
        }),
    ];
    for package in ["grpc.reflection.v1", "grpc.reflection.v1alpha"] {
        for query in &queries {
            let request = ServerReflectionRequest {
                host: text("host"),
                message_request: Some(query.clone()),
            };
            check(
                &all,
                &format!("{package}.ServerReflectionRequest"),
                &request.encode_to_vec(),
            );
            for answer in &answers {
                let response = ServerReflectionResponse {
                    valid_host: text("valid_host"),
                    original_request: Some(request.clone()),
                    message_response: Some(answer.clone()),
                };
                check(
                    &all,
                    &format!("{package}.ServerReflectionResponse"),
                    &response.encode_to_vec(),
                );
            }
        }
    }
}
