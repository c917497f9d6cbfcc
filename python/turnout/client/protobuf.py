"""Just enough of the protobuf wire format for the small messages of the model and health services.

Source: the encoding chapter of the Protocol Buffers documentation: a message is a run of (tag, value) pairs, where a
tag is `number << 3 | wire type`. Tensors do not pass through here: the data plane reads and writes those.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

from turnout.errors import InternalError

Fields: TypeAlias = dict[int, list[int | bytes]]
"""The values of one message by field number, in the order of the wire."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_SIGN_BIT = 1 << 63


def write_varint(value: int) -> bytes:
    """Encodes a non-negative integer."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def write_integer(number: int, value: int) -> bytes:
    """Encodes one integer field."""
    return write_varint(number << 3 | _VARINT) + write_varint(value)


def write_bytes(number: int, value: bytes) -> bytes:
    """Encodes one field of text, bytes or a message."""
    return write_varint(number << 3 | _BYTES) + write_varint(len(value)) + value


def read_fields(message: bytes) -> Fields:
    """Splits a message into its fields.

    Raises:
        InternalError: the message is cut short or holds an unknown wire type.
    """
    fields: Fields = defaultdict(list)
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        value, position = _read_value(message, position, tag & 7)
        fields[tag >> 3].append(value)
    return fields


def text(fields: Fields, number: int) -> str:
    """Returns a text field; empty where it is absent."""
    return payload(fields, number).decode("utf-8", "replace")


def payload(fields: Fields, number: int) -> bytes:
    """Returns a field of bytes or a message; empty where it is absent."""
    value = fields[number][-1] if fields.get(number) else b""
    return value if isinstance(value, bytes) else b""


def payloads(fields: Fields, number: int) -> Sequence[bytes]:
    """Returns a repeated field of bytes or messages."""
    return [value for value in fields.get(number, ()) if isinstance(value, bytes)]


def integer(fields: Fields, number: int) -> int:
    """Returns an int64 field; 0 where it is absent."""
    value = fields[number][-1] if fields.get(number) else 0
    if isinstance(value, bytes):
        return 0
    return value - (1 << 64) if value & _SIGN_BIT else value


def text_map(fields: Fields, number: int) -> dict[str, bytes]:
    """Returns a `map<string, message>` field as undecoded messages by key."""
    entries = [read_fields(entry) for entry in payloads(fields, number)]
    return {text(entry, 1): payload(entry, 2) for entry in entries}


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        group = message[position]
        position += 1
        value |= (group & 0x7F) << shift
        if group < 0x80:
            return value, position
    raise _unreadable(position)


def _read_value(message: bytes, position: int, wire_type: int) -> tuple[int | bytes, int]:
    if wire_type == _VARINT:
        return _read_varint(message, position)
    if wire_type == _BYTES:
        length, position = _read_varint(message, position)
    else:
        length = _FIXED_BYTES.get(wire_type, len(message) + 1)
    end = position + length
    if end > len(message):
        raise _unreadable(position)
    return message[position:end], end


def _unreadable(position: int) -> InternalError:
    return InternalError(f"the server's answer is not a readable message, at byte: {position}")
