"""The bytes on the wire of a message that was read. Source: Protocol Buffers, "Encoding"."""

import struct
from collections.abc import Iterator
from typing import cast

from turnout.text_proto.schema import AnyOf, Field, FieldType, MapOf, Message, Record, Value

_VARINT, _FIXED_64, _BYTES = 0, 1, 2
_MASK_64 = 2**64 - 1


def serialize(record: Record) -> bytes:
    """Returns a message's bytes; every field that was set is written, also one that was set to its default.

    So the bytes of two messages after each other are one message, of which the second wins.
    """
    parts: list[bytes] = []
    for name, value in record.values.items():
        field = record.message.find(name)
        assert field is not None, "bug: a field that its message does not have"
        parts += [_written(field, each) for each in _items(field, value)]
    return b"".join(parts)


def _items(field: Field, value: Value) -> Iterator[Value]:
    if isinstance(field.type, MapOf):
        entries = cast("dict[str, Value]", value)
        for key, item in entries.items():
            yield Record(field.type.entry, {"key": key, "value": item})
    elif field.repeated:
        yield from cast("list[Value]", value)
    else:
        yield value


def _written(field: Field, value: Value) -> bytes:
    wire_type, payload = _payload(field.type, value)
    return _varint(field.number << 3 | wire_type) + payload


def _payload(kind: FieldType, value: Value) -> tuple[int, bytes]:
    assert not isinstance(kind, AnyOf), "bug: no message that is written has a field of type `Any`"
    if isinstance(kind, Message | MapOf):
        return _BYTES, _with_length(serialize(cast("Record", value)))
    if kind == "string":
        return _BYTES, _with_length(cast("str", value).encode())
    if kind == "double":
        return _FIXED_64, struct.pack("<d", cast("float", value))
    return _VARINT, _varint(int(cast("int", value)) & _MASK_64)


def _with_length(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    groups = [number >> shift & 0x7F for shift in range(0, max(1, number.bit_length()), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])
