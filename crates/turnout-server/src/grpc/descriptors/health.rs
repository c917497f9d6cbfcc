//! gRPC's health protocol, version 1.

use super::{Enum, File, Kind, Message, Method, Service, field, unary};

const REQUEST: &str = "grpc.health.v1.HealthCheckRequest";
const RESPONSE: &str = "grpc.health.v1.HealthCheckResponse";

const HEALTH_CHECK_REQUEST: Message =
    Message::new("HealthCheckRequest", &[field("service", 1, Kind::String)]);

const HEALTH_CHECK_RESPONSE: Message = Message {
    name: "HealthCheckResponse",
    fields: &[field(
        "status",
        1,
        Kind::Enum("grpc.health.v1.HealthCheckResponse.ServingStatus"),
    )],
    messages: &[],
    enums: &[&Enum {
        name: "ServingStatus",
        values: &[
            ("UNKNOWN", 0),
            ("SERVING", 1),
            ("NOT_SERVING", 2),
            ("SERVICE_UNKNOWN", 3),
        ],
    }],
};

const HEALTH: Service = Service {
    name: "Health",
    methods: &[
        unary("Check", REQUEST, RESPONSE),
        Method {
            server_streaming: true,
            ..unary("Watch", REQUEST, RESPONSE)
        },
    ],
};

pub(super) static FILE: File = File {
    messages: &[&HEALTH_CHECK_REQUEST, &HEALTH_CHECK_RESPONSE],
    services: &[&HEALTH],
    ..File::new("grpc/health/v1/health.proto", "grpc.health.v1")
};
