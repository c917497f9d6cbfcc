//! gRPC's server reflection: version 1 and its older twin `v1alpha`, which differ in their package alone.

use super::{File, Kind, Message, Method, Service, field, one_of, repeated, unary};

/// The messages of one package; names are joined at compile time.
macro_rules! reflection_file {
    ($package:literal, $file:literal) => {
        File {
            messages: &[
                &Message::new(
                    "ServerReflectionRequest",
                    &[
                        field("host", 1, Kind::String),
                        one_of("message_request", "file_by_filename", 3, Kind::String),
                        one_of("message_request", "file_containing_symbol", 4, Kind::String),
                        one_of(
                            "message_request",
                            "file_containing_extension",
                            5,
                            Kind::Message(concat!($package, ".ExtensionRequest")),
                        ),
                        one_of(
                            "message_request",
                            "all_extension_numbers_of_type",
                            6,
                            Kind::String,
                        ),
                        one_of("message_request", "list_services", 7, Kind::String),
                    ],
                ),
                &Message::new(
                    "ExtensionRequest",
                    &[
                        field("containing_type", 1, Kind::String),
                        field("extension_number", 2, Kind::Int32),
                    ],
                ),
                &Message::new(
                    "ServerReflectionResponse",
                    &[
                        field("valid_host", 1, Kind::String),
                        field(
                            "original_request",
                            2,
                            Kind::Message(concat!($package, ".ServerReflectionRequest")),
                        ),
                        one_of(
                            "message_response",
                            "file_descriptor_response",
                            4,
                            Kind::Message(concat!($package, ".FileDescriptorResponse")),
                        ),
                        one_of(
                            "message_response",
                            "all_extension_numbers_response",
                            5,
                            Kind::Message(concat!($package, ".ExtensionNumberResponse")),
                        ),
                        one_of(
                            "message_response",
                            "list_services_response",
                            6,
                            Kind::Message(concat!($package, ".ListServiceResponse")),
                        ),
                        one_of(
                            "message_response",
                            "error_response",
                            7,
                            Kind::Message(concat!($package, ".ErrorResponse")),
                        ),
                    ],
                ),
                &Message::new(
                    "FileDescriptorResponse",
                    &[repeated("file_descriptor_proto", 1, Kind::Bytes)],
                ),
                &Message::new(
                    "ExtensionNumberResponse",
                    &[
                        field("base_type_name", 1, Kind::String),
                        repeated("extension_number", 2, Kind::Int32),
                    ],
                ),
                &Message::new(
                    "ListServiceResponse",
                    &[repeated(
                        "service",
                        1,
                        Kind::Message(concat!($package, ".ServiceResponse")),
                    )],
                ),
                &Message::new("ServiceResponse", &[field("name", 1, Kind::String)]),
                &Message::new(
                    "ErrorResponse",
                    &[
                        field("error_code", 1, Kind::Int32),
                        field("error_message", 2, Kind::String),
                    ],
                ),
            ],
            services: &[&Service {
                name: "ServerReflection",
                methods: &[Method {
                    client_streaming: true,
                    server_streaming: true,
                    ..unary(
                        "ServerReflectionInfo",
                        concat!($package, ".ServerReflectionRequest"),
                        concat!($package, ".ServerReflectionResponse"),
                    )
                }],
            }],
            ..File::new($file, $package)
        }
    };
}

pub(crate) static V1: File =
    reflection_file!("grpc.reflection.v1", "grpc/reflection/v1/reflection.proto");

pub(crate) static V1_ALPHA: File = reflection_file!(
    "grpc.reflection.v1alpha",
    "grpc/reflection/v1alpha/reflection.proto"
);
