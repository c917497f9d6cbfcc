"""What a schema of messages is made of, and a message that was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

Scalar: TypeAlias = Literal["bool", "double", "int32", "int64", "string", "uint32", "uint64"]


@dataclass(frozen=True, slots=True, eq=False)
class EnumType:
    """An enumeration: its name, and the numbers by name."""

    name: str
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class MapOf:
    """A map from text; `entry` has a `key` and a `value`."""

    entry: "Message"


@dataclass(frozen=True, slots=True, eq=False)
class AnyOf:
    """A message of type `Any` that can hold one of these, by full name."""

    messages: Mapping[str, "Message"]


FieldType: TypeAlias = "Scalar | EnumType | Message | MapOf | AnyOf"


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of a message.

    Attributes:
        number: its number on the wire.
        name: its name.
        type: what it holds.
        repeated: whether it holds any number of them.
        oneof: the group of fields of which only one can be set.
        refusal: why the field cannot be given here, in words.
    """

    number: int
    name: str
    type: FieldType
    repeated: bool = False
    oneof: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A type of messages: its name without the package, and its fields. No message holds itself, at any depth."""

    name: str
    fields: tuple[Field, ...]

    def find(self, name: str) -> Field | None:
        """Returns the field of that name, or None."""
        return next((each for each in self.fields if each.name == name), None)


Value: TypeAlias = "bool | int | float | str | Record | list[Value] | dict[str, Value]"


@dataclass(frozen=True, slots=True)
class Record:
    """A message that was read. What was not set reads as protobuf has it: zero, empty, false, or None.

    Attributes:
        message: its type.
        values: what was set, by field.
        lines: for each field that was set, the line on which it first stands.
    """

    message: Message
    values: Mapping[str, Value] = field(default_factory=dict[str, Value])
    lines: Mapping[str, int] = field(default_factory=dict[str, int])

    def text(self, name: str) -> str:
        """Returns a field that holds text."""
        return str(self.values.get(name, ""))

    def integer(self, name: str) -> int:
        """Returns a field that holds an integer or one of an enumeration."""
        return cast("int", self.values.get(name, 0))

    def flag(self, name: str) -> bool:
        """Returns a field that holds a boolean."""
        return bool(self.values.get(name, False))

    def integers(self, name: str) -> list[int]:
        """Returns a field that holds integers."""
        return list(cast("Sequence[int]", self.values.get(name, ())))

    def texts(self, name: str) -> list[str]:
        """Returns a field that holds texts."""
        return list(cast("Sequence[str]", self.values.get(name, ())))

    def record(self, name: str) -> "Record | None":
        """Returns a field that holds a message."""
        return cast("Record | None", self.values.get(name))

    def records(self, name: str) -> "list[Record]":
        """Returns a field that holds messages."""
        return list(cast("Sequence[Record]", self.values.get(name, ())))

    def mapping(self, name: str) -> "dict[str, Value]":
        """Returns a field that holds a map."""
        return dict(cast("Mapping[str, Value]", self.values.get(name, {})))
