"""From sources to settings: reads the operator's file and the environment, checks them and lets the strongest win."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from turnout.config.batching import check_batching
from turnout.config.layers import (
    MODEL_PREFIX,
    PREFIX,
    Entry,
    Kind,
    Layer,
    Origin,
    Resolved,
    environment_values,
    merge,
    parse_text,
    read_toml,
)
from turnout.config.schema import LOWER_ONLY, OPERATOR_ONLY, ModelSchema, ModelTableSchema, Schema, ServerSchema, check
from turnout.config.session import read_session
from turnout.config.settings import ServerSettings, default_settings, home_folder
from turnout.errors import ConfigError
from turnout.host.machine import Machine, read_machine
from turnout.lifecycle.settings import ModelSettings
from turnout.repository.layout import SETTINGS_NAME, model_name_fault

FILE_NAME = "turnout.toml"


@dataclass(frozen=True, slots=True)
class Config:
    """What the operator has set, before any model's own file is read.

    Attributes:
        server: the server's settings.
        file: the operator's file, or None without one.
        model_flags: what flags say about every model.
        model_environment: what the environment says about every model.
        model_tables: what the operator's file says, by model.
        model_paths: where the operator's file says that models lie, by model.
    """

    server: Resolved[ServerSettings]
    file: Path | None
    model_flags: Layer
    model_environment: Layer
    model_tables: Mapping[str, Layer]
    model_paths: Mapping[str, Path]

    def model(self, name: str, own_file: Path | None = None) -> Resolved[ModelSettings]:
        """Returns one model's settings.

        Args:
            name: the model's name.
            own_file: the `model.toml` in its folder; None where it has none.

        Raises:
            ConfigError: the file is wrong, or sets what only the operator may set.
        """
        operator = merge([self.model_flags, self.model_environment, self.model_tables.get(name, {})])
        bounds: ModelSettings = _build(ModelSettings, operator, {}).settings
        own: Layer = _read_model_file(own_file, bounds) if own_file is not None else {}
        resolved = check_batching(name, _build(ModelSettings, merge([operator, own]), {}))
        session = read_session(resolved, Path() if self.file is None else self.file.absolute().parent)
        return Resolved(dataclasses.replace(resolved.settings, session=session), resolved.origins)

    def model_folder(self, name: str) -> Path | None:
        """Returns where a model lies that is served without a path on the command line; None where nothing says so."""
        if self.server.settings.repository is not None:
            return Path(self.server.settings.repository, name)
        return self.model_paths.get(name)

    def settings_for(self, name: str, folder: Path | None) -> ModelSettings:
        """Returns one model's settings, its own file read anew; for the life-cycle manager.

        Args:
            name: the model's name.
            folder: the model's folder; None where it has none.

        Raises:
            ConfigError: the file is wrong, or sets what only the operator may set.
        """
        own_file = None if folder is None else folder / SETTINGS_NAME
        return self.model(name, own_file if own_file is not None and own_file.is_file() else None).settings


@dataclass(frozen=True, slots=True)
class Assigned:
    """Settings that were given by name, rather than by a flag of their own.

    Attributes:
        server: settings of the server.
        models: settings of every model.
        prefix: what a person writes before the name of a setting of the server.
        model_prefix: what a person writes before the name of a setting of every model.
    """

    server: Mapping[str, Any] = field(default_factory=dict[str, Any])
    models: Mapping[str, Any] = field(default_factory=dict[str, Any])
    prefix: str = "--set "
    model_prefix: str = "--set model."


@dataclass(frozen=True, slots=True)
class Preset:
    """What a command says that has files of its own in place of the operator's.

    Attributes:
        document: what stands in place of the operator's file, as that would be read.
        defaults: settings of the server whose default is another one.
    """

    document: Mapping[str, Any] = field(default_factory=dict[str, Any])
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])


def load_config(
    *,
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    assigned: Assigned | None = None,
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    home: Path | None = None,
    search: bool = True,
    preset: Preset | None = None,
) -> Config:
    """Reads every source but the models' own files.

    Args:
        file: the operator's file; None looks for it as `find_file` says.
        flags: settings of the server that have a flag of their own; None values are not set.
        assigned: settings given by name; flags beat them.
        environ: the environment; the process's own when not given.
        machine: what the defaults are sized to; this machine when not given.
        home: the user's home folder.
        search: whether to look for a file that was not given.
        preset: what is taken in place of the operator's file; `file` is then only named.

    Raises:
        ConfigError: a source is wrong.
    """
    environ = os.environ if environ is None else environ
    home = home or home_folder()
    path = find_file(file, environ, home) if search and preset is None else file
    document = read_toml(path) if path is not None and preset is None else {}
    preset = preset or Preset()
    document |= preset.document
    tables = _model_layers(document.pop("models", {}), path)
    paths = _model_paths(tables, document, path)
    assigned = assigned or Assigned()
    layers = [
        _flag_layer(ServerSchema, flags or {}, "--"),
        _flag_layer(ServerSchema, assigned.server, assigned.prefix, assigned.model_prefix),
        _environment_layer(ServerSchema, environ, PREFIX, MODEL_PREFIX),
        _file_layer(ServerSchema, document, path, "turnout.toml", {"model": "models", **_MODELS_OWN}),
    ]
    defaults = {**default_settings(machine or read_machine(), environ, home), **preset.defaults}
    config = Config(
        server=_check_server(_build(ServerSettings, merge(layers), defaults)),
        file=path,
        model_flags=_flag_layer(ModelSchema, assigned.models, assigned.model_prefix),
        model_environment=_environment_layer(ModelSchema, environ, MODEL_PREFIX),
        model_tables={name: {key: table[key] for key in table if key != "path"} for name, table in tables.items()},
        model_paths=paths,
    )
    for name in ["", *config.model_tables]:
        config.model(name)  # what is said of no model by name is checked too, and files are read that settings name
    return config


def find_file(given: Path | None, environ: Mapping[str, str], home: Path) -> Path | None:
    """Returns the operator's file.

    It is the one that was given, else `$TURNOUT_CONFIG`, else `turnout.toml` in `$XDG_CONFIG_HOME/turnout`. A file in
    the current folder is not taken unasked: that folder may be a repository, whose files grant nothing.
    """
    named = given or (Path(environ["TURNOUT_CONFIG"]) if environ.get("TURNOUT_CONFIG") else None)
    if named is not None:
        return named
    usual = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "turnout" / FILE_NAME
    return usual if usual.is_file() else None


def _read_model_file(path: Path, bounds: ModelSettings) -> Layer:
    """Reads a `model.toml`, whose author is whoever may write to the repository."""
    document = read_toml(path)
    forbidden = next((name for name in document if name in OPERATOR_ONLY), None)
    if forbidden is not None:
        raise ConfigError(
            f"setting in `{path}` is the operator's alone: `{forbidden}`",
            hint=f"Set it in the operator's `{FILE_NAME}`, or remove it.",
        )
    layer = _file_layer(ModelSchema, document, path, "model.toml")
    for name in LOWER_ONLY:
        bound = getattr(bounds, name)
        if name in layer and layer[name].value > bound:
            raise ConfigError(
                f"setting `{name}` in `{path}` would raise a limit: expected at most {bound}, got {layer[name].value}",
                hint=f"Raise it in the operator's `{FILE_NAME}`; a file inside the repository can only lower it.",
            )
    return layer


_MODELS_OWN = dict.fromkeys(ModelTableSchema.model_fields, "[models.NAME]")
"""Where the settings of a model stand in the operator's file."""


def _flag_layer(schema: type[Schema], values: Mapping[str, Any], prefix: str, model_prefix: str = "") -> Layer:
    given = {
        name: parse_text(name, value) if isinstance(value, str) else value
        for name, value in values.items()
        if value is not None
    }
    where = {name: prefix + (name.replace("_", "-") if prefix == "--" else name) for name in given}
    elsewhere = {name: model_prefix + name for name in ModelSchema.model_fields} if model_prefix else {}
    return _layer(schema, given, where, "flag", strict=False, elsewhere=elsewhere)


def _environment_layer(schema: type[Schema], environ: Mapping[str, str], prefix: str, model_prefix: str = "") -> Layer:
    elsewhere = {name: model_prefix + name.upper() for name in ModelSchema.model_fields} if model_prefix else {}
    texts = environment_values(environ, prefix)
    where = {name: prefix + name.upper() for name in texts}
    values = {name: parse_text(name, text) for name, text in texts.items()}
    return _layer(schema, values, where, "environment", strict=False, elsewhere=elsewhere)


def _file_layer(
    schema: type[Schema],
    values: Mapping[str, Any],
    path: Path | None,
    kind: Kind,
    elsewhere: Mapping[str, str] | None = None,
) -> Layer:
    return _layer(schema, values, dict.fromkeys(values, str(path)), kind, strict=True, elsewhere=elsewhere)


def _layer(
    schema: type[Schema],
    values: Mapping[str, Any],
    where: Mapping[str, str],
    kind: Kind,
    *,
    strict: bool,
    elsewhere: Mapping[str, str] | None,
) -> Layer:
    quoted = {name: f"`{place}`" for name, place in where.items()}
    checked = check(schema, values, quoted, strict=strict, elsewhere=elsewhere)
    return {name: Entry(value, Origin(kind, where[name])) for name, value in checked.items()}


def _model_layers(tables: Any, path: Path | None) -> dict[str, Layer]:
    if not isinstance(tables, dict):
        raise ConfigError(f"`models` in `{path}` is not valid: expected tables `[models.NAME]`, got {tables!r}")
    layers: dict[str, Layer] = {}
    for name, table in cast("dict[str, Any]", tables).items():
        if not isinstance(table, dict):
            raise ConfigError(f"`models.{name}` in `{path}` is not valid: expected a table, got {table!r}")
        layers[name] = _file_layer(ModelTableSchema, cast("dict[str, Any]", table), path, "turnout.toml")
    return layers


def _model_paths(tables: Mapping[str, Layer], document: Mapping[str, Any], file: Path | None) -> dict[str, Path]:
    folder = Path() if file is None else file.absolute().parent
    paths = {name: folder / table["path"].value for name, table in tables.items() if "path" in table}
    if paths and "repository" in document:
        raise ConfigError(
            f"`{file}` says twice what to serve: `repository`, and `path` in `[models.{next(iter(paths))}]`",
            hint="Give each model a path, or put all of them into the repository.",
        )
    for name in paths:
        fault = model_name_fault(name)
        if fault is not None:
            raise ConfigError(f"`models.{name}` in `{file}` has a path and no model's name, {fault}: `{name}`")
    return paths


def _build(settings: type[Any], given: Mapping[str, Entry], defaults: Mapping[str, Any]) -> Resolved[Any]:
    names = [field.name for field in dataclasses.fields(settings) if field.metadata.get("is_setting", True)]
    values = {**defaults, **{name: entry.value for name, entry in given.items()}}
    origins = {name: given[name].origin if name in given else Origin("default") for name in names}
    frozen = {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in values.items()
    }
    return Resolved(settings(**frozen), origins)


def _check_server(resolved: Resolved[ServerSettings]) -> Resolved[ServerSettings]:
    """Refuses settings that contradict each other."""
    settings, origins = resolved.settings, resolved.origins
    if settings.max_body_bytes > settings.inflight_bytes:
        raise ConfigError(
            f"setting `max_body_bytes` ({origins['max_body_bytes']}) is above `inflight_bytes`"
            f" ({origins['inflight_bytes']}): expected at most {settings.inflight_bytes},"
            f" got {settings.max_body_bytes}",
            hint="A body counts towards the bytes in flight, so that such a body could never be accepted.",
        )
    if settings.request_log_file_bytes > settings.request_log_disk_bytes:
        raise ConfigError(
            f"setting `request_log_file_bytes` ({origins['request_log_file_bytes']}) is above `request_log_disk_bytes`"
            f" ({origins['request_log_disk_bytes']}): expected at most {settings.request_log_disk_bytes},"
            f" got {settings.request_log_file_bytes}",
            hint="The first bounds one file, the second all of them together.",
        )
    _check_tls(settings, origins)
    return resolved


def _check_tls(settings: ServerSettings, origins: Mapping[str, Origin]) -> None:
    needed = {
        "tls_certificate": ("tls_key",),
        "tls_key": ("tls_certificate",),
        "tls_client_ca": ("tls_certificate", "tls_key"),
    }
    for name, others in needed.items():
        missing = [other for other in others if getattr(settings, other) is None]
        if getattr(settings, name) is not None and missing:
            raise ConfigError(f"setting `{name}` ({origins[name]}) is of no use without `{missing[0]}`")
