"""The page of the command line."""

from collections.abc import Iterator
from typing import Any

import typer.main

from scripts.reference.markdown import code, page, table
from turnout.cli.app import app
from turnout.cli.exit_codes import MEANINGS

# Typer's command objects are private classes; they are read here by attribute, as its own documentation tool does.
Command = Any


def cli_page() -> str:
    """Every command with its arguments and options."""
    root: Command = typer.main.get_command(app)
    return page(
        "Command line",
        "`turnout COMMAND --help` says the same. Data goes to standard output, everything else to standard error.",
        *(section(words, command) for words, command in commands("turnout", root)),
        "## Exit codes",
        table(("code", "meaning"), [(code(str(number)), meaning) for number, meaning in MEANINGS.items()]),
    )


def commands(words: str, command: Command) -> Iterator[tuple[str, Command]]:
    """Yields a command and all below it that are shown in the help."""
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from commands(f"{words} {name}", child)


def section(words: str, command: Command) -> str:
    """One command: what it does, then its parameters."""
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [(spelling(parameter), default(parameter), getattr(parameter, "help", None) or "") for parameter in shown]
    parts = [
        f"## `{words}`",
        (command.help or "").strip(),
        table(("parameter", "default", "meaning"), rows) if rows else "",
    ]
    return "\n\n".join(part for part in parts if part)


def spelling(parameter: Command) -> str:
    """How a parameter is written."""
    if parameter.param_type_name == "argument":
        name = (parameter.metavar or parameter.name).upper()
        return code(name if parameter.required else f"[{name}]")
    return ", ".join(code(name) for name in (*parameter.opts, *parameter.secondary_opts))


def default(parameter: Command) -> str:
    """The default, where there is one worth a word."""
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value is False or value == () or value == []:
        return ""
    return code(str(getattr(value, "value", value)))
