"""`turnout serve`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from turnout.cli import exit_codes
from turnout.cli.config import ConfigFile
from turnout.cli.output import JsonFlag, note, print_line
from turnout.errors import ConfigError

if TYPE_CHECKING:  # these bring pydantic and the data plane, which help and completion can do without
    from turnout.cli.signals import StopSignals
    from turnout.config.resolve import Config
    from turnout.repository.layout import Source
    from turnout.serving.running import Serving

_STARTING_S = 0.05
"""Between two looks at whether the server is ready."""


def serve(
    path: Annotated[
        Path | None,
        typer.Argument(help="A model file, a model's folder or a repository. [default: the models of turnout.toml]"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name. [default: that of the file or folder]")] = None,
    host: Annotated[str | None, typer.Option(help="Address to bind to. [default: 127.0.0.1]")] = None,
    rest_port: Annotated[int | None, typer.Option(help="Port of REST; 0 takes a free one. [default: 8501]")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="Port of gRPC; 0 takes a free one. [default: 8500]")] = None,
    rest_socket: Annotated[str | None, typer.Option(help="Unix socket of REST, instead of the port.")] = None,
    grpc_socket: Annotated[str | None, typer.Option(help="Unix socket of gRPC, instead of the port.")] = None,
    config_file: ConfigFile = None,
    ready: Annotated[
        Literal["any", "all", "first"] | None,
        typer.Option(help="Be ready when any model serves, all do, or the first does. [default: any]"),
    ] = None,
    drain_delay_ms: Annotated[
        int | None, typer.Option(help="Go on accepting for so long after SIGTERM. [default: 0]")
    ] = None,
    drain_timeout_ms: Annotated[
        int | None, typer.Option(help="Wait so long for requests in flight. [default: 30000]")
    ] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Folder for private copies and the journal.")] = None,
    reuse_port: Annotated[bool, typer.Option("--reuse-port", help="Let a second server bind the same ports.")] = False,
    log_format: Annotated[Literal["text", "json"] | None, typer.Option(help="Form of the log. [default: text]")] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Least level logged. [default: info]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting; model.NAME=VALUE for every model."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Serve models over REST and gRPC until SIGTERM or Ctrl-C.

    The first signal lets requests in flight finish, a second one ends the server at once. Every other setting can be
    given in turnout.toml, as a TURNOUT_… variable, or by --set: `turnout config show` lists them.
    """
    from turnout.config.resolve import Assigned, load_config
    from turnout.host.logs import configure_logging
    from turnout.host.runtimes import check_any
    from turnout.serving.sources import configured_sources

    flags = {
        "host": host,
        "rest_port": rest_port,
        "grpc_port": grpc_port,
        "rest_socket": rest_socket,
        "grpc_socket": grpc_socket,
        "ready": ready,
        "drain_delay_ms": drain_delay_ms,
        "drain_timeout_ms": drain_timeout_ms,
        "cache_dir": str(cache_dir) if cache_dir else None,
        "reuse_port": reuse_port or None,
        "log_format": log_format,
        "log_level": log_level,
        "repository": str(path) if path else None,
    }
    assigned = Assigned(
        server=_split_settings(settings or (), of_model=False), models=_split_settings(settings or (), of_model=True)
    )
    config = load_config(file=config_file, flags=flags, assigned=assigned)
    chosen = config.server.settings
    configure_logging(chosen.log_format, chosen.log_level)
    sources = configured_sources(config, name)
    check_any()
    raise typer.Exit(_serve(sources, config, as_json=as_json))


def _split_settings(settings: Sequence[str], *, of_model: bool) -> dict[str, str]:
    """Reads `NAME=VALUE` for the server, or `model.NAME=VALUE` for every model."""
    chosen: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"a setting has no value: expected `NAME=VALUE`, got `{setting}`")
        if name.startswith("model.") == of_model:
            chosen[name.removeprefix("model.").replace("-", "_")] = value
    return chosen


def _serve(sources: "Sequence[Source]", config: "Config", *, as_json: bool) -> int:
    from turnout import _dataplane
    from turnout.cli.signals import StopSignals, drain
    from turnout.serving.running import Serving

    _dataplane.bound_memory_retention()
    serving = Serving(sources, config, owns_process=True)
    if config.server.settings.reload_rpc:
        _allow_reloads(serving, config)
    with StopSignals() as signals:
        try:
            serving.start()
            _announce(serving, as_json=as_json)
            _wait_for_signal(serving, signals, _is_single(sources))
        except BaseException:
            serving.close()
            raise
        return exit_codes.OK if drain(serving.stop) else exit_codes.FAILED


def _allow_reloads(serving: "Serving", config: "Config") -> None:
    from turnout.tf_serving.flag_parsing import Arguments
    from turnout.tf_serving.reloading import Reloader

    # Requests are merged as the other settings of this command have it.
    reloader = Reloader(serving, Arguments({"enable_batching": True}), list(config.model_paths))
    serving.on_command("reload_config", reloader.handle)


def _is_single(sources: "Sequence[Source]") -> bool:
    from turnout.repository.layout import ArtifactSource

    return len(sources) == 1 and isinstance(sources[0], ArtifactSource)


def _wait_for_signal(serving: "Serving", signals: "StopSignals", is_single: bool) -> None:
    """Waits until somebody stops the server; a single model that cannot be loaded ends it with the cause."""
    while not signals.wait(_STARTING_S):
        if serving.status().ready:
            _say_ready(serving)
            signals.wait()
            return
        fault = serving.fault() if is_single else None
        if fault is not None:
            raise fault


def _announce(serving: "Serving", *, as_json: bool) -> None:
    """Says where the server listens, in one line for programs, which may have asked for free ports."""
    if as_json:
        urls = {"rest_url": serving.rest_url, "grpc_url": serving.grpc_url, "grpc_address": serving.grpc_address}
        print_line(json.dumps(urls))
    else:
        # gRPC libraries take an address of TCP as it is; of a socket, `turnout.Client` takes the URL alone.
        is_socket = serving.grpc_address.startswith("unix:")
        print_line(f"REST  {serving.rest_url}\ngRPC  {serving.grpc_url if is_socket else serving.grpc_address}")
    sys.stdout.flush()


def _say_ready(serving: "Serving") -> None:
    """Shows a person at a terminal how to ask the first model something."""
    from turnout.serving.curl import example_curl

    if not sys.stderr.isatty():
        return
    status = serving.status()
    for model in status.models.values():
        facts: Any = next((version.facts for version in model.versions if version.is_default), None)
        curl = example_curl(serving.rest_url, model.name, facts.signatures[0]) if facts else None
        if curl:
            note(f"try:\n  {curl}")
            return
