//! The messages and services of TensorFlow Serving.

use super::any::{ANY_FILE, WRAPPERS_FILE};
use super::inference::{CLASSIFICATION_FILE, INFERENCE_FILE, REGRESSION_FILE};
use super::tensorflow::{ERROR_CODES_FILE, META_GRAPH_FILE, TENSOR_FILE};
use super::{Enum, Field, File, Kind, Message, Service, field, one_of, repeated, unary};

pub(super) const PACKAGE: &str = "tensorflow.serving";

pub(super) const fn model_spec(number: u32) -> Field {
    field(
        "model_spec",
        number,
        Kind::Message("tensorflow.serving.ModelSpec"),
    )
}

pub(crate) const MODEL_SPEC: Message = Message::new(
    "ModelSpec",
    &[
        field("name", 1, Kind::String),
        one_of(
            "version_choice",
            "version",
            2,
            Kind::Message("google.protobuf.Int64Value"),
        ),
        one_of("version_choice", "version_label", 4, Kind::String),
        field("signature_name", 3, Kind::String),
    ],
);

pub(crate) const PREDICT_REQUEST: Message = Message::new(
    "PredictRequest",
    &[
        model_spec(1),
        field("inputs", 2, Kind::MapTo("tensorflow.TensorProto")),
        repeated("output_filter", 3, Kind::String),
    ],
);

pub(crate) const PREDICT_RESPONSE: Message = Message::new(
    "PredictResponse",
    &[
        model_spec(2),
        field("outputs", 1, Kind::MapTo("tensorflow.TensorProto")),
    ],
);

const SIGNATURE_DEF_MAP: Message = Message::new(
    "SignatureDefMap",
    &[field(
        "signature_def",
        1,
        Kind::MapTo("tensorflow.SignatureDef"),
    )],
);

const GET_MODEL_METADATA_REQUEST: Message = Message::new(
    "GetModelMetadataRequest",
    &[model_spec(1), repeated("metadata_field", 2, Kind::String)],
);

const GET_MODEL_METADATA_RESPONSE: Message = Message::new(
    "GetModelMetadataResponse",
    &[
        model_spec(1),
        field("metadata", 2, Kind::MapTo("google.protobuf.Any")),
    ],
);

const STATUS_PROTO: Message = Message::new(
    "StatusProto",
    &[
        Field {
            json_name: Some("error_code"),
            ..field("error_code", 1, Kind::Enum("tensorflow.error.Code"))
        },
        Field {
            json_name: Some("error_message"),
            ..field("error_message", 2, Kind::String)
        },
    ],
);

const GET_MODEL_STATUS_REQUEST: Message = Message::new("GetModelStatusRequest", &[model_spec(1)]);

const MODEL_VERSION_STATUS: Message = Message {
    name: "ModelVersionStatus",
    fields: &[
        field("version", 1, Kind::Int64),
        field(
            "state",
            2,
            Kind::Enum("tensorflow.serving.ModelVersionStatus.State"),
        ),
        field("status", 3, Kind::Message("tensorflow.serving.StatusProto")),
    ],
    messages: &[],
    enums: &[&Enum {
        name: "State",
        values: &[
            ("UNKNOWN", 0),
            ("START", 10),
            ("LOADING", 20),
            ("AVAILABLE", 30),
            ("UNLOADING", 40),
            ("END", 50),
        ],
    }],
};

const GET_MODEL_STATUS_RESPONSE: Message = Message::new(
    "GetModelStatusResponse",
    &[Field {
        json_name: Some("model_version_status"),
        ..repeated(
            "model_version_status",
            1,
            Kind::Message("tensorflow.serving.ModelVersionStatus"),
        )
    }],
);

const PREDICTION_SERVICE: Service = Service {
    name: "PredictionService",
    methods: &[
        unary(
            "Classify",
            "tensorflow.serving.ClassificationRequest",
            "tensorflow.serving.ClassificationResponse",
        ),
        unary(
            "Regress",
            "tensorflow.serving.RegressionRequest",
            "tensorflow.serving.RegressionResponse",
        ),
        unary(
            "Predict",
            "tensorflow.serving.PredictRequest",
            "tensorflow.serving.PredictResponse",
        ),
        unary(
            "MultiInference",
            "tensorflow.serving.MultiInferenceRequest",
            "tensorflow.serving.MultiInferenceResponse",
        ),
        unary(
            "GetModelMetadata",
            "tensorflow.serving.GetModelMetadataRequest",
            "tensorflow.serving.GetModelMetadataResponse",
        ),
    ],
};

const MODEL_SERVICE: Service = Service {
    name: "ModelService",
    methods: &[unary(
        "GetModelStatus",
        "tensorflow.serving.GetModelStatusRequest",
        "tensorflow.serving.GetModelStatusResponse",
    )],
};

pub(super) static STATUS_FILE: File = File {
    dependencies: &[&ERROR_CODES_FILE],
    messages: &[&STATUS_PROTO],
    ..File::new("tensorflow_serving/util/status.proto", PACKAGE)
};

pub(super) static MODEL_FILE: File = File {
    dependencies: &[&WRAPPERS_FILE],
    messages: &[&MODEL_SPEC],
    ..File::new("tensorflow_serving/apis/model.proto", PACKAGE)
};

pub(super) static PREDICT_FILE: File = File {
    dependencies: &[&TENSOR_FILE, &MODEL_FILE],
    messages: &[&PREDICT_REQUEST, &PREDICT_RESPONSE],
    ..File::new("tensorflow_serving/apis/predict.proto", PACKAGE)
};

pub(super) static GET_MODEL_METADATA_FILE: File = File {
    dependencies: &[&ANY_FILE, &META_GRAPH_FILE, &MODEL_FILE],
    messages: &[
        &SIGNATURE_DEF_MAP,
        &GET_MODEL_METADATA_REQUEST,
        &GET_MODEL_METADATA_RESPONSE,
    ],
    ..File::new("tensorflow_serving/apis/get_model_metadata.proto", PACKAGE)
};

pub(super) static GET_MODEL_STATUS_FILE: File = File {
    dependencies: &[&MODEL_FILE, &STATUS_FILE],
    messages: &[
        &GET_MODEL_STATUS_REQUEST,
        &MODEL_VERSION_STATUS,
        &GET_MODEL_STATUS_RESPONSE,
    ],
    ..File::new("tensorflow_serving/apis/get_model_status.proto", PACKAGE)
};

pub(super) static PREDICTION_SERVICE_FILE: File = File {
    dependencies: &[
        &CLASSIFICATION_FILE,
        &GET_MODEL_METADATA_FILE,
        &INFERENCE_FILE,
        &PREDICT_FILE,
        &REGRESSION_FILE,
    ],
    services: &[&PREDICTION_SERVICE],
    ..File::new("tensorflow_serving/apis/prediction_service.proto", PACKAGE)
};

pub(super) static MODEL_SERVICE_FILE: File = File {
    dependencies: &[&GET_MODEL_STATUS_FILE],
    services: &[&MODEL_SERVICE],
    ..File::new("tensorflow_serving/apis/model_service.proto", PACKAGE)
};
