//! `PredictionService/GetModelMetadata`: the signatures of a version.

use std::collections::BTreeMap;

use prost::Message;
use turnout_core::{Error, Signature, TensorSpec};

use super::status::Status;
use super::target;
use super::wire::data_type_number;
use super::wire::messages::{
    Any, Dim, GetModelMetadataRequest, GetModelMetadataResponse, Int64Value, ModelSpec,
    RawSignatureDefMap, SignatureDef, SignatureDefMap, TensorInfo, TensorShape, VersionChoice,
};
use crate::routes::Routes;

/// The only kind of metadata.
const SIGNATURE_DEF: &str = "signature_def";

const SIGNATURE_DEF_MAP_URL: &str = "type.googleapis.com/tensorflow.serving.SignatureDefMap";

const PREDICT_METHOD: &str = "tensorflow/serving/predict";

/// # Errors
/// By TensorFlow Serving's texts: no or unknown metadata field, unknown model, version or label.
pub(crate) fn answer(routes: &Routes, message: &[u8]) -> Result<GetModelMetadataResponse, Status> {
    let request = GetModelMetadataRequest::decode(message).map_err(|source| {
        Error::malformed(format!("the message is not valid protobuf: {source}"))
    })?;
    let spec = target::named(request.model_spec.as_ref().map(ModelSpec::view))?;
    check_fields(&request.metadata_field)?;
    let resolve =
        |model: &str, choice: turnout_core::route::VersionChoice<'_>| routes.resolve(model, choice);
    let servable = target::servable(Some(spec), resolve)?;
    let value = match servable.engine_model().signature_defs() {
        [] => SignatureDefMap {
            signature_def: servable.signatures.iter().map(definition).collect(),
        }
        .encode_to_vec(),
        own => RawSignatureDefMap {
            signature_def: own.iter().cloned().collect(),
        }
        .encode_to_vec(),
    };
    let any = Any {
        type_url: SIGNATURE_DEF_MAP_URL.to_owned(),
        value,
    };
    let version = Int64Value {
        value: servable.version.cast_signed(),
    };
    Ok(GetModelMetadataResponse {
        model_spec: Some(ModelSpec {
            name: servable.model.to_string(),
            version_choice: Some(VersionChoice::Version(version)),
            signature_name: String::new(),
        }),
        metadata: BTreeMap::from([(SIGNATURE_DEF.to_owned(), any)]),
    })
}

fn check_fields(fields: &[String]) -> Result<(), Error> {
    if fields.is_empty() {
        let text = "GetModelMetadataRequest must specify at least one metadata_field";
        return Err(Error::invalid_input(text));
    }
    match fields.iter().find(|field| *field != SIGNATURE_DEF) {
        Some(field) => Err(Error::invalid_input(format!(
            "Metadata field {field} is not supported"
        ))),
        None => Ok(()),
    }
}

fn definition(signature: &Signature) -> (String, SignatureDef) {
    let definition = SignatureDef {
        inputs: signature.inputs.iter().map(tensor_info).collect(),
        outputs: signature.outputs.iter().map(tensor_info).collect(),
        method_name: PREDICT_METHOD.to_owned(),
    };
    (signature.name.clone(), definition)
}

fn tensor_info(spec: &TensorSpec) -> (String, TensorInfo) {
    let dim = |size: &Option<usize>| Dim {
        size: size.map_or(-1, |size| i64::try_from(size).unwrap_or(-1)),
        name: String::new(),
    };
    let info = TensorInfo {
        name: spec.tensor.clone(),
        dtype: data_type_number(spec.dtype),
        tensor_shape: Some(TensorShape {
            dim: spec.shape.iter().flatten().map(dim).collect(),
            unknown_rank: spec.shape.is_none(),
        }),
    };
    (spec.name.clone(), info)
}
