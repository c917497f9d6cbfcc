//! From the named tensors of a request to the inputs of a signature.

use bytes::Bytes;
use turnout_core::{Error, Result, Tensor, TensorSpec};

use super::wire::{Limit, NamedTensors, TensorView};

/// Makes and fits the inputs in the signature's order; at most `limit_bytes` of memory for all of them. What a request
/// leaves out is what `default` gives for the input of that index.
///
/// # Errors
/// `invalid_input` by TensorFlow Serving's texts for wrong numbers and names, `request_too_large`, and what reading and
/// fitting a tensor refuse.
pub(crate) fn arrange<'model>(
    specs: &[TensorSpec],
    inputs: &NamedTensors<'_>,
    default: impl Fn(usize) -> Option<&'model Tensor>,
    message: &Bytes,
    limit_bytes: usize,
) -> Result<Vec<Tensor>> {
    let has_defaults = || (0..specs.len()).any(|index| default(index).is_some());
    if inputs.len() > specs.len() || (inputs.len() < specs.len() && !has_defaults()) {
        return Err(wrong_number(specs, inputs));
    }
    let mut limit = Limit {
        bytes: limit_bytes,
        setting: "max_body_bytes",
    };
    let mut tensors = Vec::with_capacity(specs.len());
    let mut used = 0;
    for (index, spec) in specs.iter().enumerate() {
        let tensor = match (find(inputs, &spec.name), default(index)) {
            (Some(view), _) => {
                used += 1;
                view.to_tensor(&spec.name, message, limit)?
            }
            (None, Some(tensor)) => tensor.clone(),
            (None, None) => return Err(missing(spec, inputs)),
        };
        limit = limit.less(&tensor);
        tensors.push(spec.fit(tensor)?);
    }
    if used < inputs.len() {
        return Err(unknown(inputs));
    }
    Ok(tensors)
}

/// Inputs are sorted by name.
fn find<'view, 'message>(
    inputs: &'view NamedTensors<'message>,
    name: &str,
) -> Option<&'view TensorView<'message>> {
    let index = inputs
        .binary_search_by(|(other, _)| (*other).cmp(name))
        .ok()?;
    Some(&inputs[index].1)
}

fn wrong_number(specs: &[TensorSpec], inputs: &NamedTensors<'_>) -> Error {
    let sent: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    let mut wanted: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    wanted.sort_unstable();
    let extra: Vec<&str> = without(&sent, &wanted);
    let missing: Vec<&str> = without(&wanted, &sent);
    Error::invalid_input(format!(
        "input size does not match signature: {}!={} len({{{}}}) != len({{{}}}). Sent extra: {{{}}}. Missing but required: \
         {{{}}}.",
        sent.len(),
        wanted.len(),
        sent.join(","),
        wanted.join(","),
        extra.join(","),
        missing.join(",")
    ))
}

/// What `names` has and `others`, sorted, has not.
fn without<'a>(names: &[&'a str], others: &[&str]) -> Vec<&'a str> {
    let absent = |name: &&&str| others.binary_search(*name).is_err();
    names.iter().filter(absent).copied().collect()
}

fn missing(spec: &TensorSpec, inputs: &NamedTensors<'_>) -> Error {
    let sent: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    Error::invalid_input(format!(
        "Signature input alias: {}(feed name: {}) not found in request and no default value provided. Inputs expected to be in \
         the request {{{}}}, or default input alias set: ",
        spec.name,
        spec.tensor,
        sent.join(",")
    ))
}

/// A name that is not the signature's, in the place of one that has a default.
fn unknown(inputs: &NamedTensors<'_>) -> Error {
    let sent: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    Error::invalid_input(format!(
        "Inputs contains invalid name. Used request inputs: {{{}}}",
        sent.join(",")
    ))
}

#[cfg(test)]
mod tests {
    use turnout_core::{DType, ErrorCode, Shape, Values};

    use super::*;
    use crate::grpc::wire::{
        PredictRequestView, TensorContent, TensorParts, encode_predict_request,
    };

    fn specs() -> Vec<TensorSpec> {
        let spec = |name: &str, shape| TensorSpec {
            name: name.into(),
            tensor: format!("{name}:0"),
            dtype: DType::Float32,
            shape: Some(shape),
            any_shape: false,
        };
        vec![spec("x", vec![None, Some(1)]), spec("a", vec![None])]
    }

    fn run(names: &[&str], limit_bytes: usize) -> Result<Vec<Tensor>> {
        run_with(names, |_| None, limit_bytes)
    }

    fn run_with<'model>(
        names: &[&str],
        default: impl Fn(usize) -> Option<&'model Tensor>,
        limit_bytes: usize,
    ) -> Result<Vec<Tensor>> {
        let content = TensorContent::Fixed(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
        let parts = TensorParts {
            dtype: DType::Float32,
            shape: Shape::from_slice(&[2]),
            content,
        };
        let inputs: Vec<_> = names.iter().map(|name| (*name, parts.clone())).collect();
        let message = Bytes::from(encode_predict_request("m", None, "", &inputs).expect("whole"));
        let view = PredictRequestView::read(&message).expect("valid");
        arrange(&specs(), &view.inputs, default, &message, limit_bytes)
    }

    #[test]
    fn inputs_come_in_the_order_of_the_signature_and_fit_it() {
        let tensors = run(&["a", "x"], 16).expect("both are there");
        let shapes: Vec<&[usize]> = tensors.iter().map(Tensor::shape).collect();
        assert_eq!(shapes, [[2, 1].as_slice(), &[2]]);
        assert_eq!(*tensors[0].values(), Values::Float32(vec![1.0, 2.0]));
    }

    #[test]
    fn wrong_names_and_numbers_are_said_in_the_words_of_tensorflow_serving() {
        let cases = [
            (
                vec!["x"],
                "input size does not match signature: 1!=2 len({x}) != len({a,x}). Sent extra: {}. Missing but required: {a}.",
            ),
            (
                vec!["x", "z", "b"],
                "input size does not match signature: 3!=2 len({b,x,z}) != len({a,x}). Sent extra: {b,z}. Missing but \
                 required: {a}.",
            ),
            (
                vec!["a", "z"],
                "Signature input alias: x(feed name: x:0) not found in request and no default value provided. Inputs expected \
                 to be in the request {a,z}, or default input alias set: ",
            ),
        ];
        for (names, text) in cases {
            let error = run(&names, 1 << 10).expect_err(text);
            assert_eq!(
                (error.code(), error.message()),
                (ErrorCode::InvalidInput, text)
            );
        }
    }

    #[test]
    fn the_limit_holds_for_all_inputs_together() {
        let error = run(&["a", "x"], 15).expect_err("16 bytes are needed");
        assert_eq!(error.code(), ErrorCode::RequestTooLarge);
    }

    #[test]
    fn what_a_request_leaves_out_is_the_default() {
        let values = Values::Float32(vec![7.0]);
        let seven = Tensor::new(Shape::from_slice(&[1]), values.clone()).expect("shape matches");
        let default = |index| (index == 1).then_some(&seven);
        let tensors = run_with(&["x"], default, 1 << 10).expect("the other has a default");
        assert_eq!(*tensors[1].values(), values);
        let sent = run_with(&["x", "a"], default, 1 << 10).expect("both are there");
        assert_eq!(*sent[1].values(), Values::Float32(vec![1.0, 2.0]));
        let texts = [
            (
                vec!["a"],
                "Signature input alias: x(feed name: x:0) not found in request and no default value provided.",
            ),
            (
                vec!["x", "z"],
                "Inputs contains invalid name. Used request inputs: {x,z}",
            ),
            (
                vec!["a", "x", "z"],
                "input size does not match signature: 3!=2",
            ),
        ];
        for (names, text) in texts {
            let error = run_with(&names, default, 1 << 10).expect_err(text);
            assert!(error.message().starts_with(text), "{}", error.message());
        }
    }
}
