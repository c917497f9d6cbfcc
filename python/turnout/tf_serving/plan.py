"""What a command line of `tensorflow_model_server` means: settings, models, listeners, and lines for the log."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnout.config.resolve import Config, Preset, load_config
from turnout.config.settings import GIB
from turnout.errors import ConfigError
from turnout.host.machine import read_machine
from turnout.repository.layout import Source
from turnout.serving.listeners import Listener
from turnout.text_proto.reader import read_message
from turnout.tf_serving import messages
from turnout.tf_serving.flag_parsing import Arguments
from turnout.tf_serving.flags import FLAGS, Flag
from turnout.tf_serving.outcome import Outcome
from turnout.tf_serving.served_models import COMMAND_LINE, read_models, sources_of
from turnout.tf_serving.server_files import translate_monitoring

MAX_MESSAGE_BYTES = 2 * GIB - 1
_DAY_MS = 86_400_000
_MAX_POLL_S = 3600
_STREAMS = "grpc.max_concurrent_streams"
_SWITCHES = {
    "enable_serialization_as_tensor_content": "grpc_tensor_content",
    "prefer_tflite_model": "prefer_tflite",
    "rest_api_enable_cors_support": "rest_cors",
}
"""Flags, and the settings of the server that they turn on."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the log: what a flag or a field of a file does not do as it did.

    Attributes:
        level: of the logging module.
        text: the line.
    """

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the server is made of.

    Attributes:
        config: all settings.
        sources: where models lie.
        listeners: where clients connect.
        notices: what has to be said once.
    """

    config: Config
    sources: tuple[Source, ...]
    listeners: tuple[Listener, ...]
    notices: tuple[Notice, ...]


@dataclass(slots=True)
class _Said:
    """Notices on their way, each once."""

    notices: list[Notice] = field(default_factory=list[Notice])

    def add(self, level: int, text: str) -> None:
        notice = Notice(level, text)
        if notice not in self.notices:
            self.notices.append(notice)

    def add_remarks(self, outcome: Outcome) -> None:
        for remark in outcome.remarks:
            loud = remark.kind in {"not_yet", "left_out"}
            self.add(logging.WARNING if loud else logging.INFO, str(remark))


def make_plan(
    arguments: Arguments, tls: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> Plan:
    """Says what a command line means.

    Args:
        arguments: the flags.
        tls: settings of TLS that `--ssl_config_file` led to.
        environ: the environment; the process's own when not given.

    Raises:
        ConfigError: the flags contradict each other, or a file that they name is wrong.
    """
    _check(arguments)
    said = _Said()
    _say_flags(arguments, said)
    models = read_models(arguments, said.add_remarks)
    server, listeners = _server_settings(arguments, said), _listeners(arguments, said)
    named = arguments.text("model_config_file")
    config = load_config(
        file=Path(named) if named else Path(COMMAND_LINE),
        environ=environ,
        preset=Preset({**models, **server, **(tls or {})}, _defaults()),
    )
    return Plan(config, sources_of(config), listeners, tuple(said.notices))


def config_of(tables: Mapping[str, Any], file: str) -> Config:
    """Returns the settings of other models; the server's own are not looked at any more."""
    return load_config(file=Path(file), preset=Preset({"models": tables["models"]}, _defaults()))


def _check(arguments: Arguments) -> None:
    if not arguments.text("model_config_file") and not arguments.text("model_base_path"):
        raise ConfigError("Both server_options.model_base_path and server_options.model_config_file are empty!")
    if arguments.text("batching_parameters_file") and not arguments.flag("enable_batching"):
        raise ConfigError("`--batching_parameters_file` needs `--enable_batching`")
    if arguments.integer("port") == 0 and not arguments.text("grpc_socket_path"):
        raise ConfigError("gRPC has no place to listen: give it a `--port`, or a `--grpc_socket_path`")
    if arguments.flag("use_alts_credentials"):
        hint = "`--ssl_config_file` has gRPC speak TLS."
        raise ConfigError("`--use_alts_credentials` is refused: there is no ALTS here", hint=hint)
    threads = ("tensorflow_session_parallelism", "tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism")
    if all(arguments.integer(name) for name in threads):
        raise ConfigError("`--tensorflow_session_parallelism` excludes the other two flags of parallelism")
    for name in ("port", "rest_api_port"):
        if not 0 <= arguments.integer(name) <= 65_535:
            raise ConfigError(f"`--{name}` is no port: {arguments.integer(name)}")


def _say_flags(arguments: Arguments, said: _Said) -> None:
    for flag in FLAGS:
        if flag.state in {"not yet", "ignored"} and _asks_for_something(arguments, flag):
            level, verb = (
                (logging.WARNING, "does nothing yet") if flag.state == "not yet" else (logging.INFO, "is not needed")
            )
            said.add(level, f"`--{flag.name}` {verb}: {flag.text}")


def _asks_for_something(arguments: Arguments, flag: Flag) -> bool:
    if flag.name not in arguments.given:
        return False
    return arguments.flag(flag.name) if flag.kind == "bool" else arguments.is_changed(flag.name)


def _defaults() -> dict[str, Any]:
    """Messages of upstream can have 2 GiB; a server of many models is sent requests as soon as the first one serves."""
    memory_bytes = read_machine().usable_memory_bytes
    inflight_bytes = max(min(GIB, memory_bytes // 4), min(2 * MAX_MESSAGE_BYTES, memory_bytes // 2))
    return {
        "inflight_bytes": inflight_bytes,
        "max_body_bytes": min(MAX_MESSAGE_BYTES, inflight_bytes),
        "ready": "first",
        "reload_rpc": True,
    }


def _server_settings(arguments: Arguments, said: _Said) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "host": "0.0.0.0",
        "request_timeout_ms": max(1, arguments.integer("rest_api_timeout_in_ms")),
        "grpc_timeout_ms": _DAY_MS,
        "max_load_retries": max(0, arguments.integer("max_num_load_retries")),
        "load_retry_limit_ms": max(1, arguments.integer("load_retry_interval_micros") // 1000),
    }
    poll_s = arguments.integer("file_system_poll_wait_seconds")
    if poll_s <= 0:
        settings["watch"] = "once"
    else:
        settings["poll_interval_ms"] = min(poll_s, _MAX_POLL_S) * 1000
    settings |= _channel_settings(arguments.text("grpc_channel_arguments"), said)
    settings |= _monitoring(arguments.text("monitoring_config_file"), said)
    for flag, setting in _SWITCHES.items():
        if arguments.flag(flag):
            settings[setting] = True
    return settings


def _channel_settings(text: str, said: _Said) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise ConfigError(f"`--grpc_channel_arguments` is not valid: expected `NAME=VALUE`, got `{part}`")
        if name == _STREAMS and value.isascii() and value.isdecimal():
            settings["max_streams"] = min(max(int(value), 1), 100_000)
        else:
            said.add(logging.WARNING, f"`--grpc_channel_arguments`: `{name}` does nothing here")
    return settings


def _monitoring(file: str, said: _Said) -> dict[str, Any]:
    if not file:
        return {}
    outcome = Outcome()
    translate_monitoring(file, read_message(Path(file), messages.MONITORING_CONFIG), outcome)
    said.add_remarks(outcome)
    return dict(outcome.server.settings)


def _listeners(arguments: Arguments, said: _Said) -> tuple[Listener, ...]:
    port, rest_port = arguments.integer("port"), arguments.integer("rest_api_port")
    socket = arguments.text("grpc_socket_path")
    listeners = [Listener("grpc", f"0.0.0.0:{port}")] if port else []
    listeners += [Listener("grpc", f"unix:{socket}")] if socket else []
    if rest_port and rest_port == port:
        text = f"`--rest_api_port` must differ from `--port`: {port}; there is no REST"
        said.add(logging.ERROR, text)
    elif rest_port:
        listeners.append(Listener("rest", f"{rest_host()}:{rest_port}"))
    return tuple(listeners)


def rest_host() -> str:
    """Returns the address that stands for all interfaces, of IPv6 and IPv4 where the system has both."""
    return "[::]" if Path("/proc/net/if_inet6").exists() else "0.0.0.0"
