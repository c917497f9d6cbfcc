use bytes::Bytes;
use half::{bf16, f16};
use turnout_core::{DType, Shape, Tensor, Values};

use super::super::{Format, encode_predict};
use super::{signature, spec};

fn tensor(shape: &[usize], values: Values) -> Tensor {
    Tensor::new(Shape::from_slice(shape), values).expect("shape and values agree")
}

type Case<'a> = (Vec<(&'a str, Tensor)>, Format, &'a str);

fn encode(outputs: &[(&str, Tensor)], format: Format) -> Result<String, String> {
    let specs = outputs
        .iter()
        .map(|(name, tensor)| spec(name, tensor.dtype(), None))
        .collect();
    let signature = signature("serving_default", vec![], specs);
    let tensors: Vec<Tensor> = outputs.iter().map(|(_, tensor)| tensor.clone()).collect();
    let mut out = Vec::new();
    encode_predict(&tensors, &signature, format, &mut out)
        .map_err(|error| error.message().to_owned())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn values_of_each_dtype() {
    let half = |values: &[f32]| {
        values
            .iter()
            .map(|value| f16::from_f32(*value).to_bits())
            .collect()
    };
    let brain = |values: &[f32]| {
        values
            .iter()
            .map(|value| bf16::from_f32(*value).to_bits())
            .collect()
    };
    #[rustfmt::skip]
    let cases: Vec<(Values, &str)> = vec![
        (Values::Float32(vec![3.0, 0.1, 2.5, -0.0, 9e6, 3e-5]), "3.0,0.1,2.5,-0.0,9000000.0,0.00003"),
        (Values::Float32(vec![f32::MAX, f32::MIN_POSITIVE, 1e-45]), "3.4028235e+38,1.1754944e-38,1e-45"),
        (Values::Float32(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]), "NaN,Infinity,-Infinity"),
        (Values::Float64(vec![1e300, 5e-324, 0.1 + 0.2]), "1e+300,5e-324,0.30000000000000004"),
        (Values::Float16(half(&[1.5, 65504.0, f32::INFINITY])), "1.5,65504.0,Infinity"),
        (Values::Bfloat16(brain(&[1.5, -2.0])), "1.5,-2.0"),
        (Values::Int8(vec![-128, 127]), "-128,127"),
        (Values::Int16(vec![i16::MIN]), "-32768"),
        (Values::Int32(vec![i32::MIN]), "-2147483648"),
        (Values::Int64(vec![i64::MIN, i64::MAX]), "-9223372036854775808,9223372036854775807"),
        (Values::Uint8(vec![255]), "255"),
        (Values::Uint16(vec![65535]), "65535"),
        (Values::Uint32(vec![u32::MAX]), "4294967295"),
        (Values::Uint64(vec![u64::MAX]), "18446744073709551615"),
        (Values::Bool(vec![true, false]), "true,false"),
        (Values::String(vec![Bytes::from_static(b"a\"\\\n\0\x1f/"), Bytes::from_static("é".as_bytes())]), r#""a\"\\\n\u0000\u001F/","é""#),
    ];
    for (values, want) in cases {
        let output = tensor(&[values.len()], values);
        assert_eq!(
            encode(&[("y", output.clone())], Format::Row),
            Ok(format!("{{\"predictions\":[{want}]}}"))
        );
        assert_eq!(
            encode(&[("y", output)], Format::Column),
            Ok(format!("{{\"outputs\":[{want}]}}"))
        );
    }
}

#[test]
fn bytes_outputs_are_base64_and_others_are_not() {
    let value = tensor(&[1], Values::String(vec![Bytes::from_static(b"\xff\x00")]));
    assert_eq!(
        encode(&[("image_bytes", value)], Format::Row).as_deref(),
        Ok(r#"{"predictions":[{"b64":"/wA="}]}"#)
    );
    let number = tensor(&[1], Values::Int32(vec![1]));
    assert_eq!(
        encode(&[("n_bytes", number)], Format::Row).as_deref(),
        Ok(r#"{"predictions":[1]}"#)
    );
}

#[test]
fn strings_that_are_not_utf_8_pass_through() {
    let specs = vec![spec("y", DType::String, None)];
    let mut out = Vec::new();
    let value = tensor(&[1], Values::String(vec![Bytes::from_static(b"\xff\"")]));
    encode_predict(
        &[value],
        &signature("s", vec![], specs),
        Format::Row,
        &mut out,
    )
    .expect("a string");
    assert_eq!(out, b"{\"predictions\":[\"\xff\\\"\"]}");
}

#[test]
fn one_output_is_a_value_and_several_are_objects() {
    let matrix = tensor(&[2, 2], Values::Int32(vec![1, 2, 3, 4]));
    let labels = tensor(
        &[2],
        Values::String(vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")]),
    );
    let scalar = tensor(&[], Values::Float32(vec![1.0]));
    let empty = tensor(&[0, 2], Values::Int32(vec![]));
    let hollow = tensor(&[2, 0], Values::Int32(vec![]));
    #[rustfmt::skip]
    let cases: Vec<Case> = vec![
        (vec![("y", matrix.clone())], Format::Row, r#"{"predictions":[[1,2],[3,4]]}"#),
        (vec![("y", matrix.clone())], Format::Column, r#"{"outputs":[[1,2],[3,4]]}"#),
        (vec![("y", matrix.clone()), ("l\"", labels.clone())], Format::Row, r#"{"predictions":[{"y":[1,2],"l\"":"a"},{"y":[3,4],"l\"":"b"}]}"#),
        (vec![("y", matrix.clone()), ("l", labels)], Format::Column, r#"{"outputs":{"y":[[1,2],[3,4]],"l":["a","b"]}}"#),
        (vec![("y", scalar.clone())], Format::Column, r#"{"outputs":1.0}"#),
        (vec![("y", empty.clone())], Format::Row, r#"{"predictions":[]}"#),
        (vec![("y", empty.clone()), ("z", empty.clone())], Format::Row, r#"{"predictions":[]}"#),
        (vec![("y", empty)], Format::Column, r#"{"outputs":[]}"#),
        (vec![("y", hollow)], Format::Row, r#"{"predictions":[[],[]]}"#),
    ];
    for (outputs, format, want) in cases {
        assert_eq!(encode(&outputs, format).as_deref(), Ok(want));
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_the_first_byte() {
    let scalar = tensor(&[], Values::Float32(vec![1.0]));
    let two = tensor(&[2], Values::Int32(vec![1, 2]));
    let three = tensor(&[3], Values::Int32(vec![1, 2, 3]));
    let complex = tensor(&[1], Values::Complex64(vec![[1.0, 2.0]]));
    #[rustfmt::skip]
    let cases: Vec<(Vec<(&str, Tensor)>, &str)> = vec![
        (vec![("y", scalar)], "Tensor name: y has no shape information "),
        (vec![("a", two), ("y", three)], "Tensor name: y has inconsistent batch size: 3 expecting: 2"),
        (vec![("y", complex)], "Failed to write JSON value for tensor type: complex64"),
        (vec![], "Cannot convert empty tensor map to JSON"),
    ];
    for (outputs, message) in cases {
        assert_eq!(encode(&outputs, Format::Row), Err(message.to_owned()));
    }
}
