import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.client import protobuf
from turnout.errors import InternalError


@given(st.integers(0, 2**63 - 1), st.binary(max_size=300), st.integers(1, 2**20))
def test_what_is_written_is_read(value: int, data: bytes, number: int) -> None:
    fields = protobuf.read_fields(protobuf.write_integer(number, value) + protobuf.write_bytes(number + 1, data))
    assert protobuf.integer(fields, number) == value
    assert protobuf.payload(fields, number + 1) == data


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(InternalError):
        protobuf.read_fields(data)


def test_negative_integers_come_as_two_s_complement() -> None:
    fields = protobuf.read_fields(b"\x08" + b"\xff" * 9 + b"\x01")
    assert protobuf.integer(fields, 1) == -1


def test_absent_fields_are_empty() -> None:
    fields = protobuf.read_fields(b"")
    assert (protobuf.integer(fields, 1), protobuf.text(fields, 1), protobuf.text_map(fields, 1)) == (0, "", {})


@pytest.mark.parametrize(
    "data", [b"\x08", b"\x0a\x05ab", b"\x0b", b"\xff" * 11], ids=["cut", "short", "type", "varint"]
)
def test_unreadable_messages_are_refused(data: bytes) -> None:
    with pytest.raises(InternalError):
        protobuf.read_fields(data)


def test_maps_are_pairs_of_key_and_message() -> None:
    entry = protobuf.write_bytes(1, b"key") + protobuf.write_bytes(2, b"value")
    assert protobuf.text_map(protobuf.read_fields(protobuf.write_bytes(3, entry)), 3) == {"key": b"value"}
