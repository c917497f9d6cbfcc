"""The page of the settings."""

import dataclasses
from typing import Any

from scripts.reference.markdown import code, page, table
from turnout.config.schema import Schema, ServerSchema
from turnout.config.settings import ServerSettings

INTRODUCTION = """\
Settings come from five places; the first that says something wins: a flag, a `TURNOUT_…` variable, the operator's
`turnout.toml`, a model's own `model.toml`, the default. A name that does not exist is refused. `turnout config show`
says what holds now, and which place each value came from."""


def config_page() -> str:
    """Every setting with its variable, values, default and meaning."""
    return page(
        "Settings",
        INTRODUCTION,
        "## Server",
        "They stand at the top of `turnout.toml`.",
        schema_table(ServerSchema, ServerSettings, "TURNOUT_"),
    )


def schema_table(schema: type[Schema], settings: type[Any], prefix: str) -> str:
    """One row for each field of a schema; the defaults are those of the settings record."""
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    rows = [
        (
            code(name),
            code(prefix + name.upper()),
            values(schema, name),
            default(defaults[name]),
            field.description or "",
        )
        for name, field in schema.model_fields.items()
    ]
    return table(("setting", "variable", "values", "default", "meaning"), rows)


def default(value: object) -> str:
    """The default as TOML writes it; empty where it depends on the machine or means 'not set'."""
    if value is dataclasses.MISSING or value is None:
        return ""
    return code({True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value))


def values(schema: type[Schema], name: str) -> str:
    """The allowed values, as the schema's own JSON form states them."""
    field = schema.model_json_schema()["properties"][name]
    options: list[dict[str, Any]] = field.get("anyOf", [field])
    return " or ".join(allowed(option) for option in options if option.get("type") != "null")


def allowed(option: dict[str, Any]) -> str:
    """One alternative of a field in words."""
    if "enum" in option:
        return ", ".join(code(str(word)) for word in option["enum"])
    words = {"string": "text", "boolean": "`true`, `false`", "integer": "integer", "number": "number"}
    kind = words.get(str(option.get("type")), str(option.get("type")))
    low, high = option.get("minimum"), option.get("maximum")
    bounds = f" {low} to {high}" if high is not None else f" from {low}" if low is not None else ""
    return kind + bounds
