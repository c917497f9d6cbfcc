"""Reads the command line of `tensorflow_model_server` as upstream does: `--flag=value`, and a bare `--flag` is true."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from turnout.errors import ConfigError
from turnout.tf_serving.flags import FLAGS, Flag, FlagKind, FlagValue, find_flag

_BOUNDS: Mapping[FlagKind, int] = {"int32": 2**31, "int64": 2**63}
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command line that was read.

    Attributes:
        given: the flags that stand on it; of several of one name the last.
        unknown: the words that are no flag, and flags whose value does not stand behind a `=`.
        wants_help: whether `--help` is among them.
    """

    given: Mapping[str, FlagValue] = field(default_factory=dict[str, FlagValue])
    unknown: tuple[str, ...] = ()
    wants_help: bool = False

    def text(self, name: str) -> str:
        """Returns a flag that holds text, or its default."""
        return str(self._value(name))

    def integer(self, name: str) -> int:
        """Returns a flag that holds an integer, or its default; 0 where the machine decides."""
        return int(self._value(name))

    def flag(self, name: str) -> bool:
        """Returns a flag that holds a boolean, or its default."""
        return bool(self._value(name))

    def is_changed(self, name: str) -> bool:
        """Returns whether a flag was given another value than its default."""
        flag = find_flag(name)
        return flag is not None and name in self.given and self.given[name] != flag.default

    def _value(self, name: str) -> FlagValue:
        flag = find_flag(name)
        assert flag is not None, f"bug: there is no flag `{name}`"
        value = self.given.get(name, flag.default)
        return 0 if value is None else value


def parse_arguments(words: Sequence[str]) -> Arguments:
    """Reads a command line.

    Args:
        words: without the program's name.

    Raises:
        ConfigError: a flag has a value that it cannot have.
    """
    given: dict[str, FlagValue] = {}
    unknown: list[str] = []
    for word in words:
        name, equals, text = word.removeprefix("--").partition("=")
        flag = find_flag(name) if word.startswith("--") else None
        if flag is not None and equals:
            given[name] = _parse(flag, text)
        elif flag is not None and flag.kind == "bool":
            given[name] = True
        else:
            unknown.append(word)
    return Arguments(given, tuple(word for word in unknown if word != "--help"), "--help" in unknown)


def usage(program: str) -> str:
    """Returns what is printed where somebody asks, or got a flag wrong."""
    width = max(len(flag.name) for flag in FLAGS)
    lines = [f"  --{flag.name:<{width}}  {flag.kind:<6}  {flag.state}: {flag.text}" for flag in FLAGS]
    return "\n".join([f"usage: {program} [--flag=value …]", "Flags:", *lines])


def _parse(flag: Flag, text: str) -> FlagValue:
    if flag.kind == "string":
        return text
    value = _number(flag.kind, text) if flag.kind != "bool" else _BOOLEANS.get(text)
    if value is None:
        expected = {"bool": "`true` or `false`", "float": "a number"}.get(flag.kind, f"an integer ({flag.kind})")
        raise ConfigError(f"the flag `--{flag.name}` is not valid: expected {expected}, got `{text}`")
    return value


def _number(kind: FlagKind, text: str) -> float | int | None:
    if kind == "float":
        try:
            return float(text)
        except ValueError:
            return None
    number = int(text) if _INTEGER.fullmatch(text) else None
    return number if number is not None and -_BOUNDS[kind] <= number < _BOUNDS[kind] else None
