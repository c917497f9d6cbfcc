"""Protobuf's own classes for the schema of TensorFlow Serving's configuration files, and their content as plain values.

The package `tensorflow-serving-api` has classes for the models' file alone; those of the others are made here from
Turnout's schema, so that protobuf can say whether its text format is read rightly.
"""

import functools
import importlib
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from tests.support.serving_stubs import serving_stubs
from turnout.text_proto.schema import AnyOf, EnumType, Field, FieldType, MapOf, Message, Record, Value

PACKAGE = "tensorflow.serving"
_TYPES = {"double": 1, "int64": 3, "uint64": 4, "int32": 5, "bool": 8, "string": 9, "uint32": 13}
_MESSAGE, _ENUM, _ONE, _REPEATED = 11, 14, 1, 3


@functools.cache
def published_class() -> Any:
    """`ModelServerConfig` as TensorFlow Serving publishes it."""
    serving_stubs()
    return importlib.import_module("tensorflow_serving.config.model_server_config_pb2").ModelServerConfig


@functools.cache
def made_class(message: Message) -> Any:
    """The class of a message of the schema."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="made.proto", package=PACKAGE, syntax="proto3", dependency=[any_pb2.DESCRIPTOR.name]
    )
    _add(file, message)
    pool.AddSerializedFile(file.SerializeToString())
    return class_of(pool, f"{PACKAGE}.{message.name}")


def class_of(pool: Any, name: str) -> Any:
    """The class of a message by its full name."""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _add(file: Any, message: Message) -> None:
    if any(each.name == message.name for each in file.message_type):
        return
    made = file.message_type.add(name=message.name)
    for field in message.fields:
        added = made.field.add(name=field.name, number=field.number, label=_REPEATED if field.repeated else _ONE)
        if field.oneof is not None:
            names = [each.name for each in made.oneof_decl]
            if field.oneof not in names:
                made.oneof_decl.add(name=field.oneof)
            added.oneof_index = [each.name for each in made.oneof_decl].index(field.oneof)
        _set_type(file, made, added, field)


def _set_type(file: Any, made: Any, added: Any, field: Field) -> None:
    kind = field.type
    if isinstance(kind, AnyOf):
        added.type, added.type_name = _MESSAGE, ".google.protobuf.Any"
        for each in kind.messages.values():
            _add(file, each)
    elif isinstance(kind, MapOf):
        entry = made.nested_type.add(name=kind.entry.name)
        entry.options.map_entry = True
        for each in kind.entry.fields:
            _set_type(file, made, entry.field.add(name=each.name, number=each.number, label=_ONE), each)
        added.label, added.type = _REPEATED, _MESSAGE
        added.type_name = f".{file.package}.{made.name}.{kind.entry.name}"
    elif isinstance(kind, Message):
        _add(file, kind)
        added.type, added.type_name = _MESSAGE, f".{file.package}.{kind.name}"
    elif isinstance(kind, EnumType):
        if all(each.name != kind.name for each in made.enum_type):
            enum = made.enum_type.add(name=kind.name)
            for name, number in kind.numbers.items():
                enum.value.add(name=name, number=number)
        added.type, added.type_name = _ENUM, f".{file.package}.{made.name}.{kind.name}"
    else:
        added.type = _TYPES[kind]


def plain_record(record: Record) -> dict[str, Any]:
    """What a record holds, without what is as if it were not set."""
    content: dict[str, Any] = {}
    for name, value in record.values.items():
        field = record.message.find(name)
        assert field is not None
        if value or isinstance(value, Record):
            content[name] = _plain_value(value, field.type)
    return content


def _plain_value(value: Value, kind: FieldType) -> Any:
    if isinstance(value, Record):
        return plain_record(value)
    if isinstance(value, list):
        return [_plain_value(each, kind) for each in value]
    if isinstance(value, dict):
        return {key: _plain_value(each, kind) for key, each in value.items()}
    return repr(value)


def plain_proto(proto: Any) -> dict[str, Any]:
    """The same of protobuf's own message; what an `Any` holds stands in its place."""
    content: dict[str, Any] = {}
    for field, value in proto.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            content[field.name] = {key: _plain(each) for key, each in value.items()}
        elif field.is_repeated:
            content[field.name] = [_plain(each) for each in value]
        elif value or field.message_type is not None:
            content[field.name] = _plain(value)
    return content


def _plain(value: Any) -> Any:
    if not hasattr(value, "ListFields"):
        return repr(value)
    if value.DESCRIPTOR.full_name != "google.protobuf.Any":
        return plain_proto(value)
    inner = class_of(value.DESCRIPTOR.file.pool, value.type_url.rpartition("/")[2])()
    value.Unpack(inner)
    return plain_proto(inner)
