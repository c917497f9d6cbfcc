mod example_reference;
mod examples;
mod reference;
mod round_trip;
mod tensor_rules;

use super::reader::{Reader, Value};
use super::*;

#[test]
fn reader_refuses_what_is_not_protobuf() {
    let cases: &[(&[u8], WireError)] = &[
        (&[0x00, 0x00], WireError::InvalidKey),
        (&[0x0f, 0x00], WireError::InvalidKey),
        (&[0x08], WireError::Truncated),
        (&[0x08, 0x80], WireError::Truncated),
        (
            &[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            WireError::VarintTooLong,
        ),
        (&[0x0a, 0x02, 0x00], WireError::Truncated),
        (
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            WireError::Truncated,
        ),
        (&[0x0d, 0, 0, 0], WireError::Truncated),
        (&[0x09, 0, 0, 0, 0, 0, 0, 0], WireError::Truncated),
        (&[0x0c], WireError::UnexpectedGroupEnd),
        (&[0x0b, 0x14], WireError::UnexpectedGroupEnd),
        (&[0x0b, 0x08, 0x01], WireError::Truncated),
        (
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00],
            WireError::InvalidKey,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Reader::new(bytes).field(), Err(*expected), "{bytes:02x?}");
    }
    assert_eq!(
        Reader::new(&[0x0b; 200]).field(),
        Err(WireError::GroupsTooDeep)
    );
}

#[test]
fn reader_walks_over_every_wire_type() {
    let bytes = [
        0x08, 0x96, 0x01, 0x0b, 0x08, 0x01, 0x13, 0x14, 0x0c, 0x15, 1, 2, 3, 4, 0x1a, 0x01, 0x07,
    ];
    let mut reader = Reader::new(&bytes);
    let mut fields = Vec::new();
    while let Some(field) = reader.field().expect("valid") {
        fields.push(field);
    }
    assert_eq!(
        fields,
        [
            (1, Value::Varint(150)),
            (1, Value::Group),
            (2, Value::Fixed32([1, 2, 3, 4])),
            (3, Value::Bytes(&[7]))
        ]
    );
}

#[test]
fn model_spec_keeps_the_last_version_choice_and_merges_pieces() {
    let mut spec = ModelSpecView::default();
    spec.merge(b"\x0a\x01m\x12\x02\x08\x05").expect("valid");
    assert_eq!(
        spec,
        ModelSpecView {
            name: "m",
            version: VersionField::Number(5),
            signature_name: ""
        }
    );
    spec.merge(b"\x22\x06stable\x1a\x01s").expect("valid");
    assert_eq!(
        spec,
        ModelSpecView {
            name: "m",
            version: VersionField::Label("stable"),
            signature_name: "s"
        }
    );
    spec.merge(b"\x12\x00").expect("valid");
    assert_eq!(
        spec.version,
        VersionField::Number(0),
        "an empty wrapper is the number 0"
    );
    assert_eq!(spec.merge(b"\x0a\x01\xff"), Err(WireError::InvalidUtf8));
}

#[test]
fn a_request_of_countless_inputs_is_refused() {
    let message = [0x12, 0x00].repeat((1 << 16) + 1);
    assert_eq!(
        PredictRequestView::read(&message).expect_err("too many"),
        WireError::TooManyEntries
    );
    let inputs = PredictRequestView::read(&message[2..])
        .expect("the most that is taken")
        .inputs;
    assert_eq!(inputs.len(), 1, "all have the empty name");
}
