"""Strict reading of Turnout's own small JSON files: what is wrong is said with the file's path and the key."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn, cast

from turnout.errors import RepositoryError, TurnoutError
from turnout.types import JsonValue

MAX_JSON_BYTES = 16 * 1024 * 1024
"""Turnout writes kilobytes; a larger file is not one of its own."""

_REQUIRED: Final = object()


class Fields:
    """One JSON object whose keys are taken one by one; `close` refuses what nobody took."""

    def __init__(
        self, value: JsonValue, path: Path, error: type[TurnoutError] = RepositoryError, prefix: str = ""
    ) -> None:
        self._path = path
        self._error = error
        self._prefix = prefix
        self._known: list[str] = []
        if not isinstance(value, dict):
            self.fail("", "an object", value)
        self._values = value

    def fail(self, key: str, expected: str, got: JsonValue) -> NoReturn:
        """Raises the file's error for one key of this object; an empty key stands for the object itself."""
        full_key = f"{self._prefix}{key}".removesuffix(".")
        where = f"key `{full_key}` of " if full_key else ""
        raise self._error(f"{where}`{self._path}`: expected {expected}, got: {_excerpt(got)}")

    def _take(self, key: str, default: object = _REQUIRED) -> object:
        self._known.append(key)
        if key in self._values:
            return self._values[key]
        if default is _REQUIRED:
            raise self._error(f"key `{self._prefix}{key}` is missing in `{self._path}`")
        return default

    def _wrong(self, key: str, expected: str) -> NoReturn:
        self.fail(key, expected, self._values[key])

    def text(self, key: str) -> str:
        """Takes a text that is not empty."""
        value = self._take(key)
        return value if isinstance(value, str) and _is_text(value) else self._wrong(key, "text that is not empty")

    def optional_text(self, key: str) -> str | None:
        """Takes a text; None where it is null or absent."""
        return None if self._take(key, None) is None else self.text(key)

    def integer(self, key: str, minimum: int) -> int:
        """Takes an integer of at least `minimum`."""
        value = self._take(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= minimum:
            return value
        return self._wrong(key, f"an integer of at least {minimum}")

    def boolean(self, key: str) -> bool:
        """Takes `true` or `false`."""
        value = self._take(key)
        return value if isinstance(value, bool) else self._wrong(key, "`true` or `false`")

    def numbers(self, key: str) -> dict[str, float]:
        """Takes an object of numbers; empty where absent."""
        record = self.optional_object(key) or {}
        for name, value in record.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                self.fail(f"{key}.{name}", "a number", value)
        return cast("dict[str, float]", record)

    def optional_object(self, key: str) -> dict[str, JsonValue] | None:
        """Takes an object of any content; None where it is null or absent."""
        value = self._take(key, None)
        if value is None or isinstance(value, dict):
            return cast("dict[str, JsonValue] | None", value)
        return self._wrong(key, "an object")

    def array(self, key: str) -> list[JsonValue]:
        """Takes a list of any content."""
        value = self._take(key)
        return cast("list[JsonValue]", value) if isinstance(value, list) else self._wrong(key, "a list")

    def optional_array(self, key: str) -> list[JsonValue] | None:
        """Takes a list; None where it is null or absent."""
        return None if self._take(key, None) is None else self.array(key)

    def objects(self, key: str) -> list["Fields"]:
        """Takes a list of objects; empty where absent."""
        items = self.optional_array(key) or []
        prefixes = [f"{self._prefix}{key}[{index}]." for index in range(len(items))]
        return [Fields(item, self._path, self._error, prefix) for item, prefix in zip(items, prefixes, strict=True)]

    def optional_fields(self, key: str) -> "Fields | None":
        """Takes an object to be read strictly; None where it is null or absent."""
        record = self.optional_object(key)
        return None if record is None else Fields(record, self._path, self._error, f"{self._prefix}{key}.")

    def close(self) -> None:
        """Refuses keys that nobody took."""
        unknown = sorted(set(self._values) - set(self._known))
        if unknown:
            hint = f"Known keys: {', '.join(f'`{key}`' for key in self._known)}."
            raise self._error(f"unknown key in `{self._path}`: `{self._prefix}{unknown[0]}`", hint=hint)


def parse_fields(data: bytes, path: Path, error: type[TurnoutError] = RepositoryError) -> Fields:
    """Parses one strict JSON object: UTF-8, no NaN, of a sane size and depth.

    Raises:
        TurnoutError: of the class given, with the path.
    """
    if len(data) > MAX_JSON_BYTES:
        raise error(f"`{path}` is too large: expected at most {MAX_JSON_BYTES} bytes, got: {len(data)}")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as cause:
        raise error(f"`{path}` is not valid JSON: {cause}") from cause
    return Fields(value, path, error)


def _is_text(value: str) -> bool:
    """A lone surrogate, which JSON's escapes can spell, is no text and crosses no seam."""
    return bool(value) and not any("\ud800" <= character <= "\udfff" for character in value)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"number out of range: {text}")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"not a JSON value: {text}")


def _excerpt(value: JsonValue, limit: int = 80) -> str:
    text = json.dumps(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def dump_json(record: dict[str, JsonValue] | Sequence[JsonValue]) -> bytes:
    """Returns the text in which Turnout's own files are written, indented for people."""
    return (json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
