"""Writes `turnout.toml` with its remarks as comments. Source: TOML 1.0.0."""

import json
import re
import textwrap
from collections.abc import Iterable, Sequence

from turnout.tf_serving.outcome import Outcome, SettingValue, Table

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110


def write_toml(outcome: Outcome, introduction: Sequence[str]) -> str:
    """Returns the text of the file.

    Args:
        outcome: what it shall say.
        introduction: comments for the top.
    """
    blocks = [_comments(introduction), _table(outcome.server)]
    blocks += [f"[models.{_key(name)}]\n{_table(table)}" for name, table in outcome.models.items()]
    return "\n".join(f"{block.rstrip()}\n" for block in blocks if block)


def _table(table: Table) -> str:
    settings = [f"{_key(name)} = {_value(value)}\n" for name, value in table.settings.items()]
    return _comments(str(remark) for remark in table.remarks) + "".join(settings)


def _comments(texts: Iterable[str]) -> str:
    lines = [
        line
        for text in texts
        for line in textwrap.wrap(
            _printable(text),
            _WIDTH,
            initial_indent="# ",
            subsequent_indent="#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
    return "".join(f"{line}\n" for line in lines)


def _printable(text: str) -> str:
    """A comment ends with its line, whatever a file's name or value has in it."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _value(value: SettingValue) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(item) if isinstance(item, str) else str(item) for item in value) + "]"
    return json.dumps(value)


def _text(text: str) -> str:
    """JSON's texts are TOML's, but for one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
