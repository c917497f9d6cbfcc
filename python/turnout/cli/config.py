"""`turnout config show`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from turnout.cli.output import JsonFlag, print_json, print_line, print_table

if TYPE_CHECKING:  # importing it brings pydantic, which help and completion can do without
    from turnout.config.layers import Entry, Resolved
    from turnout.config.resolve import Config

app = typer.Typer(help="Look at settings.", rich_markup_mode=None)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="The operator's turnout.toml. [default: $XDG_CONFIG_HOME/turnout/turnout.toml]"),
]


@app.callback(invoke_without_command=True)
def config(context: typer.Context) -> None:
    """Look at settings."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(context_settings={"help_option_names": ["--help"]})
def show(
    model: Annotated[str | None, typer.Option(help="Show the settings of this model too.")] = None,
    repository: Annotated[Path | None, typer.Option(help="The folder of models; for the model's own file.")] = None,
    config_file: ConfigFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Show every setting, its value, and where the value came from."""
    from turnout.config.resolve import load_config

    loaded = load_config(file=config_file, flags={"repository": str(repository) if repository else None})
    sections = {"server": _entries(loaded.server)}
    if model is not None:
        sections[f"models.{model}"] = _model_entries(loaded, model)
    if as_json:
        print_json({"file": str(loaded.file) if loaded.file else None} | {k: _record(v) for k, v in sections.items()})
        return
    for position, (name, entries) in enumerate(sections.items()):
        if position:
            print_line()
        _print_section(name, entries)


def _entries(resolved: "Resolved[Any]") -> "dict[str, Entry]":
    from turnout.config.layers import Entry

    values = asdict(resolved.settings)
    return {name: Entry(values[name], origin) for name, origin in resolved.origins.items()}


def _model_entries(loaded: "Config", model: str) -> "dict[str, Entry]":
    from turnout.config.layers import Entry, Origin

    folder = loaded.model_folder(model)
    own_file = folder / "model.toml" if folder else None
    is_there = own_file is not None and own_file.is_file()
    path = loaded.model_paths.get(model)
    origin = Origin("turnout.toml", str(loaded.file)) if path else Origin("default")
    settings = _entries(loaded.model(model, own_file if is_there else None))
    return {**settings, "path": Entry(str(path) if path else None, origin)}


def _print_section(name: str, entries: "Mapping[str, Entry]") -> None:
    print_line(f"[{name}]")
    rows = [(setting, _toml(entry.value), entry.origin) for setting, entry in sorted(entries.items())]
    print_table(("setting", "value", "from"), rows)


def _record(entries: "Mapping[str, Entry]") -> dict[str, Any]:
    return {
        name: {"value": entry.value, "origin": entry.origin.kind, "where": entry.origin.where or None}
        for name, entry in sorted(entries.items())
    }


def _toml(value: object) -> str:
    """Returns a value as it would stand in the file; nothing for one that is not set."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {item}" for key, item in cast("Mapping[str, Any]", value).items()) + "}"
    return json.dumps(value)
