"""The page of the settings."""

import dataclasses
from typing import Any

from scripts.reference.markdown import code, page, table
from turnout.config.layers import MODEL_PREFIX, PREFIX
from turnout.config.schema import LOWER_ONLY, OPERATOR_ONLY, ModelSchema, ModelTableSchema, Schema, ServerSchema
from turnout.config.settings import ServerSettings
from turnout.lifecycle.settings import ModelSettings

INTRODUCTION = """\
Settings come from five places; the first that says something wins: a flag, a `TURNOUT_…` variable, the operator's
`turnout.toml`, a model's own `model.toml`, the default. A name that does not exist is refused. `turnout config show`
says what holds now, and which place each value came from.

The operator's file is the one of `--config`, else of `TURNOUT_CONFIG`, else `turnout/turnout.toml` in
`$XDG_CONFIG_HOME`."""


def config_page() -> str:
    """Every setting with its variable, values, default and meaning."""
    return page(
        "Settings",
        INTRODUCTION,
        "## Server",
        "They stand at the top of `turnout.toml`.",
        schema_table(ServerSchema, ServerSettings, PREFIX),
        "## Model",
        "They stand under `[models.NAME]` of `turnout.toml` for one model, or at the top of `model.toml` in its folder;"
        " the variables are for all models. All of them can change while the server runs.",
        schema_table(ModelSchema, ModelSettings, MODEL_PREFIX),
        "A `model.toml` lies in the repository, and who may write there is not always the operator. It is refused"
        f" {sentence(sorted(OPERATOR_ONLY & set(ModelSchema.model_fields)))} and every setting of the server, and can"
        f" only lower {sentence(sorted(LOWER_ONLY))}.",
        "A table `[models.NAME]` can say one thing more, which stands in no variable and in no `model.toml`:",
        path_table(),
    )


def sentence(names: list[str]) -> str:
    """Names as code, joined by commas and an 'and'."""
    *most, last = [code(name) for name in names]
    return f"{', '.join(most)} and {last}" if most else last


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


def path_table() -> str:
    """One row for each field that only a table of the operator's file has."""
    added = {
        name: field for name, field in ModelTableSchema.model_fields.items() if name not in ModelSchema.model_fields
    }
    rows = [(code(name), values(ModelTableSchema, name), field.description or "") for name, field in added.items()]
    return table(("setting", "values", "meaning"), rows)


def default(value: object) -> str:
    """The default as TOML writes it; empty where it depends on the machine or means 'not set'."""
    if value is dataclasses.MISSING or value is None or value == ():
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
    words = {"string": "text", "boolean": "`true`, `false`", "object": "table", "array": "list"}
    kind = words.get(str(option.get("type")), str(option.get("type")))
    low, high = option.get("minimum"), option.get("maximum")
    bounds = f" {low} to {high}" if high is not None else f" from {low}" if low is not None else ""
    return kind + bounds
