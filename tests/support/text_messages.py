"""Messages of TensorFlow Serving's configuration files with any content, for property tests."""

from typing import Any

from hypothesis import strategies as st

from tests.support.text_protos import class_of, made_class, published_class
from turnout.text_proto.schema import AnyOf, EnumType, Field, FieldType, MapOf, Message
from turnout.text_proto.session_config import CONFIG_PROTO
from turnout.tf_serving import messages

FILES = {
    message.name: message
    for message in (
        messages.MODEL_SERVER_CONFIG,
        messages.BATCHING_PARAMETERS,
        messages.MONITORING_CONFIG,
        messages.SSL_CONFIG,
        messages.PLATFORM_CONFIG_MAP,
        CONFIG_PROTO,
    )
}
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=12),
    "bool": st.booleans(),
    "double": st.floats(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
}


@st.composite
def printable(draw: st.DrawFn) -> tuple[Message, Any]:
    """A message of the schema, and one of protobuf's with any content."""
    message = FILES[draw(st.sampled_from(sorted(FILES)))]
    proto = published_class()() if message is messages.MODEL_SERVER_CONFIG else made_class(message)()
    fill(draw, message, proto)
    return message, proto


def fill(draw: st.DrawFn, message: Message, proto: Any) -> None:
    """Sets any of the fields."""
    oneofs = {field.oneof: draw(st.sampled_from([*options(message, field.oneof), None])) for field in message.fields}
    for field in message.fields:
        if field.refusal is not None or (field.oneof is not None and oneofs[field.oneof] is not field):
            continue
        if isinstance(field.type, MapOf):
            for _ in range(draw(st.integers(0, 2))):
                fill_entry(draw, field.type, getattr(proto, field.name))
        elif field.repeated:
            for _ in range(draw(st.integers(0, 3))):
                add_one(draw, field.type, getattr(proto, field.name))
        elif draw(st.booleans()):
            set_one(draw, field, proto)


def options(message: Message, oneof: str | None) -> list[Field]:
    return [field for field in message.fields if field.oneof == oneof and field.refusal is None]


def fill_entry(draw: st.DrawFn, kind: MapOf, entries: Any) -> None:
    key, value = draw(SCALARS["string"]), kind.entry.fields[1].type
    if isinstance(value, Message):
        fill(draw, value, entries[key])
    else:
        entries[key] = draw(scalar(value))


def add_one(draw: st.DrawFn, kind: FieldType, items: Any) -> None:
    if isinstance(kind, Message):
        fill(draw, kind, items.add())
    else:
        items.append(draw(scalar(kind)))


def set_one(draw: st.DrawFn, field: Field, proto: Any) -> None:
    kind = field.type
    if isinstance(kind, Message):
        getattr(proto, field.name).SetInParent()
        fill(draw, kind, getattr(proto, field.name))
    elif isinstance(kind, AnyOf):
        name = draw(st.sampled_from(sorted(kind.messages)))
        inner = class_of(proto.DESCRIPTOR.file.pool, name)()
        fill(draw, kind.messages[name], inner)
        getattr(proto, field.name).Pack(inner)
    else:
        setattr(proto, field.name, draw(scalar(kind)))


def scalar(kind: FieldType) -> st.SearchStrategy[Any]:
    if isinstance(kind, EnumType):
        return st.sampled_from(sorted(kind.numbers.values())) | SCALARS["int32"]
    assert isinstance(kind, str)
    return SCALARS[kind]
