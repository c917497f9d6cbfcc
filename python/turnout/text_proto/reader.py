"""Reads messages in protobuf's text format.

Source: the Text Format Language Specification of Protocol Buffers. As in the reader in C++, which upstream has, a sign
`+` is no part of a number, a field that is not repeated stands once, and only one field of a `oneof` is set. Unlike
there, an escape that stands for no character is refused, and so is text that is not UTF-8.
"""

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from turnout.errors import ConfigError, TurnoutError
from turnout.text_proto.literals import parse_double, parse_integer, unescape
from turnout.text_proto.schema import AnyOf, EnumType, Field, FieldType, MapOf, Message, Record, Value
from turnout.text_proto.tokens import Token, Tokens

MAX_FILE_BYTES = 4 * 1024 * 1024
"""More is taken for a mistake; a file of ten thousand models is smaller."""

MAX_NAME_LENGTH = 256
"""Characters of the name of a type, and of a misspelt name for which a better one is looked for."""

_INTEGER_BITS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "uint32": (0, 2**32 - 1)}
_INTEGER_BOUNDS = {**_INTEGER_BITS, "uint64": (0, 2**64 - 1)}
_BOOLEANS = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}
_SPECIAL_DOUBLES = {"inf": "inf", "infinity": "inf", "nan": "nan"}


def read_message(path: Path, message: Message) -> Record:
    """Reads a file that holds one message.

    Raises:
        ConfigError: it cannot be read, or is wrong at the place that the error names.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"`{path}` cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"`{path}` cannot be read: it is not UTF-8 from byte {error.start} on") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"`{path}` is too large: expected at most {MAX_FILE_BYTES} bytes")
    return parse_message(text, message, str(path))


def parse_message(text: str, message: Message, file: str) -> Record:
    """Reads one message.

    Args:
        text: the text format.
        message: what to expect.
        file: the name of the file, for messages.

    Raises:
        ConfigError: the text is wrong; `context` has `file`, `line`, `column` and `message`.
    """
    try:
        return _Reader(Tokens(text, file)).message(message, closer="")
    except ConfigError as error:
        error.context["message"] = message.name
        raise


def parse_failure(error: TurnoutError) -> str | None:
    """Returns the lines that upstream prints for a file that cannot be read, which scripts look for.

    None where the error is about something else.
    """
    about = error.context
    if not {"file", "line", "column", "message"} <= set(about):
        return None
    place = f"{about['line']}:{about['column']}: {error.message.partition(': ')[2]}"
    text = f"Error parsing text-format tensorflow.serving.{about['message']}: {place}"
    return f"{text}\nInvalid protobuf file: '{about['file']}'"


class _Reader:
    """Descends into messages no deeper than the schema does, since a field that it does not have is an error."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def message(self, message: Message, closer: str) -> Record:
        """Reads fields up to the closing bracket, or to the end of the file where there is none."""
        values, lines = dict[str, Value](), dict[str, int]()
        while not self._is_over(closer):
            token = self._tokens.current
            field = self._field(message, closer)
            self._check_once(field, message, values, token)
            lines.setdefault(field.name, token.line)
            self._value_of(field, values)
            self._tokens.take_symbol(",;")
        return Record(message, values, lines)

    def _is_over(self, closer: str) -> bool:
        if closer:
            return bool(self._tokens.take_symbol(closer))
        return self._tokens.current.kind == "end"

    def _field(self, message: Message, closer: str) -> Field:
        end = f"`{closer}`" if closer else "the end of the file"
        token = self._tokens.current
        if token.kind != "name":
            self._tokens.refuse(f"a field of `{message.name}` or {end}", token)
        field = message.find(token.text)
        if field is None:
            names = [each.name for each in message.fields]
            close = get_close_matches(token.text[:MAX_NAME_LENGTH], names, n=1)
            listed = ", ".join(f"`{name}`" for name in names) or "it has none"
            hint = f"Did you mean `{close[0]}`?" if close else f"Its fields: {listed}."
            self._tokens.refuse(f"a field of `{message.name}`", token, hint=hint)
        if field.refusal is not None:
            text = f"the field `{field.name}` is not supported: {field.refusal}"
            self._tokens.fail(text, token.line, token.column)
        self._tokens.take()
        return field

    def _check_once(self, field: Field, message: Message, values: dict[str, Value], token: Token) -> None:
        if field.repeated or isinstance(field.type, MapOf):
            return
        # Proto3 does not know whether a number that is zero was set; a message is known to be.
        if field.name in values and (values[field.name] or isinstance(values[field.name], Record)):
            self._tokens.refuse(f"the field `{field.name}` once", token)
        other = next((each for each in message.fields if each.oneof == field.oneof and each.name in values), None)
        if field.oneof is not None and other is not None:
            self._tokens.refuse(f"only one of `{other.name}` and `{field.name}`", token)

    def _value_of(self, field: Field, values: dict[str, Value]) -> None:
        has_colon = bool(self._tokens.take_symbol(":"))
        if not has_colon and not isinstance(field.type, Message | MapOf | AnyOf):
            self._tokens.refuse(f"`:` after `{field.name}`")
        if isinstance(field.type, MapOf):
            entries = values.setdefault(field.name, {})
            assert isinstance(entries, dict), "bug: a map that is none"
            for entry in self._list_or_one(field.name, field.type.entry):
                assert isinstance(entry, Record), "bug: an entry that is no message"
                value_field = field.type.entry.fields[1]
                entries[entry.text("key")] = entry.values.get("value", _default(value_field.type))
        elif field.repeated:
            items = values.setdefault(field.name, [])
            assert isinstance(items, list), "bug: a repeated field that is no list"
            items.extend(self._list_or_one(field.name, field.type))
        else:
            values[field.name] = self._value(field.name, field.type)

    def _list_or_one(self, name: str, kind: FieldType) -> list[Value]:
        if not self._tokens.take_symbol("["):
            return [self._value(name, kind)]
        if self._tokens.take_symbol("]"):
            return []
        items = [self._value(name, kind)]
        while not self._tokens.take_symbol("]"):
            if not self._tokens.take_symbol(","):
                self._tokens.refuse(f"`,` or `]` in the list `{name}`")
            items.append(self._value(name, kind))
        return items

    def _value(self, name: str, kind: FieldType) -> Value:
        if isinstance(kind, Message):
            return self.message(kind, self._opened(name))
        if isinstance(kind, AnyOf):
            return self._any(name, kind)
        if isinstance(kind, EnumType):
            return self._enum(name, kind)
        if kind == "string":
            return self._text(name)
        if kind == "bool":
            return self._boolean(name)
        if kind == "double":
            return self._double(name)
        assert not isinstance(kind, MapOf), "bug: a map of maps"
        return self._integer(name, kind)

    def _opened(self, name: str) -> str:
        opener = self._tokens.take_symbol("{<")
        if not opener:
            self._tokens.refuse(f"`{{` or `<` after `{name}`")
        return {"{": "}", "<": ">"}[opener]

    def _any(self, name: str, any_of: AnyOf) -> Record:
        """Reads `{ [DOMAIN/PACKAGE.NAME] { … } }`."""
        closer = self._opened(name)
        token = self._tokens.current
        known = ", ".join(f"`[type.googleapis.com/{each}]`" for each in any_of.messages)
        if not self._tokens.take_symbol("["):
            self._tokens.refuse(f"the type of what `{name}` holds: {known}", token)
        url = ""
        while not self._tokens.take_symbol("]"):
            part = self._tokens.current
            is_part = part.kind in {"name", "number"} or part.text in {"/", ".", "-"}
            if not is_part or len(url) > MAX_NAME_LENGTH:
                self._tokens.refuse("`]` after the name of a type", part)
            url += self._tokens.take().text
        message = any_of.messages.get(url.rpartition("/")[2])
        if message is None:
            text = f"expected the type of what `{name}` holds, one of {known}; got `[{url}]`"
            self._tokens.fail(text, token.line, token.column)
        self._tokens.take_symbol(":")
        record = self.message(message, self._opened(message.name))
        self._tokens.take_symbol(",;")
        if not self._tokens.take_symbol(closer):
            self._tokens.refuse(f"`{closer}`, since `{name}` holds one message")
        return record

    def _enum(self, name: str, enum: EnumType) -> int:
        token = self._tokens.current
        if token.kind == "name" and token.text in enum.numbers:
            return enum.numbers[self._tokens.take().text]
        if token.kind == "name":
            close = get_close_matches(token.text[:MAX_NAME_LENGTH], enum.numbers, n=1)
            hint = f"Did you mean `{close[0]}`?" if close else None
            self._tokens.refuse(f"one of {', '.join(f'`{each}`' for each in enum.numbers)}", token, hint=hint)
        return self._integer(name, "int32")

    def _integer(self, name: str, kind: str) -> int:
        sign = -1 if self._tokens.take_symbol("-") else 1
        token = self._tokens.current
        number = parse_integer(token.text) if token.kind == "number" else None
        if number is None:
            self._tokens.refuse(f"an integer for `{name}`", token)
        self._tokens.take()
        low, high = _INTEGER_BOUNDS[kind]
        if not low <= sign * number <= high:
            got = token if sign > 0 else replace(token, text=f"-{token.text}")
            self._tokens.refuse(f"`{name}` from {low} to {high}", got)
        return sign * number

    def _double(self, name: str) -> float:
        sign = -1.0 if self._tokens.take_symbol("-") else 1.0
        token = self._tokens.current
        number = parse_double(token.text) if token.kind == "number" else None
        if token.kind == "name" and token.text.lower() in _SPECIAL_DOUBLES:
            number = float(_SPECIAL_DOUBLES[token.text.lower()])
        if number is None:
            self._tokens.refuse(f"a number for `{name}`", token)
        self._tokens.take()
        return sign * number

    def _boolean(self, name: str) -> bool:
        token = self._tokens.current
        meant = _BOOLEANS.get(token.text)
        if token.kind == "number":
            meant = {0: False, 1: True}.get(-1 if (number := parse_integer(token.text)) is None else number)
        if meant is None:
            self._tokens.refuse(f"`true` or `false` for `{name}`", token)
        self._tokens.take()
        return meant

    def _text(self, name: str) -> str:
        first = self._tokens.current
        if first.kind != "string":
            self._tokens.refuse(f"a text in quotes for `{name}`", first)
        parts: list[bytes] = []
        while self._tokens.current.kind == "string":
            token = self._tokens.take()
            part = unescape(token.text)
            if isinstance(part, str):
                text = f"expected an escape that text can have, got `{part}`"
                self._tokens.fail(text, token.line, token.column, hint=r"A backslash itself is written `\\`.")
            parts.append(part)
        try:
            return b"".join(parts).decode()
        except UnicodeDecodeError:
            self._tokens.fail(f"the text of `{name}` is not UTF-8", first.line, first.column)


def _default(kind: FieldType) -> Value:
    """Returns what a field holds that was not set, in an entry of a map."""
    if isinstance(kind, Message):
        return Record(kind)
    return "" if kind == "string" else 0
