"""Another list of models while the server runs: from the file that changed, or from a client's call."""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from turnout.errors import (
    ConfigError,
    DeadlineExceededError,
    LoadFailedError,
    TurnoutError,
    UnavailableError,
)
from turnout.lifecycle.status import ModelStatus, Status
from turnout.serving.running import Serving
from turnout.text_proto.reader import parse_failure, parse_message
from turnout.text_proto.schema import Field, Message, Record
from turnout.tf_serving import messages
from turnout.tf_serving.flag_parsing import Arguments
from turnout.tf_serving.plan import config_of
from turnout.tf_serving.served_models import model_tables, sources_of
from turnout.tf_serving.wire_format import decode_message

_log = logging.getLogger("turnout.tf_serving")

CALL = "HandleReloadConfigRequest"

RELOAD_CONFIG_REQUEST = Message(
    "ReloadConfigRequest",
    (Field(1, "config", messages.MODEL_SERVER_CONFIG), Field(2, "metric_names", "string", repeated=True)),
)


class Reloader:
    """Has a server serve what a configuration says, whatever it served before. Thread-safe.

    Args:
        serving: the server.
        arguments: the flags, which say how models are served that a configuration names.
        names: the models that it serves now.
    """

    def __init__(self, serving: Serving, arguments: Arguments, names: Sequence[str]) -> None:
        self._serving = serving
        self._arguments = arguments
        self._names = set(names)
        self._lock = threading.Lock()

    def handle(self, message: bytes, timeout_ms: int) -> None:
        """Does what a `ReloadConfigRequest` asks for, and waits until each model that it names newly serves or failed.

        Raises:
            ConfigError: the configuration is refused, and nothing has changed.
            LoadFailedError: models of it cannot be served; the rest of it holds.
            DeadlineExceededError: models are still being loaded; all of it holds.
            TurnoutError: something else kept it from being taken over.
        """
        deadline_s = time.monotonic() + timeout_ms / 1000
        request = decode_message(message, RELOAD_CONFIG_REQUEST)
        config = request.record("config")
        if config is None or config.record("model_config_list") is None:
            raise ConfigError(
                "ServerModelConfig type not supported by HandleReloadConfigRequest."
                " Only ModelConfigList is currently supported"
            )
        check_models(config, allow_relative=False)
        self._wait(self.take(CALL, config), deadline_s)

    def take(self, file: str, config: Record) -> list[str]:
        """Takes over a `ModelServerConfig`; returns the models that were not served before.

        Raises:
            ConfigError: it is refused, and nothing has changed.
        """
        check_models(config, allow_relative=True)
        with self._lock:
            tables = model_tables(file, config, self._arguments)
            loaded = config_of(tables, file)
            self._serving.replace_models(sources_of(loaded), loaded)
            fresh = sorted(set(loaded.model_paths) - self._names)
            gone = sorted(self._names - set(loaded.model_paths))
            self._names = set(loaded.model_paths)
        _log.info("the list of models was taken over from `%s`", file, extra={"added": fresh, "removed": gone})
        return fresh

    def _wait(self, names: Sequence[str], deadline_s: float) -> None:
        timeout_s = max(deadline_s - time.monotonic(), 0)
        if not self._serving.wait_until(lambda status: all(_is_over(status, name) for name in names), timeout_s):
            raise DeadlineExceededError("models of the new configuration are still being loaded")
        status = self._serving.status()
        failed = [text for name in names if (text := _failure(status, name))]
        if failed:
            raise LoadFailedError(f"{len(failed)} model(s) did not become available: {{{''.join(failed)}}}")


def check_models(config: Record, *, allow_relative: bool) -> None:
    """Refuses what upstream refuses of a list of models, in its words.

    Raises:
        ConfigError: naming the first fault.
    """
    models = config.record("model_config_list")
    names: set[str] = set()
    for model in models.records("config") if models is not None else []:
        name, path, platform = model.text("name"), model.text("base_path"), model.text("model_platform")
        if name in names:
            raise ConfigError(f"Illegal to list model {name} multiple times in config list")
        names.add(name)
        if not path or (not allow_relative and "://" not in path and not path.startswith("/")):
            raise ConfigError(f"Expected model {name} to have an absolute path or URI; got base_path()={path}")
        if platform not in ("", "tensorflow"):
            raise ConfigError(f"Model {name} requests unsupported platform {platform}")


def _is_over(status: Status, name: str) -> bool:
    model = status.models.get(name)
    if model is None:
        return _missing(status, name) is not None
    return model.default is not None or model.attempted


def _failure(status: Status, name: str) -> str:
    model = status.models.get(name)
    if model is not None and model.default is not None:
        return ""
    missing = _missing(status, name)
    if model is None or not model.versions:
        return f"{{name: {name}}} due to error: {missing or 'no version was found'}, "
    return "".join(_version_failure(model))


def _version_failure(model: ModelStatus) -> list[str]:
    return [
        f"{{name: {model.name} version: {version.version}}} due to error: {version.fault.message}, "
        for version in model.versions
        if version.fault is not None
    ] or [f"{{name: {model.name}}} due to error: no version serves, "]


def _missing(status: Status, name: str) -> str | None:
    return next((problem.message for problem in status.problems if problem.model == name), None)


class Taker(Protocol):
    """Whoever serves what a configuration says."""

    def take(self, file: str, config: Record) -> list[str]:
        """Takes it over; see `Reloader.take`."""
        ...


class ConfigPoll:
    """Reads a file again and again, and has its changes taken over, on a thread of its own.

    Args:
        file: the text proto `ModelServerConfig`.
        wait_s: between two looks.
        reloader: gets what it says.
    """

    def __init__(self, file: Path, wait_s: float, reloader: Taker) -> None:
        self._file = file
        self._wait_s = wait_s
        self._reloader = reloader
        self._stop = threading.Event()
        self._seen = self._read()
        self._fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="turnout-config-poll", daemon=True)

    def start(self) -> None:
        """Starts to look."""
        self._thread.start()

    def close(self) -> None:
        """Stops; idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._wait_s):
            self.look()

    def look(self) -> None:
        """Takes over what the file says now, if that is something else; a fault is told once and tried again."""
        data = self._read()
        if data == self._seen and self._fault is None:
            return
        self._seen = data
        try:
            if isinstance(data, str):
                raise ConfigError(f"`{self._file}` cannot be read: {data}")
            text = data.decode("utf-8-sig", "surrogateescape")
            config = parse_message(text, messages.MODEL_SERVER_CONFIG, str(self._file))
            self._reloader.take(str(self._file), config)
        except UnavailableError as error:
            self._tell(error.message)
        except TurnoutError as error:
            self._tell(parse_failure(error) or error.message)
        else:
            self._fault = None

    def _tell(self, fault: str) -> None:
        if fault != self._fault:
            _log.error("the list of models stays as it was: %s", fault)
        self._fault = fault

    def _read(self) -> bytes | str:
        try:
            return self._file.read_bytes()
        except OSError as error:
            return str(error.strerror)
