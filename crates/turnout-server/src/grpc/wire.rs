//! Protobuf by hand for the messages of Predict, Classify, Regress and `MultiInference`, and prost structs for the rest.
//!
//! Reading is in two steps. A *view* ([`PredictRequestView`], [`TensorView`]) borrows from the message and has allocated
//! next to nothing; it says what its tensors will need. Only then are values made of it, within a limit.

mod dtype;
mod error;
mod example;
mod fields;
mod inference_request;
mod inference_response;
mod input;
pub(crate) mod messages;
mod model_spec;
mod predict_request;
mod predict_response;
mod prediction_log;
pub(crate) mod reader;
mod tensor_values;
mod tensor_view;
mod tensor_writer;
pub(crate) mod writer;

#[cfg(test)]
mod tests;

pub(crate) use dtype::data_type_number;
pub use error::WireError;
pub(crate) use example::{ExampleWriter, FeatureKind, FeatureView, for_each_feature};
pub use example::{FeatureValues, decode_example, encode_example};
pub(crate) use fields::input as input_fields;
pub(crate) use inference_request::{ExamplesRequestView, MultiInferenceRequestView, TaskView};
pub(crate) use inference_response::{
    Inferred, encode_inference_response, encode_multi_inference_response,
};
pub(crate) use input::InputView;
pub use input::{SerializedExamples, decode_input};
pub(crate) use model_spec::{ModelSpecView, VersionField};
pub(crate) use predict_request::{NamedTensors, PredictRequestView};
pub use predict_request::{
    PredictRequest, RequestedVersion, decode_predict_request, encode_predict_request,
};
pub use predict_response::{Answer, decode_predict_response, encode_predict_response};
pub(crate) use prediction_log::{
    LogKind, LogMetadata, PredictionLogView, encode_prediction_log, encode_request_of_tensors,
};
pub(crate) use tensor_view::{Limit, TensorView};
pub use tensor_writer::{Carrier, TensorContent, TensorParts};
