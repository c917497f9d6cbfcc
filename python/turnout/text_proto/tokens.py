"""Splits protobuf's text format into tokens, each with its place.

Source: the Text Format Language Specification of Protocol Buffers, "Lexical Elements".
"""

import re
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from turnout.errors import ConfigError

Kind: TypeAlias = Literal["name", "number", "string", "symbol", "end"]

_BLANK = re.compile(r"(?:[ \t\r\n\v\f]++|#[^\n]*+)*+")
_TOKEN = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    # All that hangs together is one token, right or wrong, so that an error shows the whole of it.
    r"|(?P<number>\.?[0-9](?:[eE][+-]|[A-Za-z0-9_.])*)"
    r"|(?P<string>\"(?:[^\"\\\n\0]++|\\[^\n\0])*+\"|'(?:[^'\\\n\0]++|\\[^\n\0])*+')"
    r"|(?P<symbol>[{}<>\[\]:;,./-])"
)
_MOST_SHOWN = 40
"""Longer tokens are not quoted in messages: what is long may be a private key."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: what it is.
        text: as it stands in the file; empty at the end.
        line: from 1.
        column: from 1, in characters.
    """

    kind: Kind
    text: str
    line: int
    column: int

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end of the file"
        if len(self.text) > _MOST_SHOWN:
            return f"a {self.kind} of {len(self.text)} characters"
        return f"`{self.text}`"


class Tokens:
    """The tokens of one file, one at a time.

    Attributes:
        current: the token that comes next.
    """

    def __init__(self, text: str, file: str) -> None:
        """Stands before the first token.

        Args:
            text: the whole file.
            file: its name, for messages.

        Raises:
            ConfigError: the first token cannot be read.
        """
        self._text = text
        self._file = file
        self._offset = 0
        self._line = 1
        self._line_start = 0
        self.current = self._read()

    def take(self) -> Token:
        """Returns the current token and goes to the next one.

        Raises:
            ConfigError: the next token cannot be read.
        """
        taken = self.current
        self.current = self._read()
        return taken

    def take_symbol(self, symbols: str) -> str:
        """Takes the current token if it is one of these characters; returns it, or nothing."""
        if self.current.kind == "symbol" and self.current.text in symbols:
            return self.take().text
        return ""

    def refuse(self, expected: str, token: Token | None = None, *, hint: str | None = None) -> NoReturn:
        """Says what should have stood in the place of a token, which is the current one if none is given."""
        got = token or self.current
        self.fail(f"expected {expected}, got {got}", got.line, got.column, hint=hint)

    def fail(self, message: str, line: int, column: int, *, hint: str | None = None) -> NoReturn:
        """Raises the error for a place."""
        place = {"file": self._file, "line": line, "column": column}
        raise ConfigError(f"`{self._file}`, line {line}, column {column}: {message}", hint=hint, **place)

    def _read(self) -> Token:
        blank = _BLANK.match(self._text, self._offset)
        self._go_to(blank.end() if blank else self._offset)
        line, column = self._line, self._offset - self._line_start + 1
        if self._offset == len(self._text):
            return Token("end", "", line, column)
        match = _TOKEN.match(self._text, self._offset)
        if match is None:
            self._refuse_character(line, column)
        self._offset = match.end()
        for kind in ("name", "number", "string", "symbol"):
            if match.lastgroup == kind:
                return Token(kind, match.group(), line, column)
        raise AssertionError("bug: a token of no kind")

    def _go_to(self, offset: int) -> None:
        """Moves on and counts the lines in between, so that each is counted once."""
        breaks = self._text.count("\n", self._offset, offset)
        if breaks:
            self._line += breaks
            self._line_start = self._text.rindex("\n", self._offset, offset) + 1
        self._offset = offset

    def _refuse_character(self, line: int, column: int) -> NoReturn:
        character = self._text[self._offset]
        if character in "\"'":
            hint = "A text ends on the line on which it begins; a line break in it is written `\\n`."
            self.fail(
                f"expected `{character}` at the end of the text, got the end of the line", line, column, hint=hint
            )
        self.fail(f"expected a field, a value or a bracket, got the character {character!r}", line, column)
