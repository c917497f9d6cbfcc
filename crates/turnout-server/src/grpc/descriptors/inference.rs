//! The messages of Classify, Regress and `MultiInference`.

use super::example::EXAMPLE_FILE;
use super::serving::{MODEL_FILE, PACKAGE, model_spec};
use super::{Field, File, Kind, Message, field, one_of, repeated};

const EXAMPLE: Kind = Kind::Message("tensorflow.Example");

pub(crate) const EXAMPLE_LIST: Message =
    Message::new("ExampleList", &[repeated("examples", 1, EXAMPLE)]);

pub(crate) const EXAMPLE_LIST_WITH_CONTEXT: Message = Message::new(
    "ExampleListWithContext",
    &[
        repeated("examples", 1, EXAMPLE),
        field("context", 2, EXAMPLE),
    ],
);

pub(crate) const INPUT: Message = Message::new(
    "Input",
    &[
        one_of(
            "kind",
            "example_list",
            1,
            Kind::Message("tensorflow.serving.ExampleList"),
        ),
        one_of(
            "kind",
            "example_list_with_context",
            2,
            Kind::Message("tensorflow.serving.ExampleListWithContext"),
        ),
    ],
);

const fn input(number: u32) -> Field {
    field("input", number, Kind::Message("tensorflow.serving.Input"))
}

pub(crate) const CLASS: Message = Message::new(
    "Class",
    &[
        field("label", 1, Kind::String),
        field("score", 2, Kind::Float),
    ],
);

pub(crate) const CLASSIFICATIONS: Message = Message::new(
    "Classifications",
    &[repeated(
        "classes",
        1,
        Kind::Message("tensorflow.serving.Class"),
    )],
);

pub(crate) const CLASSIFICATION_RESULT: Message = Message::new(
    "ClassificationResult",
    &[repeated(
        "classifications",
        1,
        Kind::Message("tensorflow.serving.Classifications"),
    )],
);

pub(crate) const CLASSIFICATION_REQUEST: Message =
    Message::new("ClassificationRequest", &[model_spec(1), input(2)]);

pub(crate) const CLASSIFICATION_RESPONSE: Message = Message::new(
    "ClassificationResponse",
    &[
        field(
            "result",
            1,
            Kind::Message("tensorflow.serving.ClassificationResult"),
        ),
        model_spec(2),
    ],
);

pub(crate) const REGRESSION: Message =
    Message::new("Regression", &[field("value", 1, Kind::Float)]);

pub(crate) const REGRESSION_RESULT: Message = Message::new(
    "RegressionResult",
    &[repeated(
        "regressions",
        1,
        Kind::Message("tensorflow.serving.Regression"),
    )],
);

pub(crate) const REGRESSION_REQUEST: Message =
    Message::new("RegressionRequest", &[model_spec(1), input(2)]);

pub(crate) const REGRESSION_RESPONSE: Message = Message::new(
    "RegressionResponse",
    &[
        field(
            "result",
            1,
            Kind::Message("tensorflow.serving.RegressionResult"),
        ),
        model_spec(2),
    ],
);

pub(crate) const INFERENCE_TASK: Message = Message::new(
    "InferenceTask",
    &[model_spec(1), field("method_name", 2, Kind::String)],
);

pub(crate) const INFERENCE_RESULT: Message = Message::new(
    "InferenceResult",
    &[
        model_spec(1),
        one_of(
            "result",
            "classification_result",
            2,
            Kind::Message("tensorflow.serving.ClassificationResult"),
        ),
        one_of(
            "result",
            "regression_result",
            3,
            Kind::Message("tensorflow.serving.RegressionResult"),
        ),
    ],
);

pub(crate) const MULTI_INFERENCE_REQUEST: Message = Message::new(
    "MultiInferenceRequest",
    &[
        repeated(
            "tasks",
            1,
            Kind::Message("tensorflow.serving.InferenceTask"),
        ),
        input(2),
    ],
);

pub(crate) const MULTI_INFERENCE_RESPONSE: Message = Message::new(
    "MultiInferenceResponse",
    &[repeated(
        "results",
        1,
        Kind::Message("tensorflow.serving.InferenceResult"),
    )],
);

pub(super) static INPUT_FILE: File = File {
    dependencies: &[&EXAMPLE_FILE],
    messages: &[&EXAMPLE_LIST, &EXAMPLE_LIST_WITH_CONTEXT, &INPUT],
    ..File::new("tensorflow_serving/apis/input.proto", PACKAGE)
};

pub(super) static CLASSIFICATION_FILE: File = File {
    dependencies: &[&INPUT_FILE, &MODEL_FILE],
    messages: &[
        &CLASS,
        &CLASSIFICATIONS,
        &CLASSIFICATION_RESULT,
        &CLASSIFICATION_REQUEST,
        &CLASSIFICATION_RESPONSE,
    ],
    ..File::new("tensorflow_serving/apis/classification.proto", PACKAGE)
};

pub(super) static REGRESSION_FILE: File = File {
    dependencies: &[&INPUT_FILE, &MODEL_FILE],
    messages: &[
        &REGRESSION,
        &REGRESSION_RESULT,
        &REGRESSION_REQUEST,
        &REGRESSION_RESPONSE,
    ],
    ..File::new("tensorflow_serving/apis/regression.proto", PACKAGE)
};

pub(super) static INFERENCE_FILE: File = File {
    dependencies: &[
        &CLASSIFICATION_FILE,
        &INPUT_FILE,
        &MODEL_FILE,
        &REGRESSION_FILE,
    ],
    messages: &[
        &INFERENCE_TASK,
        &INFERENCE_RESULT,
        &MULTI_INFERENCE_REQUEST,
        &MULTI_INFERENCE_RESPONSE,
    ],
    ..File::new("tensorflow_serving/apis/inference.proto", PACKAGE)
};
