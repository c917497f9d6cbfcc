//! Examples and what carries them, against prost's reading.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::example_reference::{
    BytesList, Entry, Example, Feature, Features, FloatList, Input, Int64List, Kind,
};
use crate::grpc::wire::{
    ExampleWriter, ExamplesRequestView, FeatureValues, InputView, MultiInferenceRequestView,
    WireError, decode_example, decode_input, encode_example, input_fields,
};

fn feature() -> impl Strategy<Value = Feature> {
    let texts = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4);
    let kind = prop_oneof![
        texts.prop_map(|value| Kind::Bytes(BytesList {
            value: value.into_iter().map(Bytes::from).collect()
        })),
        prop::collection::vec(
            any::<f32>().prop_filter("equal to itself", |value| !value.is_nan()),
            0..4
        )
        .prop_map(|value| Kind::Floats(FloatList { value })),
        prop::collection::vec(any::<i64>(), 0..4)
            .prop_map(|value| Kind::Int64s(Int64List { value })),
    ];
    prop::option::of(kind).prop_map(|kind| Feature { kind })
}

fn example() -> impl Strategy<Value = Example> {
    let entry =
        ("[a-c]?", prop::option::of(feature())).prop_map(|(key, value)| Entry { key, value });
    let features = prop::collection::vec(entry, 0..4).prop_map(|feature| Features { feature });
    prop::option::of(features).prop_map(|features| Example { features })
}

fn expected(example: &Example) -> BTreeMap<String, FeatureValues> {
    let values = |feature: Feature| match feature.kind {
        None => FeatureValues::None,
        Some(Kind::Bytes(list)) => FeatureValues::Bytes(list.value),
        Some(Kind::Floats(list)) => FeatureValues::Floats(list.value),
        Some(Kind::Int64s(list)) => FeatureValues::Int64s(list.value),
    };
    let named = example.by_name().into_iter();
    named
        .map(|(name, feature)| (name, values(feature)))
        .collect()
}

proptest! {
    #[test]
    fn examples_are_read_as_prost_reads_them(parts in prop::collection::vec(example(), 1..3)) {
        // Bytes in a row are one message: what a context before an Example relies on.
        let bytes: Vec<u8> = parts.iter().flat_map(Message::encode_to_vec).collect();
        let whole = Example::decode(bytes.as_slice()).expect("written by prost");
        let decoded = decode_example(&bytes.into()).expect("written by prost");
        prop_assert_eq!(&decoded, &expected(&whole));
        let again = encode_example(&decoded);
        prop_assert_eq!(decode_example(&again.into()).expect("our own"), decoded);
    }

    #[test]
    fn what_is_written_value_by_value_is_what_prost_reads(values in prop::collection::vec(feature(), 0..4)) {
        let mut writer = ExampleWriter::default();
        for (feature, name) in values.iter().zip(["a", "b", "c", "d"]) {
            match &feature.kind {
                None => {}
                Some(Kind::Bytes(list)) => list.value.iter().for_each(|value| writer.push_bytes(value)),
                Some(Kind::Floats(list)) => list.value.iter().for_each(|value| writer.push_float(*value)),
                Some(Kind::Int64s(list)) => list.value.iter().for_each(|value| writer.push_int64(*value)),
            }
            writer.end_feature(name.as_bytes());
        }
        let mut list = Vec::new();
        writer.end_example(&mut list, input_fields::EXAMPLES);
        let view = InputView::of_list(&list).expect("our own");
        let bytes = view.examples().next().expect("one");
        let got = Example::decode(bytes).expect("our own").by_name();
        prop_assert_eq!(got.len(), values.len());
        for (feature, name) in values.iter().zip(["a", "b", "c", "d"]) {
            // A list without a value is not told from none.
            let empty = match &feature.kind {
                None => true,
                Some(Kind::Bytes(list)) => list.value.is_empty(),
                Some(Kind::Floats(list)) => list.value.is_empty(),
                Some(Kind::Int64s(list)) => list.value.is_empty(),
            };
            let want = if empty { Feature::default() } else { feature.clone() };
            prop_assert_eq!(&got[name], &want);
        }
    }
}

#[test]
fn packed_and_unpacked_values_are_one_list_and_another_kind_replaces_it() {
    let floats = [&[0x0d, 0, 0, 0x80, 0x3f][..], &[0x0a, 4, 0, 0, 0, 0x40]].concat();
    let ints = [0x08, 0x05, 0x0a, 0x03, 0x01, 0x80, 0x01];
    let read = |lists: &[(u8, &[u8])]| {
        let mut feature = Vec::new();
        for (field, list) in lists {
            feature.extend([field << 3 | 2, u8::try_from(list.len()).expect("short")]);
            feature.extend_from_slice(list);
        }
        let wrapped = |field: u8, bytes: &[u8]| {
            [
                &[field << 3 | 2, u8::try_from(bytes.len()).expect("short")],
                bytes,
            ]
            .concat()
        };
        let entry = [wrapped(1, b"f"), wrapped(2, &feature)].concat();
        let example = Bytes::from(wrapped(1, &wrapped(1, &entry)));
        decode_example(&example).map(|mut features| features.remove("f").expect("it is there"))
    };
    let got = read(&[(2, &floats), (2, &floats)]).expect("valid");
    assert_eq!(got, FeatureValues::Floats(vec![1.0, 2.0, 1.0, 2.0]));
    let got = read(&[(2, &floats), (3, &ints)]).expect("valid");
    assert_eq!(got, FeatureValues::Int64s(vec![5, 1, 128]));
    let fault = |fault: WireError| format!("the message is not valid protobuf: {fault}");
    let error = read(&[(2, &[0x0a, 3, 0, 0, 0])]).expect_err("three bytes are no float");
    assert_eq!(error.message(), fault(WireError::PartialElement));
    let error = read(&[(3, &[0x0a, 1, 0x80])]).expect_err("the varint goes on");
    assert_eq!(error.message(), fault(WireError::Truncated));
}

#[test]
fn the_last_arm_of_an_input_counts_and_pieces_of_it_add_up() {
    let list = |arm: u8, bytes: &[u8]| {
        [
            &[arm << 3 | 2, u8::try_from(bytes.len()).expect("short")],
            bytes,
        ]
        .concat()
    };
    let one = list(1, &[0x0a, 1, b'a', 0x0a, 0]);
    let other = list(2, &[0x0a, 1, b'b', 0x12, 1, b'x']);
    let more = list(2, &[0x12, 1, b'y', 0x0a, 1, b'c']);
    let read = |pieces: &[&[u8]]| {
        let mut view = InputView::default();
        for piece in pieces {
            view.merge(piece).expect("valid");
        }
        let examples: Vec<Vec<u8>> = view.examples().map(<[u8]>::to_vec).collect();
        let sizes = examples.iter().map(Vec::len).sum::<usize>();
        assert_eq!((view.len(), view.examples_bytes()), (examples.len(), sizes));
        (examples.concat(), view.context().into_owned())
    };
    for pieces in [
        &[one.as_slice(), &other][..],
        &[&other, &more, &one],
        &[&other, &more],
    ] {
        let message = Bytes::from(pieces.concat());
        let (examples, context) = Input::decode(message.clone()).expect("valid").parts();
        let got = decode_input(&message).expect("valid");
        assert_eq!((got.examples, got.context.to_vec()), (examples, context));
    }
    assert_eq!(read(&[]), (Vec::new(), Vec::new()));
    assert_eq!(read(&[&one, &one]), (b"aa".to_vec(), Vec::new()));
    assert_eq!(
        read(&[&one, &other, &more]),
        (b"bc".to_vec(), b"xy".to_vec())
    );
    assert_eq!(read(&[&other, &one]), (b"a".to_vec(), Vec::new()));
    // A context is no field of a list without one.
    assert_eq!(
        read(&[&list(1, &[0x12, 1, b'x', 0x0a, 0])]),
        (Vec::new(), Vec::new())
    );
}

#[test]
fn requests_that_are_cut_short_are_refused() {
    let message = b"\x0a\x03\x0a\x01m\x12\x06\x0a\x04\x0a\x02\x0a\x00";
    let view = ExamplesRequestView::read(message).expect("valid");
    assert_eq!(
        (view.model_spec.map(|spec| spec.name), view.input.len()),
        (Some("m"), 1)
    );
    let tasks = b"\x0a\x08\x0a\x03\x0a\x01m\x12\x01c\x12\x06\x0a\x04\x0a\x02\x0a\x00";
    let view = MultiInferenceRequestView::read(tasks).expect("valid");
    assert_eq!((view.tasks[0].method_name, view.input.len()), ("c", 1));
    for cut in [1, 3, 6, 7, 9, message.len() - 1] {
        assert!(ExamplesRequestView::read(&message[..cut]).is_err(), "{cut}");
        assert!(
            MultiInferenceRequestView::read(&tasks[..cut]).is_err(),
            "{cut}"
        );
    }
}
