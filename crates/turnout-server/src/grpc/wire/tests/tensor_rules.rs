//! TensorFlow's rules for `TensorProto`, case by case.

use bytes::Bytes;
use prost::Message;
use turnout_core::{ErrorCode, Shape, Tensor, Values};

use super::reference::{Dim, TensorProto, TensorShape};
use crate::grpc::wire::{Limit, TensorView};

fn proto(data_type: i32, shape: &[i64]) -> TensorProto {
    let dim = |size: &i64| Dim { size: *size };
    TensorProto {
        dtype: data_type,
        tensor_shape: Some(TensorShape {
            dim: shape.iter().map(dim).collect(),
            unknown_rank: false,
        }),
        ..TensorProto::default()
    }
}

/// Setters, so that a case is a line.
impl TensorProto {
    fn content(mut self, bytes: &'static [u8]) -> Self {
        self.tensor_content = Bytes::from_static(bytes);
        self
    }

    fn floats(mut self, values: &[f32]) -> Self {
        self.float_val = values.to_vec();
        self
    }

    fn ints(mut self, values: &[i32]) -> Self {
        self.int_val = values.to_vec();
        self
    }

    fn halves(mut self, values: &[i32]) -> Self {
        self.half_val = values.to_vec();
        self
    }

    fn texts(mut self, values: &[&'static str]) -> Self {
        self.string_val = texts(values);
        self
    }
}

fn texts(values: &[&'static str]) -> Vec<Bytes> {
    let bytes = |text: &&'static str| Bytes::from_static(text.as_bytes());
    values.iter().map(bytes).collect()
}

fn read(message: &Bytes) -> turnout_core::Result<Tensor> {
    let limit = Limit {
        bytes: 1 << 20,
        setting: "max_body_bytes",
    };
    let mut view = TensorView::default();
    view.merge(message)?;
    view.to_tensor("x", message, limit)
}

fn made(proto: &TensorProto) -> turnout_core::Result<Tensor> {
    read(&Bytes::from(proto.encode_to_vec()))
}

fn assert_made(cases: Vec<(&str, TensorProto, Values)>) {
    for (name, proto, expected) in cases {
        let tensor = made(&proto).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(*tensor.values(), expected, "{name}");
    }
}

#[test]
fn values_are_filled_truncated_and_defaulted() {
    let f32s = |values: &[f32]| Values::Float32(values.to_vec());
    let double = TensorProto {
        double_val: vec![2.5],
        ..proto(2, &[])
    };
    let empty = TensorProto {
        double_val: vec![2.5],
        ..proto(2, &[0, 3])
    };
    let no_shape = TensorProto {
        tensor_shape: None,
        int64_val: vec![-4],
        ..proto(9, &[])
    };
    assert_made(vec![
        ("all", proto(1, &[2]).floats(&[1., 2.]), f32s(&[1., 2.])),
        (
            "last again",
            proto(1, &[3]).floats(&[1., 2.]),
            f32s(&[1., 2., 2.]),
        ),
        ("none", proto(1, &[2]), f32s(&[0.; 2])),
        ("too many", proto(1, &[1]).floats(&[1., 2.]), f32s(&[1.])),
        ("another field", proto(1, &[2]).ints(&[7]), f32s(&[0.; 2])),
        (
            "two fields",
            proto(1, &[2]).ints(&[7]).floats(&[3.]),
            f32s(&[3.; 2]),
        ),
        ("scalar", double, Values::Float64(vec![2.5])),
        ("no elements", empty, Values::Float64(vec![])),
        ("no shape at all", no_shape, Values::Int64(vec![-4])),
    ]);
}

#[test]
fn integers_keep_their_low_bits() {
    let wide = TensorProto {
        uint32_val: vec![u32::MAX],
        uint64_val: vec![u64::MAX],
        ..TensorProto::default()
    };
    let of = |data_type| TensorProto {
        dtype: data_type,
        ..wide.clone()
    };
    assert_made(vec![
        (
            "uint8",
            proto(4, &[1]).ints(&[300]),
            Values::Uint8(vec![44]),
        ),
        ("int8", proto(6, &[1]).ints(&[-200]), Values::Int8(vec![56])),
        ("int16", proto(5, &[1]).ints(&[-2]), Values::Int16(vec![-2])),
        (
            "uint16",
            proto(17, &[1]).ints(&[65535]),
            Values::Uint16(vec![65535]),
        ),
        (
            "int32",
            proto(3, &[1]).ints(&[i32::MIN]),
            Values::Int32(vec![i32::MIN]),
        ),
        ("uint32", of(22), Values::Uint32(vec![u32::MAX])),
        ("uint64", of(23), Values::Uint64(vec![u64::MAX])),
        (
            "half",
            proto(19, &[2]).halves(&[0x3c00]),
            Values::Float16(vec![0x3c00; 2]),
        ),
        (
            "bfloat16",
            proto(14, &[1]).halves(&[0x3f80]),
            Values::Bfloat16(vec![0x3f80]),
        ),
    ]);
}

#[test]
fn booleans_complex_numbers_and_strings() {
    let bools = TensorProto {
        bool_val: vec![true, false],
        ..proto(10, &[3])
    };
    let single = TensorProto {
        scomplex_val: vec![1., 2., 3.],
        ..proto(8, &[2])
    };
    let double = TensorProto {
        dcomplex_val: vec![1., 2.],
        ..proto(18, &[1])
    };
    let strings = |values| Values::String(texts(values));
    assert_made(vec![
        ("bool", bools, Values::Bool(vec![true, false, false])),
        (
            "odd part ignored",
            single,
            Values::Complex64(vec![[1., 2.]; 2]),
        ),
        ("complex128", double, Values::Complex128(vec![[1., 2.]])),
        (
            "strings",
            proto(7, &[2]).texts(&["a", ""]),
            strings(&["a", ""]),
        ),
        (
            "repeated",
            proto(7, &[2]).texts(&["ab"]),
            strings(&["ab", "ab"]),
        ),
        ("no strings", proto(7, &[2]), strings(&["", ""])),
    ]);
}

#[test]
fn content_wins_over_typed_values() {
    let ints = proto(5, &[2]).content(&[1, 0, 2, 0]).ints(&[9]);
    let strings = proto(7, &[3]).content(b"\x02\x00\x01abc").texts(&["z"]);
    let bools = proto(10, &[2]).content(&[0, 2]);
    assert_made(vec![
        ("integers", ints, Values::Int16(vec![1, 2])),
        ("strings", strings, Values::String(texts(&["ab", "", "c"]))),
        ("booleans", bools, Values::Bool(vec![false, true])),
    ]);
}

fn assert_refused(code: ErrorCode, cases: Vec<(TensorProto, &str)>) {
    for (proto, text) in cases {
        let error = made(&proto).expect_err(text);
        assert_eq!(error.code(), code, "{text}");
        let message = error.message();
        assert!(message.contains(text), "got {message:?}, expected {text:?}");
    }
}

#[test]
fn faults_name_the_tensor_and_the_evidence() {
    let unknown_rank = TensorProto {
        tensor_shape: Some(TensorShape {
            dim: vec![],
            unknown_rank: true,
        }),
        ..proto(1, &[])
    };
    let wrong = "tensor parsing error: x: `tensor_content` has the wrong length: got";
    let strings = proto(7, &[1]);
    let endless = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a";
    assert_refused(
        ErrorCode::InvalidInput,
        vec![
            (
                proto(1, &[1]).content(&[1, 2, 3]),
                &format!("{wrong} 3, expected 4"),
            ),
            (
                proto(1, &[1]).content(&[0; 8]),
                &format!("{wrong} 8, expected 4"),
            ),
            (
                proto(1, &[0]).content(&[0; 4]),
                &format!("{wrong} 4, expected 0"),
            ),
            (
                strings.clone().content(b"\x02a"),
                "`tensor_content` does not hold 1 strings",
            ),
            (
                strings.clone().content(b"\x01ab"),
                "does not hold 1 strings",
            ),
            (strings.content(endless), "does not hold 1 strings"),
            (proto(7, &[3]).content(b"\x00"), "does not hold 3 strings"),
            (
                unknown_rank,
                "tensor parsing error: x: the shape has unknown rank",
            ),
            (proto(0, &[]), "x: invalid or unsupported dtype: 0"),
            (proto(101, &[]), "invalid or unsupported dtype: 101"),
            (
                proto(1, &[2, -1]),
                "x: the shape has a negative dimension: -1",
            ),
            (proto(1, &[1; 9]), "x: the shape has more than 8 dimensions"),
            (proto(1, &[i64::MAX; 2]), "the number of elements overflows"),
        ],
    );
}

#[test]
fn shapes_beyond_the_limit_are_refused_before_anything_is_made() {
    let long_string = TensorProto {
        string_val: vec![Bytes::from(vec![b'a'; 1 << 16])],
        ..proto(7, &[64])
    };
    let named = "(`max_body_bytes`): tensor `x` has 1152921504606846976 elements of float32";
    assert_refused(
        ErrorCode::RequestTooLarge,
        vec![
            (proto(1, &[1 << 60]).floats(&[1.]), named),
            (proto(18, &[1 << 62]), "`max_body_bytes`"),
            (proto(7, &[1 << 40]), "`max_body_bytes`"),
            (long_string, "`max_body_bytes`"),
        ],
    );
}

#[test]
fn a_zero_dimension_beside_huge_ones_is_empty() {
    let tensor = made(&proto(1, &[1 << 40, 0])).expect("no elements");
    assert_eq!(
        (tensor.shape(), tensor.values().len()),
        ([1usize << 40, 0].as_slice(), 0)
    );
}

#[test]
fn unpacked_and_split_values_are_joined_in_order() {
    // float_val: 1.0 alone, then 2.0 and 3.0 packed, between them the dtype and shape [3].
    let mut bytes = vec![0x2d];
    bytes.extend(1f32.to_le_bytes());
    bytes.extend([0x08, 0x01, 0x12, 0x04, 0x12, 0x02, 0x08, 0x03, 0x2a, 0x08]);
    bytes.extend(2f32.to_le_bytes());
    bytes.extend(3f32.to_le_bytes());
    let tensor = read(&Bytes::from(bytes)).expect("valid");
    assert_eq!(*tensor.values(), Values::Float32(vec![1.0, 2.0, 3.0]));
    assert_eq!(tensor.shape(), Shape::from_slice(&[3]).as_slice());
}

#[test]
fn a_packed_field_that_ends_inside_an_element_is_malformed() {
    let bytes = Bytes::from_static(&[0x08, 0x01, 0x2a, 0x03, 0, 0, 0]);
    assert_eq!(
        read(&bytes).expect_err("three bytes of a float").code(),
        ErrorCode::MalformedRequest
    );
    let bytes = Bytes::from_static(&[0x08, 0x03, 0x3a, 0x01, 0x80]);
    assert_eq!(
        read(&bytes).expect_err("half a varint").code(),
        ErrorCode::MalformedRequest
    );
}

#[test]
fn strings_share_the_message() {
    let proto = TensorProto {
        string_val: vec![Bytes::from_static(b"shared")],
        ..proto(7, &[1])
    };
    let message = Bytes::from(proto.encode_to_vec());
    let tensor = read(&message).expect("valid");
    let Values::String(strings) = tensor.values() else {
        panic!("strings")
    };
    let range = message.as_ptr_range();
    assert!(range.contains(&strings[0].as_ptr()));
}
