//! Serialized `SignatureDef`s of TensorFlow, read with all that their JSON shows.

use std::collections::BTreeMap;

use prost::{DecodeError, Message};

use super::values::{TensorProto, data_type};
use super::{Composite, CooSparse, Dim, Encoding, SignatureDef, TensorInfo, TensorShape};

#[derive(Clone, PartialEq, Message)]
struct SignatureMessage {
    #[prost(btree_map = "string, message", tag = "1")]
    inputs: BTreeMap<String, InfoMessage>,
    #[prost(btree_map = "string, message", tag = "2")]
    outputs: BTreeMap<String, InfoMessage>,
    #[prost(string, tag = "3")]
    method_name: String,
    #[prost(btree_map = "string, message", tag = "4")]
    defaults: BTreeMap<String, TensorProto>,
}

#[derive(Clone, PartialEq, Message)]
struct InfoMessage {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(int32, tag = "2")]
    dtype: i32,
    #[prost(message, optional, tag = "3")]
    tensor_shape: Option<ShapeMessage>,
    #[prost(message, optional, tag = "4")]
    coo_sparse: Option<SparseMessage>,
    #[prost(message, optional, tag = "5")]
    composite_tensor: Option<CompositeMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ShapeMessage {
    #[prost(message, repeated, tag = "2")]
    dim: Vec<DimMessage>,
    #[prost(bool, tag = "3")]
    unknown_rank: bool,
}

#[derive(Clone, PartialEq, Message)]
struct DimMessage {
    #[prost(int64, tag = "1")]
    size: i64,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct SparseMessage {
    #[prost(string, tag = "1")]
    values: String,
    #[prost(string, tag = "2")]
    indices: String,
    #[prost(string, tag = "3")]
    dense_shape: String,
}

#[derive(Clone, PartialEq, Message)]
struct CompositeMessage {
    #[prost(message, repeated, tag = "2")]
    components: Vec<InfoMessage>,
}

/// # Errors
/// The message is malformed.
pub(super) fn read(message: &[u8]) -> Result<SignatureDef, DecodeError> {
    let message = SignatureMessage::decode(message)?;
    let infos = |infos: BTreeMap<String, InfoMessage>| {
        let named = |(name, info): (String, InfoMessage)| (name, info.into());
        infos.into_iter().map(named).collect()
    };
    let values = message.defaults.into_iter();
    Ok(SignatureDef {
        inputs: infos(message.inputs),
        outputs: infos(message.outputs),
        method_name: message.method_name,
        defaults: values
            .map(|(name, value)| (name, value.to_json()))
            .collect(),
    })
}

impl From<InfoMessage> for TensorInfo {
    fn from(info: InfoMessage) -> Self {
        let name = info.name.map(Encoding::Name);
        let sparse = |sparse: SparseMessage| {
            Encoding::CooSparse(CooSparse {
                values: sparse.values,
                indices: sparse.indices,
                dense_shape: sparse.dense_shape,
            })
        };
        let composite = |composite: CompositeMessage| {
            let components = composite.components.into_iter().map(Self::from).collect();
            Encoding::CompositeTensor(Composite { components })
        };
        Self {
            dtype: data_type(info.dtype),
            tensor_shape: info.tensor_shape.map(TensorShape::from),
            encoding: name
                .or_else(|| info.coo_sparse.map(sparse))
                .or_else(|| info.composite_tensor.map(composite)),
        }
    }
}

impl From<ShapeMessage> for TensorShape {
    fn from(shape: ShapeMessage) -> Self {
        let dim = |dim: DimMessage| Dim {
            size: dim.size.to_string(),
            name: dim.name,
        };
        Self {
            dim: shape.dim.into_iter().map(dim).collect(),
            unknown_rank: shape.unknown_rank,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shape(sizes: &[i64], name: &str) -> ShapeMessage {
        let dim = |size: &i64| DimMessage {
            size: *size,
            name: name.into(),
        };
        ShapeMessage {
            dim: sizes.iter().map(dim).collect(),
            unknown_rank: false,
        }
    }

    fn json_of(message: &SignatureMessage) -> Value {
        let read = read(&message.encode_to_vec()).expect("well formed");
        serde_json::to_value(read).expect("JSON")
    }

    #[test]
    fn what_runs_at_the_start_is_shown_as_tensorflow_shows_it() {
        let unknown = ShapeMessage {
            dim: Vec::new(),
            unknown_rank: true,
        };
        let info = InfoMessage {
            name: Some("NoOp".into()),
            tensor_shape: Some(unknown),
            ..InfoMessage::default()
        };
        let message = SignatureMessage {
            outputs: BTreeMap::from([("__saved_model_init_op".to_owned(), info)]),
            ..SignatureMessage::default()
        };
        let output = json!({"dtype": "DT_INVALID", "tensor_shape": {"dim": [], "unknown_rank": true}, "name": "NoOp"});
        let want = json!({"inputs": {}, "outputs": {"__saved_model_init_op": output}, "method_name": "", "defaults": {}});
        assert_eq!(json_of(&message), want);
    }

    #[test]
    fn sparse_and_ragged_inputs_defaults_and_methods_are_shown() {
        let part = |name: &str| InfoMessage {
            name: Some(name.into()),
            dtype: 9,
            ..InfoMessage::default()
        };
        let sparse = InfoMessage {
            dtype: 1,
            tensor_shape: Some(shape(&[-1, 4], "batch")),
            coo_sparse: Some(SparseMessage {
                values: "v:0".into(),
                indices: "i:0".into(),
                dense_shape: "s:0".into(),
            }),
            ..InfoMessage::default()
        };
        let ragged = InfoMessage {
            dtype: 7,
            composite_tensor: Some(CompositeMessage {
                components: vec![part("flat:0"), part("splits:0")],
            }),
            ..InfoMessage::default()
        };
        let message = SignatureMessage {
            inputs: BTreeMap::from([("s".to_owned(), sparse), ("r".to_owned(), ragged)]),
            method_name: "tensorflow/serving/classify".into(),
            ..SignatureMessage::default()
        };
        let json = json_of(&message);
        assert_eq!(json["method_name"], "tensorflow/serving/classify");
        let dims = json!([{"size": "-1", "name": "batch"}, {"size": "4", "name": "batch"}]);
        assert_eq!(
            json["inputs"]["s"],
            json!({"dtype": "DT_FLOAT", "tensor_shape": {"dim": dims, "unknown_rank": false},
                "coo_sparse": {"values_tensor_name": "v:0", "indices_tensor_name": "i:0", "dense_shape_tensor_name": "s:0"}})
        );
        let component = |name: &str| json!({"dtype": "DT_INT64", "name": name});
        assert_eq!(
            json["inputs"]["r"],
            json!({"dtype": "DT_STRING", "composite_tensor": {"components": [component("flat:0"), component("splits:0")]}})
        );
        assert!(read(&[0xff]).is_err(), "malformed");
    }
}
