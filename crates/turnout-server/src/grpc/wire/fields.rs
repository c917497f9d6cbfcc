//! The field numbers of the messages that are coded by hand, taken from the table.

pub(crate) mod model_spec {
    use crate::grpc::descriptors::{INT64_VALUE, MODEL_SPEC};

    pub(crate) const NAME: u32 = MODEL_SPEC.number("name");
    pub(crate) const VERSION: u32 = MODEL_SPEC.number("version");
    pub(crate) const VERSION_LABEL: u32 = MODEL_SPEC.number("version_label");
    pub(crate) const SIGNATURE_NAME: u32 = MODEL_SPEC.number("signature_name");
    pub(crate) const INT64_VALUE_VALUE: u32 = INT64_VALUE.number("value");
}

pub(crate) mod predict {
    use crate::grpc::descriptors::{PREDICT_REQUEST, PREDICT_RESPONSE};

    pub(crate) const REQUEST_MODEL_SPEC: u32 = PREDICT_REQUEST.number("model_spec");
    pub(crate) const INPUTS: u32 = PREDICT_REQUEST.number("inputs");
    pub(crate) const OUTPUT_FILTER: u32 = PREDICT_REQUEST.number("output_filter");
    pub(crate) const OUTPUTS: u32 = PREDICT_RESPONSE.number("outputs");
    pub(crate) const RESPONSE_MODEL_SPEC: u32 = PREDICT_RESPONSE.number("model_spec");
}

pub(crate) mod example {
    use crate::grpc::descriptors::{
        BYTES_LIST, EXAMPLE, FEATURE, FEATURES as FEATURE_MAP, FLOAT_LIST, INT64_LIST,
    };

    pub(crate) const FEATURES: u32 = EXAMPLE.number("features");
    pub(crate) const FEATURE_ENTRY: u32 = FEATURE_MAP.number("feature");
    pub(crate) const BYTES: u32 = FEATURE.number("bytes_list");
    pub(crate) const FLOATS: u32 = FEATURE.number("float_list");
    pub(crate) const INT64S: u32 = FEATURE.number("int64_list");
    /// The same in the lists of all kinds.
    pub(crate) const VALUE: u32 = BYTES_LIST.number("value");

    const _: () =
        assert!(FLOAT_LIST.number("value") == VALUE && INT64_LIST.number("value") == VALUE);
}

pub(crate) mod input {
    use crate::grpc::descriptors::{EXAMPLE_LIST, EXAMPLE_LIST_WITH_CONTEXT, INPUT};

    pub(crate) const LIST: u32 = INPUT.number("example_list");
    pub(crate) const LIST_WITH_CONTEXT: u32 = INPUT.number("example_list_with_context");
    /// The same in both lists.
    pub(crate) const EXAMPLES: u32 = EXAMPLE_LIST.number("examples");
    pub(crate) const CONTEXT: u32 = EXAMPLE_LIST_WITH_CONTEXT.number("context");

    const _: () = assert!(EXAMPLE_LIST_WITH_CONTEXT.number("examples") == EXAMPLES);
}

pub(crate) mod inference {
    use crate::grpc::descriptors::{
        CLASS, CLASSIFICATION_REQUEST, CLASSIFICATION_RESPONSE, CLASSIFICATION_RESULT,
        CLASSIFICATIONS, INFERENCE_RESULT, INFERENCE_TASK, MULTI_INFERENCE_REQUEST,
        MULTI_INFERENCE_RESPONSE, REGRESSION, REGRESSION_REQUEST, REGRESSION_RESPONSE,
        REGRESSION_RESULT,
    };

    /// The requests of Classify and Regress have the same fields, and so have their responses.
    pub(crate) const REQUEST_MODEL_SPEC: u32 = CLASSIFICATION_REQUEST.number("model_spec");
    pub(crate) const REQUEST_INPUT: u32 = CLASSIFICATION_REQUEST.number("input");
    pub(crate) const RESULT: u32 = CLASSIFICATION_RESPONSE.number("result");
    pub(crate) const RESPONSE_MODEL_SPEC: u32 = CLASSIFICATION_RESPONSE.number("model_spec");

    pub(crate) const TASKS: u32 = MULTI_INFERENCE_REQUEST.number("tasks");
    pub(crate) const TASKS_INPUT: u32 = MULTI_INFERENCE_REQUEST.number("input");
    pub(crate) const TASK_MODEL_SPEC: u32 = INFERENCE_TASK.number("model_spec");
    pub(crate) const TASK_METHOD_NAME: u32 = INFERENCE_TASK.number("method_name");
    pub(crate) const RESULTS: u32 = MULTI_INFERENCE_RESPONSE.number("results");
    pub(crate) const RESULT_MODEL_SPEC: u32 = INFERENCE_RESULT.number("model_spec");
    pub(crate) const CLASSIFICATION: u32 = INFERENCE_RESULT.number("classification_result");
    pub(crate) const REGRESSION_FIELD: u32 = INFERENCE_RESULT.number("regression_result");

    pub(crate) const ROWS_OF_CLASSES: u32 = CLASSIFICATION_RESULT.number("classifications");
    pub(crate) const CLASSES: u32 = CLASSIFICATIONS.number("classes");
    pub(crate) const LABEL: u32 = CLASS.number("label");
    pub(crate) const SCORE: u32 = CLASS.number("score");
    pub(crate) const REGRESSIONS: u32 = REGRESSION_RESULT.number("regressions");
    pub(crate) const VALUE: u32 = REGRESSION.number("value");

    const _: () = assert!(
        REGRESSION_REQUEST.number("model_spec") == REQUEST_MODEL_SPEC
            && REGRESSION_REQUEST.number("input") == REQUEST_INPUT
            && REGRESSION_RESPONSE.number("result") == RESULT
            && REGRESSION_RESPONSE.number("model_spec") == RESPONSE_MODEL_SPEC
    );
}

/// The entries of every map field.
pub(crate) mod map_entry {
    pub(crate) const KEY: u32 = 1;
    pub(crate) const VALUE: u32 = 2;
}

pub(crate) mod tensor {
    use crate::grpc::descriptors::{TENSOR_PROTO, TENSOR_SHAPE_DIM, TENSOR_SHAPE_PROTO};

    pub(crate) const DTYPE: u32 = TENSOR_PROTO.number("dtype");
    pub(crate) const TENSOR_SHAPE: u32 = TENSOR_PROTO.number("tensor_shape");
    pub(crate) const TENSOR_CONTENT: u32 = TENSOR_PROTO.number("tensor_content");
    pub(crate) const HALF_VAL: u32 = TENSOR_PROTO.number("half_val");
    pub(crate) const FLOAT_VAL: u32 = TENSOR_PROTO.number("float_val");
    pub(crate) const DOUBLE_VAL: u32 = TENSOR_PROTO.number("double_val");
    pub(crate) const INT_VAL: u32 = TENSOR_PROTO.number("int_val");
    pub(crate) const STRING_VAL: u32 = TENSOR_PROTO.number("string_val");
    pub(crate) const SCOMPLEX_VAL: u32 = TENSOR_PROTO.number("scomplex_val");
    pub(crate) const INT64_VAL: u32 = TENSOR_PROTO.number("int64_val");
    pub(crate) const BOOL_VAL: u32 = TENSOR_PROTO.number("bool_val");
    pub(crate) const DCOMPLEX_VAL: u32 = TENSOR_PROTO.number("dcomplex_val");
    pub(crate) const UINT32_VAL: u32 = TENSOR_PROTO.number("uint32_val");
    pub(crate) const UINT64_VAL: u32 = TENSOR_PROTO.number("uint64_val");

    pub(crate) const DIM: u32 = TENSOR_SHAPE_PROTO.number("dim");
    pub(crate) const UNKNOWN_RANK: u32 = TENSOR_SHAPE_PROTO.number("unknown_rank");
    pub(crate) const DIM_SIZE: u32 = TENSOR_SHAPE_DIM.number("size");

    use turnout_core::DType;

    /// The field that holds the values of a dtype when `tensor_content` is empty.
    pub(crate) fn values_field(dtype: DType) -> u32 {
        match dtype {
            DType::Float16 | DType::Bfloat16 => HALF_VAL,
            DType::Float32 => FLOAT_VAL,
            DType::Float64 => DOUBLE_VAL,
            DType::Int8 | DType::Int16 | DType::Int32 | DType::Uint8 | DType::Uint16 => INT_VAL,
            DType::String => STRING_VAL,
            DType::Complex64 => SCOMPLEX_VAL,
            DType::Int64 => INT64_VAL,
            DType::Bool => BOOL_VAL,
            DType::Complex128 => DCOMPLEX_VAL,
            DType::Uint32 => UINT32_VAL,
            DType::Uint64 => UINT64_VAL,
        }
    }
}
