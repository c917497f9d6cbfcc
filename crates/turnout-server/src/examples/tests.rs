use std::collections::BTreeMap;

use bytes::Bytes;
use turnout_core::{DType, ErrorCode, Shape, TensorSpec, Values};

use super::*;
use crate::grpc::wire::{FeatureValues, encode_example};

type Dims = Option<&'static [Option<usize>]>;

const LIMIT: Limit = Limit {
    bytes: 1 << 10,
    setting: "max_body_bytes",
};

fn spec(name: &str, dtype: DType, shape: Option<&[Option<usize>]>) -> TensorSpec {
    TensorSpec {
        name: name.to_owned(),
        tensor: name.to_owned(),
        dtype,
        shape: shape.map(<[_]>::to_vec),
        any_shape: false,
    }
}

fn signature(inputs: Vec<TensorSpec>, outputs: Vec<TensorSpec>) -> Signature {
    Signature {
        name: "s".to_owned(),
        inputs,
        outputs,
    }
}

fn floats(values: &[f32]) -> FeatureValues {
    FeatureValues::Floats(values.to_vec())
}

fn ints(values: &[i64]) -> FeatureValues {
    FeatureValues::Int64s(values.to_vec())
}

fn list(examples: &[&[(&str, FeatureValues)]], context: &[(&str, FeatureValues)]) -> Bytes {
    let mut list = Vec::new();
    let serialized = |features: &[(&str, FeatureValues)]| {
        let named = features.iter().cloned();
        let named: BTreeMap<String, FeatureValues> = named
            .map(|(name, values)| (name.to_owned(), values))
            .collect();
        encode_example(&named)
    };
    let mut put = |number: u8, message: Vec<u8>| {
        list.push(number << 3 | 2);
        list.push(u8::try_from(message.len()).expect("short"));
        list.extend(message);
    };
    put(2, serialized(context));
    for features in examples {
        put(1, serialized(features));
    }
    list.into()
}

fn feed(inputs: Vec<TensorSpec>, list: &Bytes, limit: Limit) -> Result<Vec<Tensor>> {
    let signature = signature(inputs, vec![spec("y", DType::Float32, None)]);
    let plan = Plan::new(Method::Regress, &signature, false)?;
    let view = InputView::of_list(list)?;
    plan.feed(&signature, &view, list, limit)
}

#[test]
fn features_become_inputs_of_the_signatures_shape() {
    let two = |a: &[f32], b: &[f32]| list(&[&[("x", floats(a))], &[("x", floats(b))]], &[]);
    #[rustfmt::skip]
    let cases: [(Dims, Bytes, &[usize]); 8] = [
        (Some(&[None, Some(2)]), two(&[1.0, 2.0], &[3.0, 4.0]), &[2, 2]),
        (Some(&[None]), two(&[1.0], &[2.0]), &[2]),
        (Some(&[None, Some(1)]), two(&[1.0], &[2.0]), &[2, 1]),
        (Some(&[None, Some(2), None]), two(&[0.0; 6], &[0.0; 6]), &[2, 2, 3]),
        (Some(&[None, None]), two(&[], &[]), &[2, 0]),
        (Some(&[Some(2), Some(1)]), two(&[1.0], &[2.0]), &[2, 1]),
        (None, two(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), &[2, 3]),
        (Some(&[]), list(&[&[("x", floats(&[7.0]))]], &[]), &[]),
    ];
    for (shape, list, want) in cases {
        let fed = feed(vec![spec("x", DType::Float32, shape)], &list, LIMIT).expect("fits");
        assert_eq!(fed[0].shape(), want, "{shape:?}");
    }
}

#[test]
fn inputs_come_in_the_signatures_order_and_the_context_fills_gaps() {
    let inputs = vec![
        spec("z", DType::Int32, Some(&[None])),
        spec("a", DType::Float64, Some(&[None, Some(2)])),
    ];
    let list = list(
        &[
            &[("a", floats(&[1.0, 2.0])), ("b", ints(&[9]))],
            &[("z", ints(&[5]))],
        ],
        &[("a", floats(&[3.0, 4.0])), ("z", ints(&[-6]))],
    );
    let fed = feed(inputs, &list, LIMIT).expect("fits");
    assert_eq!(*fed[0].values(), Values::Int32(vec![-6, 5]));
    assert_eq!(*fed[1].values(), Values::Float64(vec![1.0, 2.0, 3.0, 4.0]));
}

#[test]
fn features_that_do_not_fit_are_named_with_their_example() {
    let row = |values: FeatureValues| list(&[&[("x", values)]], &[]);
    let pair = |a: FeatureValues, b: FeatureValues| list(&[&[("x", a)], &[("x", b)]], &[]);
    #[rustfmt::skip]
    let cases: [(DType, Dims, Bytes, &str); 11] = [
        (DType::Float32, Some(&[None]), list(&[&[("y", floats(&[1.0]))]], &[]),
            "example 0 has no feature `x`: expected `x`"),
        (DType::Float32, Some(&[None]), row(ints(&[1])),
            "feature `x` of example 0 has the wrong kind: got `int64_list`, expected `float_list` for float32"),
        (DType::Uint8, Some(&[None]), row(floats(&[1.0])),
            "feature `x` of example 0 has the wrong kind: got `float_list`, expected `int64_list` for uint8"),
        (DType::String, Some(&[None]), row(floats(&[1.0])),
            "feature `x` of example 0 has the wrong kind: got `float_list`, expected `bytes_list` for string"),
        (DType::Float32, Some(&[None, Some(2)]), pair(floats(&[1.0, 2.0]), floats(&[1.0])),
            "feature `x` of example 1 has the wrong number of values: got 1, expected 2"),
        (DType::Float32, Some(&[None, None, Some(2)]), row(floats(&[1.0])),
            "feature `x` of example 0 has the wrong number of values: got 1, expected a multiple of 2"),
        (DType::Float32, Some(&[None, None]), pair(floats(&[1.0, 2.0]), floats(&[1.0])),
            "feature `x` has not as many values in all examples: got 1 in example 1, expected 2 as in example 0"),
        (DType::Int8, Some(&[None]), row(ints(&[-129])),
            "feature `x` of example 0 has a value out of the range of int8: -129"),
        (DType::Uint64, Some(&[None]), row(ints(&[-1])),
            "feature `x` of example 0 has a value out of the range of uint64: -1"),
        (DType::Complex64, Some(&[None]), row(floats(&[1.0])),
            "an Example cannot hold the input `x`, which is complex64"),
        (DType::Float32, Some(&[None, None, None]), row(floats(&[1.0])),
            "an Example cannot say how long each dimension of the input `x` is, of which several vary: [?, ?, ?]"),
    ];
    for (dtype, shape, list, want) in cases {
        let error = feed(vec![spec("x", dtype, shape)], &list, LIMIT).expect_err(want);
        assert_eq!(
            (error.code(), error.message()),
            (ErrorCode::InvalidInput, want)
        );
    }
    // A fixed batch is the engine's word, as for Predict.
    let fixed = spec("x", DType::Float32, Some(&[Some(3)]));
    let error = feed(vec![fixed], &row(floats(&[1.0])), LIMIT).expect_err("one row");
    assert_eq!(
        error.message(),
        "input `x` has the wrong shape: got [1], expected [3]"
    );
}

#[test]
fn short_requests_that_unfold_are_refused_before_they_do() {
    let tiny = Limit {
        bytes: 100,
        ..LIMIT
    };
    let context = [("x", floats(&[1.0; 8]))];
    let examples: Vec<&[(&str, FeatureValues)]> = vec![&[]; 20];
    let list = list(&examples, &context);
    let columns = vec![spec("x", DType::Float32, Some(&[None, Some(8)]))];
    let error = feed(columns, &list, tiny).expect_err("640 bytes");
    assert_eq!(error.code(), ErrorCode::RequestTooLarge);
    let inputs = vec![spec("inputs", DType::String, Some(&[None]))];
    let signature = signature(inputs, vec![spec("outputs", DType::Float32, None)]);
    let plan = Plan::new(Method::Regress, &signature, true).expect("the contract's");
    let view = InputView::of_list(&list).expect("valid");
    let error = plan
        .feed(&signature, &view, &list, tiny)
        .expect_err("more than 100 bytes");
    assert_eq!(error.code(), ErrorCode::RequestTooLarge);
    let fed = plan.feed(
        &signature,
        &view,
        &list,
        Limit {
            bytes: 1 << 20,
            ..LIMIT
        },
    );
    let merged = [
        view.context().as_ref(),
        view.examples().next().expect("one"),
    ]
    .concat();
    assert_eq!(
        *fed.expect("room")[0].values(),
        Values::String(vec![merged.into(); 20])
    );
}

fn tensor(shape: &[usize], values: Values) -> Tensor {
    Tensor::new(Shape::from_slice(shape), values).expect("as many")
}

fn read<'a>(method: Method, names: &[&str], outputs: &'a [Tensor]) -> Result<InferenceResult<'a>> {
    let specs = names.iter().zip(outputs);
    let specs = specs
        .map(|(name, tensor)| spec(name, tensor.dtype(), None))
        .collect();
    let signature = signature(vec![spec("x", DType::Float32, None)], specs);
    Plan::new(method, &signature, false)?.results(outputs, 2)
}

#[test]
fn outputs_of_converted_classifiers_are_found_by_name_and_type() {
    let label = tensor(&[2], Values::Int64(vec![7, 8]));
    let text = tensor(
        &[2, 1],
        Values::String(vec![Bytes::from_static(b"a"), Bytes::new()]),
    );
    let scores = tensor(&[2, 2], Values::Float64(vec![0.25, 0.75, 1.0, 0.0]));
    let numbered = "[[(0, 0.25), (1, 0.75)], [(0, 1.0), (1, 0.0)]]";
    let cases = [
        (
            vec!["label", "probabilities"],
            vec![label.clone(), scores.clone()],
            numbered,
        ),
        (
            vec!["output_label", "output_probability"],
            vec![text.clone(), scores.clone()],
            numbered,
        ),
        (vec!["scores"], vec![scores.clone()], numbered),
        (vec!["anything"], vec![scores], numbered),
        (vec!["y"], vec![label.clone()], "[[(7, 0.0)], [(8, 0.0)]]"),
        (vec!["y"], vec![text.clone()], "[[(a, 0.0)], [(, 0.0)]]"),
        (
            vec!["classes", "scores"],
            vec![text, tensor(&[2], Values::Float32(vec![0.5, 0.75]))],
            "[[(a, 0.5)], [(, 0.75)]]",
        ),
        (
            vec!["other", "label"],
            vec![tensor(&[1], Values::Float32(vec![0.0])), label],
            "[[(7, 0.0)], [(8, 0.0)]]",
        ),
    ];
    for (names, outputs, want) in cases {
        let result = read(Method::Classify, &names, &outputs).expect("found");
        let InferenceResult::Classes(table) = result else {
            panic!("classes are wanted");
        };
        let class = |class: Class<'_>| {
            let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
            format!("({}, {:?})", class.label.with_text(text), class.score)
        };
        let rows: Vec<String> = table
            .rows()
            .map(|row| format!("[{}]", row.map(class).collect::<Vec<_>>().join(", ")))
            .collect();
        assert_eq!(format!("[{}]", rows.join(", ")), want, "{names:?}");
    }
}

#[test]
fn values_are_found_by_name_or_alone() {
    let numbers = tensor(&[2, 1], Values::Int32(vec![3, -4]));
    let other = tensor(&[2], Values::Float32(vec![0.0; 2]));
    let values = |names: &[&str], outputs: &[Tensor]| match read(Method::Regress, names, outputs)
        .expect("found")
    {
        InferenceResult::Values(values) => values.into_owned(),
        InferenceResult::Classes(_) => panic!("values are wanted"),
    };
    let alone = [numbers.clone()];
    assert_eq!(values(&["y"], &alone), [3.0, -4.0]);
    let both = [other, numbers];
    assert_eq!(values(&["a", "outputs"], &both), [3.0, -4.0]);
}

#[test]
fn outputs_that_mean_nothing_are_refused() {
    let floats =
        |shape: &[usize]| tensor(shape, Values::Float32(vec![0.0; shape.iter().product()]));
    let texts = tensor(&[2], Values::String(vec![Bytes::new(); 2]));
    let invalid = ErrorCode::InvalidInput;
    let failed = ErrorCode::ExecutionFailed;
    #[rustfmt::skip]
    let cases = [
        (Method::Classify, vec!["a", "b"], vec![floats(&[2]), floats(&[2])], invalid,
            "signature `s` has no output that could be a class: got `a`, `b`, expected one of `classes`, `label`, `labels`, \
             `output_label` for labels or `scores`, `probabilities`, `output_probability`, `logits` for scores, or a single \
             output"),
        (Method::Regress, vec!["a", "b"], vec![floats(&[2]), floats(&[2])], invalid,
            "signature `s` has no output that could be a value: got `a`, `b`, expected `outputs` or a single output"),
        (Method::Classify, vec!["y"], vec![floats(&[3])], failed,
            "an output of classes has the wrong shape: got [3], expected [2] or [2, classes]"),
        (Method::Classify, vec!["classes", "scores"],
            vec![tensor(&[2, 2], Values::String(vec![Bytes::new(); 4])), floats(&[2, 3])], failed,
            "the outputs of labels and scores have different numbers of classes: got 2 and 3"),
        (Method::Regress, vec!["y"], vec![floats(&[2, 2])], failed,
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]"),
        (Method::Regress, vec!["y"], vec![floats(&[3])], failed,
            "Input batch size did not match output batch size: 2 vs. 3"),
        (Method::Regress, vec!["y"], vec![texts], failed, "Expected output Tensor of DT_FLOAT.  Got: DT_STRING"),
    ];
    for (method, names, outputs, code, want) in cases {
        let error = read(method, &names, &outputs).expect_err(want);
        assert_eq!((error.code(), error.message()), (code, want));
    }
}
