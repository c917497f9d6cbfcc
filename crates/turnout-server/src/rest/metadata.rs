//! The signatures of a version, in TensorFlow Serving's shape.

use std::collections::BTreeMap;

use serde::Serialize;
use turnout_core::{DType, Signature, TensorSpec};

use super::spaced_document;
use crate::servable::Servable;

/// `{"model_spec": …, "metadata": {"signature_def": {"signature_def": …}}}`; the doubled name is the protocol's.
pub(super) fn metadata(servable: &Servable) -> Vec<u8> {
    let version = servable.version.to_string();
    spaced_document(&MetadataDocument {
        model_spec: ModelSpec {
            name: &servable.model,
            signature_name: "",
            version,
        },
        metadata: Metadata {
            signature_def: SignatureDefMap {
                signature_def: servable
                    .signatures
                    .iter()
                    .map(|signature| (&*signature.name, signature.into()))
                    .collect(),
            },
        },
    })
}

#[derive(Serialize)]
struct MetadataDocument<'a> {
    model_spec: ModelSpec<'a>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct ModelSpec<'a> {
    name: &'a str,
    signature_name: &'static str,
    version: String,
}

#[derive(Serialize)]
struct Metadata<'a> {
    signature_def: SignatureDefMap<'a>,
}

#[derive(Serialize)]
struct SignatureDefMap<'a> {
    signature_def: BTreeMap<&'a str, SignatureDef<'a>>,
}

#[derive(Serialize)]
struct SignatureDef<'a> {
    inputs: BTreeMap<&'a str, TensorInfo<'a>>,
    outputs: BTreeMap<&'a str, TensorInfo<'a>>,
    method_name: &'static str,
    defaults: NoDefaults,
}

/// No engine has inputs that may be left out.
#[derive(Serialize)]
struct NoDefaults {}

#[derive(Serialize)]
struct TensorInfo<'a> {
    dtype: &'static str,
    tensor_shape: TensorShape,
    name: &'a str,
}

#[derive(Serialize)]
struct TensorShape {
    dim: Vec<Dim>,
    unknown_rank: bool,
}

#[derive(Serialize)]
struct Dim {
    size: String,
    name: &'static str,
}

impl<'a> From<&'a Signature> for SignatureDef<'a> {
    fn from(signature: &'a Signature) -> Self {
        let infos = |specs: &'a [TensorSpec]| {
            specs
                .iter()
                .map(|spec| (spec.name.as_str(), spec.into()))
                .collect()
        };
        Self {
            inputs: infos(&signature.inputs),
            outputs: infos(&signature.outputs),
            method_name: "tensorflow/serving/predict",
            defaults: NoDefaults {},
        }
    }
}

impl<'a> From<&'a TensorSpec> for TensorInfo<'a> {
    fn from(spec: &'a TensorSpec) -> Self {
        let dim = |dim: &Option<usize>| Dim {
            size: dim.map_or_else(|| "-1".into(), |dim| dim.to_string()),
            name: "",
        };
        let tensor_shape = TensorShape {
            dim: spec.shape.iter().flatten().map(dim).collect(),
            unknown_rank: spec.shape.is_none(),
        };
        Self {
            dtype: data_type(spec.dtype),
            tensor_shape,
            name: &spec.tensor,
        }
    }
}

/// The name of TensorFlow's `DataType`.
fn data_type(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "DT_BOOL",
        DType::Int8 => "DT_INT8",
        DType::Int16 => "DT_INT16",
        DType::Int32 => "DT_INT32",
        DType::Int64 => "DT_INT64",
        DType::Uint8 => "DT_UINT8",
        DType::Uint16 => "DT_UINT16",
        DType::Uint32 => "DT_UINT32",
        DType::Uint64 => "DT_UINT64",
        DType::Float16 => "DT_HALF",
        DType::Bfloat16 => "DT_BFLOAT16",
        DType::Float32 => "DT_FLOAT",
        DType::Float64 => "DT_DOUBLE",
        DType::Complex64 => "DT_COMPLEX64",
        DType::Complex128 => "DT_COMPLEX128",
        DType::String => "DT_STRING",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
