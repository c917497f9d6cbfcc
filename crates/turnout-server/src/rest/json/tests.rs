//! The codec held to its contract by tables, and to `serde_json` by properties.

mod decode;
mod encode;
mod examples;
mod oracle;
mod shapes;
mod syntax;

use turnout_core::{DType, Signature, TensorSpec};

use super::JsonOptions;

const STRICT: JsonOptions = JsonOptions { strict: true };

fn spec(name: &str, dtype: DType, shape: Option<&[Option<usize>]>) -> TensorSpec {
    TensorSpec {
        name: name.into(),
        tensor: name.into(),
        dtype,
        shape: shape.map(<[_]>::to_vec),
        any_shape: false,
    }
}

fn signature(name: &str, inputs: Vec<TensorSpec>, outputs: Vec<TensorSpec>) -> Signature {
    Signature {
        name: name.into(),
        inputs,
        outputs,
    }
}

/// One signature with one input `x` of any shape.
fn one(dtype: DType) -> Vec<Signature> {
    vec![signature(
        "serving_default",
        vec![spec("x", dtype, None)],
        vec![],
    )]
}

/// One signature with two inputs of any shape: `a` of float32 and `b` of int64.
fn two() -> Vec<Signature> {
    let inputs = vec![
        spec("a", DType::Float32, None),
        spec("b", DType::Int64, None),
    ];
    vec![signature("serving_default", inputs, vec![])]
}
