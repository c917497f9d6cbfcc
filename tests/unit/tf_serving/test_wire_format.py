"""The binary form of `ModelServerConfig`, judged by TensorFlow Serving's own class."""

import pytest
from google.protobuf import text_format

from tests.support.text_protos import published_class
from turnout.errors import MalformedRequestError
from turnout.text_proto.reader import parse_message
from turnout.text_proto.schema import Field, Message, Record
from turnout.tf_serving import messages
from turnout.tf_serving.wire_format import decode_message

TEXTS = (
    "",
    "model_config_list { }",
    "model_config_list { config { name: 'm' base_path: '/m' model_platform: 'tensorflow' } config { } }",
    "model_config_list { config { name: 'é' model_type: TENSORFLOW model_version_policy { all { } } } }",
    "model_config_list { config { model_version_policy { latest { num_versions: 4294967295 } } } }",
    "model_config_list { config { model_version_policy { specific { versions: [1, -1, 9223372036854775807] } } } }",
    "model_config_list { config { version_labels { key: 'a' value: 1 } version_labels { key: 'b' value: 300 } } }",
    "model_config_list { config { logging_config { sampling_config { sampling_rate: 0.25 attributes: -3 } } } }",
)


def plain(record: Record) -> object:
    return {
        name: [plain(each) if isinstance(each, Record) else each for each in value]
        if isinstance(value, list)
        else plain(value)
        if isinstance(value, Record)
        else value
        for name, value in record.values.items()
    }


@pytest.mark.parametrize("text", TEXTS)
def test_it_says_what_the_text_says(text: str) -> None:
    message = text_format.Parse(text, published_class()())
    decoded = decode_message(message.SerializeToString(), messages.MODEL_SERVER_CONFIG)
    assert plain(decoded) == plain(parse_message(text, messages.MODEL_SERVER_CONFIG, "text"))


def test_numbers_may_stand_apart_or_packed() -> None:
    kind = Message("M", (Field(1, "n", "int64", repeated=True), Field(2, "u", "uint32"), Field(3, "b", "bool")))
    assert decode_message(b"\x08\x01\x0a\x03\x02\xac\x02\x08\x05", kind).integers("n") == [1, 2, 300, 5]
    assert decode_message(b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x18\x01", kind).integer("u") == 2**32 - 1
    assert decode_message(b"\x28\x07", kind).values == {}, "what is not known is passed over"


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x08\x01",
        b"\x0a\x04\x0a\x02\x0a\x09",
        b"\x0f",
        b"\x12\x00",
        b"\x0a\x05\x0a\x03\x0a\x01\xff",
    ],
)
def test_what_is_no_such_message_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        decode_message(data, messages.MODEL_SERVER_CONFIG)
