"""What becomes of a configuration of TensorFlow Serving: settings, and remarks on everything that is not the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from turnout.config.schema import ModelTableSchema, Schema, check
from turnout.errors import ConfigError
from turnout.text_proto.schema import Record, Value

SettingValue: TypeAlias = "bool | int | str | list[int] | list[str] | dict[str, int]"

Kind: TypeAlias = Literal["changed", "ignored", "not_yet", "left_out"]
"""`changed`: it means something else now. `ignored`: nothing is lost by leaving it away. `not_yet`: it has no
counterpart. `left_out`: its value is one that Turnout cannot have."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a field of a file that a person should know.

    Attributes:
        file: the file.
        line: the line on which the field stands.
        field: the field and its value, as they stand there; without the value where that is a secret.
        kind: what became of it.
        text: what that means, in words.
    """

    file: str
    line: int
    field: str
    kind: Kind
    text: str

    def __str__(self) -> str:
        words = self.kind.replace("_", " ")
        return f"{Path(self.file).name}:{self.line} `{self.field}` {words}: {self.text}"


@dataclass(slots=True)
class Table:
    """One table of `turnout.toml`: settings by name, and remarks that stand above them."""

    settings: dict[str, SettingValue] = field(default_factory=dict[str, SettingValue])
    remarks: list[Remark] = field(default_factory=list[Remark])


@dataclass(slots=True)
class Outcome:
    """A whole `turnout.toml`.

    Attributes:
        server: what stands at the top.
        models: the tables `[models.NAME]`, by name.
    """

    server: Table = field(default_factory=Table)
    models: dict[str, Table] = field(default_factory=dict[str, Table])

    @property
    def remarks(self) -> list[Remark]:
        """All remarks, those on the server first."""
        return [remark for table in (self.server, *self.models.values()) for remark in table.remarks]


@dataclass(frozen=True, slots=True)
class Reading:
    """One message of a file, and the table that gets what it says."""

    file: str
    record: Record
    table: Table

    def within(self, name: str) -> "Reading":
        """Returns the same for a message inside; one without fields where it was not set."""
        return Reading(self.file, self.record.record(name) or Record(self.record.message), self.table)

    def remark(self, name: str, kind: Kind, text: str, *, is_secret: bool = False, value: object = None) -> None:
        """Adds a remark on a field that was set."""
        shown = self.record.values.get(name) if value is None else value
        said = name if is_secret or isinstance(shown, Record) else f"{name}: {_shown(shown)}"
        self.table.remarks.append(Remark(self.file, self.record.lines[name], said, kind, text))

    def remark_leaves(
        self, name: str, kind: Kind, text: str, known: Mapping[str, tuple[Kind, str]] | None = None
    ) -> None:
        """Adds a remark on every field that was set inside of a field, at any depth.

        Args:
            name: the field.
            kind: what became of what is inside.
            text: what that means.
            known: both for fields of which more is known, by path.
        """
        for path, line, value in _leaves(self.record, name):
            said = path if value is None else f"{path}: {_shown(value)}"
            self.table.remarks.append(Remark(self.file, line, said, *(known or {}).get(path, (kind, text))))


def set_if_possible(table: Table, schema: type[Schema], name: str, value: SettingValue) -> str | None:
    """Sets a setting, or returns why Turnout cannot have that value."""
    try:
        check(schema, {name: value}, {name: "the file"}, strict=True)
    except ConfigError as error:
        return error.message.partition("is not valid: ")[2]
    table.settings[name] = value
    return None


def largest_model_setting(name: str) -> int:
    """Returns the bound of a model's setting."""
    options: Sequence[Mapping[str, Any]] = ModelTableSchema.model_json_schema()["properties"][name]["anyOf"]
    return int(options[0]["maximum"])


def _leaves(record: Record, name: str, prefix: str = "") -> "list[tuple[str, int, Value | None]]":
    """Returns everything that was set in a field: its path, its line and its value.

    A message without fields counts as set, without a value.
    """
    value, line, path = record.values[name], record.lines[name], f"{prefix}{name}"
    if isinstance(value, Record):
        inner = [leaf for each in value.values for leaf in _leaves(value, each, f"{path}.")]
        return inner or [(path, line, None)]
    if isinstance(value, list | dict):
        items = value.values() if isinstance(value, dict) else value
        records = [item for item in items if isinstance(item, Record)]
        if records:
            return [leaf for item in records for each in item.values for leaf in _leaves(item, each, f"{path}.")]
    return [(path, line, value)]


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
