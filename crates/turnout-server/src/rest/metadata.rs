//! The signatures of a version, in TensorFlow Serving's shape.

mod definition;
mod values;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use turnout_core::{Error, Result, Signature, TensorSpec};

use super::spaced_document;
use crate::grpc::wire::data_type_number;
use crate::servable::Servable;

/// `{"model_spec": …, "metadata": {"signature_def": {"signature_def": …}}}`; the doubled name is the protocol's.
///
/// # Errors
/// `internal` where the engine gave a signature that cannot be read.
pub(super) fn metadata(servable: &Servable) -> Result<Vec<u8>> {
    let signature_def = match servable.engine_model().signature_defs() {
        [] => {
            let named = |signature: &Signature| (signature.name.clone(), signature.into());
            servable.signatures.iter().map(named).collect()
        }
        own => own.iter().map(read).collect::<Result<_>>()?,
    };
    Ok(spaced_document(&MetadataDocument {
        model_spec: ModelSpec {
            name: &servable.model,
            signature_name: "",
            version: servable.version.to_string(),
        },
        metadata: Metadata {
            signature_def: SignatureDefMap { signature_def },
        },
    }))
}

fn read((name, message): &(String, Vec<u8>)) -> Result<(String, SignatureDef)> {
    let unreadable =
        |cause| Error::internal("the signatures of the model cannot be read").with_source(cause);
    let signature = definition::read(message).map_err(unreadable)?;
    Ok((name.clone(), signature))
}

#[derive(Serialize)]
struct MetadataDocument<'a> {
    model_spec: ModelSpec<'a>,
    metadata: Metadata,
}

#[derive(Serialize)]
struct ModelSpec<'a> {
    name: &'a str,
    signature_name: &'static str,
    version: String,
}

#[derive(Serialize)]
struct Metadata {
    signature_def: SignatureDefMap,
}

#[derive(Serialize)]
struct SignatureDefMap {
    signature_def: BTreeMap<String, SignatureDef>,
}

#[derive(Serialize)]
struct SignatureDef {
    inputs: BTreeMap<String, TensorInfo>,
    outputs: BTreeMap<String, TensorInfo>,
    method_name: String,
    /// Values of inputs that may be left out.
    defaults: BTreeMap<String, Value>,
}

#[derive(Serialize)]
struct TensorInfo {
    dtype: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensor_shape: Option<TensorShape>,
    #[serde(flatten)]
    encoding: Option<Encoding>,
}

/// Where a tensor is in the graph.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    Name(String),
    CooSparse(CooSparse),
    CompositeTensor(Composite),
}

#[derive(Serialize)]
struct CooSparse {
    #[serde(rename = "values_tensor_name")]
    values: String,
    #[serde(rename = "indices_tensor_name")]
    indices: String,
    #[serde(rename = "dense_shape_tensor_name")]
    dense_shape: String,
}

/// A tensor of several parts, such as a ragged one. What TensorFlow's `type_spec` says of it is left out.
#[derive(Serialize)]
struct Composite {
    components: Vec<TensorInfo>,
}

#[derive(Serialize)]
struct TensorShape {
    dim: Vec<Dim>,
    unknown_rank: bool,
}

#[derive(Serialize)]
struct Dim {
    size: String,
    name: String,
}

impl From<&Signature> for SignatureDef {
    fn from(signature: &Signature) -> Self {
        let infos = |specs: &[TensorSpec]| {
            let named = |spec: &TensorSpec| (spec.name.clone(), spec.into());
            specs.iter().map(named).collect()
        };
        Self {
            inputs: infos(&signature.inputs),
            outputs: infos(&signature.outputs),
            method_name: "tensorflow/serving/predict".into(),
            defaults: BTreeMap::new(),
        }
    }
}

impl From<&TensorSpec> for TensorInfo {
    fn from(spec: &TensorSpec) -> Self {
        let dim = |dim: &Option<usize>| Dim {
            size: dim.map_or_else(|| "-1".into(), |dim| dim.to_string()),
            name: String::new(),
        };
        let tensor_shape = TensorShape {
            dim: spec.shape.iter().flatten().map(dim).collect(),
            unknown_rank: spec.shape.is_none(),
        };
        Self {
            dtype: values::data_type(data_type_number(spec.dtype)),
            tensor_shape: Some(tensor_shape),
            encoding: Some(Encoding::Name(spec.tensor.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnout_core::DType;

    use super::*;

    #[test]
    fn signatures_are_written_as_tensorflow_does() {
        let x = TensorSpec {
            name: "x".into(),
            tensor: "x:0".into(),
            dtype: DType::Float32,
            shape: Some(vec![None, Some(4)]),
            any_shape: false,
        };
        let y = TensorSpec {
            name: "y".into(),
            tensor: "y:0".into(),
            dtype: DType::String,
            shape: None,
            any_shape: false,
        };
        let signature = Signature {
            name: "s".into(),
            inputs: vec![x],
            outputs: vec![y],
        };
        let written = serde_json::to_value(SignatureDef::from(&signature)).expect("JSON");
        let want = json!({
            "inputs": {"x": {"dtype": "DT_FLOAT", "name": "x:0", "tensor_shape": {"unknown_rank": false,
                "dim": [{"size": "-1", "name": ""}, {"size": "4", "name": ""}]}}},
            "outputs": {"y": {"dtype": "DT_STRING", "name": "y:0", "tensor_shape": {"unknown_rank": true, "dim": []}}},
            "method_name": "tensorflow/serving/predict", "defaults": {},
        });
        assert_eq!(written, want);
    }
}
