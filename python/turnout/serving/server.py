"""`turnout.Server`: a server inside a Python program."""

import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from turnout.config.resolve import Assigned, load_config
from turnout.config.settings import ServerSettings
from turnout.lifecycle.status import Status
from turnout.repository.layout import classify_path
from turnout.serving.closing import Closable
from turnout.serving.running import Serving

READY_TIMEOUT_S = 60.0


class Server:
    """Serves models over REST and gRPC from this process, as `turnout serve` does from its own.

    Several can run in one process, and in any thread. It takes no signals: stop it with `stop`, or leave the `with`
    block. At the end of the interpreter what still runs is stopped at once.

    Args:
        source: a model file, a model's folder or a repository; or a fitted model, which is converted as `turnout.push`
            does.
        name: the model's name; None takes that of the file or folder, or `model` for a fitted one.
        host: address that the ports are bound to.
        rest_port: TCP port of REST; 0 takes a free one.
        grpc_port: TCP port of gRPC; 0 takes a free one.
        settings: further settings of the server, by the names that `turnout.toml` has for them.
        model_settings: settings of every model, likewise.
        config: an operator's `turnout.toml`; without it neither a file nor `TURNOUT_` variables are read.
        sample: for a fitted model, rows to compare the conversion with; None draws them from the model itself.

    Raises:
        ParityError: the converted model answers differently from the fitted one.
        ConfigError: a setting is unknown or does not fit.
        RepositoryError: nothing is there that could be served.

    Example:
        >>> with turnout.Server("iris.onnx") as server:
        ...     server.wait_ready()
        ...     turnout.Client(server.rest_url).predict("iris", [[5.1, 3.5, 1.4, 0.2]])["label"]
    """

    def __init__(
        self,
        source: object,
        *,
        name: str | None = None,
        host: str | None = None,
        rest_port: int = 0,
        grpc_port: int = 0,
        settings: Mapping[str, object] | None = None,
        model_settings: Mapping[str, object] | None = None,
        config: str | PathLike[str] | None = None,
        sample: Any = None,
    ) -> None:
        arguments = {"host": host, "rest_port": rest_port, "grpc_port": grpc_port}
        given = {**(settings or {}), **{key: value for key, value in arguments.items() if value is not None}}
        loaded = load_config(
            file=None if config is None else Path(config),
            assigned=Assigned(given, model_settings or {}, "settings.", "model_settings."),
            environ={key: value for key, value in os.environ.items() if not key.startswith("TURNOUT_")},
            search=False,
        )
        self._files: Closable | None = None
        if isinstance(source, str | PathLike):
            path = Path(cast("str | PathLike[str]", source))
        else:
            from turnout.serving.fitted import DEFAULT_NAME, TemporaryRepository  # brings the converters

            fitted = TemporaryRepository(source, name or DEFAULT_NAME, sample)
            self._files, path = fitted, fitted.model_folder
        self._serving = Serving([classify_path(path, name)], loaded)

    @property
    def settings(self) -> ServerSettings:
        """The settings that hold."""
        return self._serving.settings

    @property
    def rest_url(self) -> str:
        """Where REST listens, for `turnout.Client`; empty before the start."""
        return self._serving.rest_url

    @property
    def grpc_url(self) -> str:
        """Where gRPC listens, for `turnout.Client`; empty before the start."""
        return self._serving.grpc_url

    @property
    def grpc_address(self) -> str:
        """Where gRPC listens, as `HOST:PORT` or `unix:PATH`, which gRPC libraries take; empty before the start."""
        return self._serving.grpc_address

    def start(self) -> Self:
        """Opens the listeners and begins to load; returns before anything is loaded.

        Raises:
            AddressInUseError: a port is taken.
        """
        self._serving.start()
        return self

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Waits until requests are answered.

        Raises:
            TurnoutError: no model could be loaded, with the code and cause of the first failure.
            DeadlineExceededError: it is still loading.
        """
        self._serving.wait_ready(timeout_s)
        return self

    def status(self) -> Status:
        """Returns what is loaded and what is wrong; never blocks."""
        return self._serving.status()

    def stop(self) -> bool:
        """Finishes what is in flight and stops; idempotent.

        Returns:
            Whether every request was finished within `drain_timeout_ms`.
        """
        finished = self._serving.stop()
        if self._files is not None and not self._serving.is_forked:
            self._files.close()
        return finished

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
