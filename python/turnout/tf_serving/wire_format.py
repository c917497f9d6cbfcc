"""Reads messages in protobuf's binary form, by the same schema as the text format."""

import struct

from turnout.client import protobuf
from turnout.errors import InternalError, MalformedRequestError
from turnout.text_proto.schema import AnyOf, EnumType, Field, MapOf, Message, Record, Value

_SIGNED = {"int32", "int64"}
_NARROW_BITS = {"int32": 32, "uint32": 32}


def decode_message(data: bytes, message: Message) -> Record:
    """Reads one message; fields that the schema does not have are passed over.

    Raises:
        MalformedRequestError: it is not such a message, or has a field that is not supported here.
    """
    try:
        return _decode(data, message)
    except (InternalError, UnicodeDecodeError, struct.error) as error:
        raise MalformedRequestError(f"the message is not a readable `{message.name}`") from error


def _decode(data: bytes, message: Message) -> Record:
    values: dict[str, Value] = {}
    for number, found in protobuf.read_fields(data).items():
        field = next((each for each in message.fields if each.number == number), None)
        if field is None:
            continue
        if field.refusal is not None:
            raise MalformedRequestError(f"the field `{field.name}` is not supported: {field.refusal}")
        if isinstance(field.type, MapOf):
            entries = [_decode(_payload(each), field.type.entry) for each in found]
            values[field.name] = {entry.text("key"): entry.values.get("value", 0) for entry in entries}
        elif field.repeated:
            values[field.name] = [item for each in found for item in _items(each, field)]
        elif isinstance(field.type, Message):
            # Parts of one message that came apart are one message.
            values[field.name] = _decode(b"".join(_payload(each) for each in found), field.type)
        else:
            values[field.name] = _scalar(found[-1], field)
    return Record(message, values, dict.fromkeys(values, 0))


def _items(value: int | bytes, field: Field) -> list[Value]:
    """Numbers may stand packed in one value."""
    if isinstance(field.type, Message):
        return [_decode(_payload(value), field.type)]
    if isinstance(value, int) or field.type == "string":
        return [_scalar(value, field)]
    packed = protobuf.read_fields(b"".join(b"\x08" + part for part in _varints(value)))
    return [_scalar(each, field) for each in packed.get(1, [])]


def _varints(data: bytes) -> list[bytes]:
    parts: list[bytes] = []
    begin = 0
    for position, byte in enumerate(data):
        if byte < 0x80:
            parts.append(data[begin : position + 1])
            begin = position + 1
    return [*parts, data[begin:]] if begin < len(data) else parts


def _scalar(value: int | bytes, field: Field) -> Value:
    kind = field.type
    if isinstance(kind, AnyOf | MapOf | Message):
        raise MalformedRequestError(f"the field `{field.name}` is not supported")
    if kind == "string":
        return _payload(value).decode()
    if kind == "double":
        (number,) = struct.unpack("<d", _payload(value))
        return float(number)
    if isinstance(value, bytes):
        raise MalformedRequestError(f"the field `{field.name}` is of another type")
    if kind == "bool":
        return bool(value)
    name = "int32" if isinstance(kind, EnumType) else kind
    bits = _NARROW_BITS.get(name, 64)
    number = value & ((1 << bits) - 1)
    return number - (1 << bits) if name in _SIGNED and number >> (bits - 1) else number


def _payload(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise MalformedRequestError("a field is of another type")
    return value
