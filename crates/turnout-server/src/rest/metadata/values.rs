//! Default values of inputs, and the names of dtypes, in the JSON of protobuf.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::{Value, json};

use super::TensorShape;
use super::definition::ShapeMessage;

/// A `TensorProto` without resources and variants, which are no constants.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    tensor_shape: Option<ShapeMessage>,
    #[prost(int32, tag = "3")]
    version_number: i32,
    #[prost(bytes = "vec", tag = "4")]
    tensor_content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    float_val: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    double_val: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    int_val: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    string_val: Vec<Vec<u8>>,
    #[prost(float, repeated, tag = "9")]
    scomplex_val: Vec<f32>,
    #[prost(int64, repeated, tag = "10")]
    int64_val: Vec<i64>,
    #[prost(bool, repeated, tag = "11")]
    bool_val: Vec<bool>,
    #[prost(double, repeated, tag = "12")]
    dcomplex_val: Vec<f64>,
    #[prost(int32, repeated, tag = "13")]
    half_val: Vec<i32>,
    #[prost(uint32, repeated, tag = "16")]
    uint32_val: Vec<u32>,
    #[prost(uint64, repeated, tag = "17")]
    uint64_val: Vec<u64>,
}

impl TensorProto {
    pub(super) fn to_json(&self) -> Value {
        let texts = |values: &[Vec<u8>]| -> Vec<String> {
            values.iter().map(|value| STANDARD.encode(value)).collect()
        };
        let shape = self.tensor_shape.clone().map(TensorShape::from);
        json!({
            "dtype": data_type(self.dtype),
            "tensor_shape": shape,
            "version_number": self.version_number,
            "tensor_content": STANDARD.encode(&self.tensor_content),
            "float_val": numbers(&self.float_val),
            "double_val": numbers(&self.double_val),
            "int_val": self.int_val,
            "string_val": texts(&self.string_val),
            "scomplex_val": numbers(&self.scomplex_val),
            "int64_val": strings(&self.int64_val),
            "bool_val": self.bool_val,
            "dcomplex_val": numbers(&self.dcomplex_val),
            "half_val": self.half_val,
            "uint32_val": self.uint32_val,
            "uint64_val": strings(&self.uint64_val),
        })
    }
}

/// Numbers of 64 bits.
fn strings(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// As few digits as say the same number; words for those that are not finite.
fn numbers(values: &[impl ToString]) -> Vec<Value> {
    let number = |value: &_| match ToString::to_string(value).as_str() {
        "inf" => json!("Infinity"),
        "-inf" => json!("-Infinity"),
        "NaN" => json!("NaN"),
        text => text
            .parse::<f64>()
            .map_or(Value::Null, |number| json!(number)),
    };
    values.iter().map(number).collect()
}

/// The names of TensorFlow's `DataType` from 0 on.
#[rustfmt::skip]
const DATA_TYPES: [&str; 31] = [
    "INVALID", "FLOAT", "DOUBLE", "INT32", "UINT8", "INT16", "INT8", "STRING", "COMPLEX64", "INT64", "BOOL", "QINT8",
    "QUINT8", "QINT32", "BFLOAT16", "QINT16", "QUINT16", "UINT16", "COMPLEX128", "HALF", "RESOURCE", "VARIANT", "UINT32",
    "UINT64", "FLOAT8_E5M2", "FLOAT8_E4M3FN", "FLOAT8_E4M3FNUZ", "FLOAT8_E4M3B11FNUZ", "FLOAT8_E5M2FNUZ", "INT4", "UINT4",
];

/// What is added to the number of a type for references to variables of it.
const REFERENCE: i32 = 100;

/// The name of a dtype; its number where it has no name yet, as protobuf does.
pub(super) fn data_type(number: i32) -> Value {
    let name = |number: i32| DATA_TYPES.get(usize::try_from(number).ok()?).copied();
    match (name(number), name(number - REFERENCE)) {
        (Some(name), _) => json!(format!("DT_{name}")),
        (None, Some(name)) if number > REFERENCE => json!(format!("DT_{name}_REF")),
        _ => json!(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtypes_have_their_names() {
        let cases = [
            (0, "DT_INVALID"),
            (1, "DT_FLOAT"),
            (14, "DT_BFLOAT16"),
            (19, "DT_HALF"),
            (23, "DT_UINT64"),
            (30, "DT_UINT4"),
            (101, "DT_FLOAT_REF"),
        ];
        for (number, name) in cases {
            assert_eq!(data_type(number), json!(name));
        }
        for number in [-1, 31, 100, 131] {
            assert_eq!(data_type(number), json!(number));
        }
    }

    #[test]
    fn values_are_written_as_protobuf_writes_them() {
        let tensor = TensorProto {
            dtype: 1,
            float_val: vec![0.1, -2.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY],
            int64_val: vec![i64::MIN],
            string_val: vec![b"hi".to_vec()],
            ..TensorProto::default()
        };
        let json = tensor.to_json();
        assert_eq!(
            json["float_val"],
            json!([0.1, -2.0, "NaN", "Infinity", "-Infinity"])
        );
        assert_eq!(json["int64_val"], json!(["-9223372036854775808"]));
        assert_eq!(json["string_val"], json!(["aGk="]));
        assert_eq!(
            (&json["dtype"], &json["tensor_content"], &json["bool_val"]),
            (&json!("DT_FLOAT"), &json!(""), &json!([]))
        );
    }
}
