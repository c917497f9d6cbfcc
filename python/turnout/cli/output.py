"""How commands print: data to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from turnout.errors import TurnoutError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
"""The option that every command has."""


def print_json(value: Any) -> None:
    """Prints one JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_line(text: str = "") -> None:
    """Prints a line of data for people."""
    sys.stdout.write(f"{text}\n")


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints columns, each as wide as its widest cell."""
    cells = [tuple(header), *(tuple("" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        print_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def note(text: str) -> None:
    """Says something on standard error: progress, advice, what is being waited for."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def warn(text: str, hint: str | None = None) -> None:
    """Says on standard error what a person should know although the command goes on."""
    note(f"warning: {text}" + (f"\nhint: {hint}" if hint else ""))


def report_error(error: TurnoutError, *, as_json: bool) -> None:
    """Says on standard error why a command ends: as lines for people or as one JSON object."""
    if as_json:
        note(json.dumps({"error": {"code": error.code, "message": error.message, "hint": error.hint}}))
        return
    note(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""))


def format_bytes(count: int) -> str:
    """Returns a size for people: `683 B`, `1.4 MiB`."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
