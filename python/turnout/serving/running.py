"""One server: a data plane with its listeners, and the life-cycle manager that decides what it holds."""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from turnout import _dataplane
from turnout.config.resolve import Config
from turnout.config.settings import ServerSettings, data_plane_json
from turnout.errors import DeadlineExceededError, InternalError, TurnoutError, UnavailableError, error_classes
from turnout.flavors.resolve import resolve_artifact
from turnout.host.forks import ForkGuard
from turnout.lifecycle.manager import Manager
from turnout.lifecycle.settings import ManagerOptions
from turnout.lifecycle.status import Status
from turnout.repository.layout import Source
from turnout.serving.certificates import CertificateWatch
from turnout.serving.commands import CommandDesk, CommandHandler
from turnout.serving.listeners import Listener, configured_listeners

_log = logging.getLogger("turnout.serving.server")


class Serving:
    """A server that can be started once and stopped once. Thread-safe; knows nothing of signals.

    Args:
        sources: where models come from.
        config: all settings.
        owns_process: whether this process is there for this server alone, so that fatal signals may be noted.
        listeners: where to listen; None is one for each door, as the settings say.

    Attributes:
        settings: the server's settings.
        rest_address: where REST listens first: `HOST:PORT` or `unix:PATH`; empty before the start.
        grpc_address: where gRPC listens first, likewise.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        config: Config,
        *,
        owns_process: bool = False,
        listeners: Sequence[Listener] | None = None,
    ) -> None:
        self.settings = config.server.settings
        self._config = config
        self.rest_address = ""
        self.grpc_address = ""
        self._guard = ForkGuard("the server")
        self._lock = threading.Lock()
        self._started = False
        self._stopped = False
        self._plane = _dataplane.DataPlane(data_plane_json(self.settings))
        self._listeners = configured_listeners(self.settings) if listeners is None else tuple(listeners)
        tls = {listener.door: files for listener in self._listeners if (files := listener.tls(self.settings))}
        self._has_tls = frozenset(tls)
        files = next(iter(tls.values()), None)
        self._watch = CertificateWatch(files, self._plane.reload_certificates) if files else None
        self._commands = CommandDesk(self._plane.answer)
        self._manager = Manager(
            self._plane,
            sources,
            _manager_options(self.settings, owns_process=owns_process),
            resolve=partial(resolve_artifact, prefer_tflite=self.settings.prefer_tflite),
            settings_for=lambda name, folder: self._config.settings_for(name, folder),
            command=self._commands.take,
        )

    @property
    def rest_url(self) -> str:
        """Where REST listens, for clients; empty before the start."""
        return _url("https" if "rest" in self._has_tls else "http", self.rest_address)

    @property
    def grpc_url(self) -> str:
        """Where gRPC listens, for `turnout.Client`; empty before the start."""
        return _url("grpcs" if "grpc" in self._has_tls else "grpc", self.grpc_address)

    @property
    def is_forked(self) -> bool:
        """Whether this process is a forked child of the one that made the server."""
        return self._guard.is_forked

    def start(self, *, listen: bool = True) -> None:
        """Opens the listeners, then begins to load; returns before anything is loaded.

        Args:
            listen: whether to open the listeners now; otherwise `listen` does it.

        Raises:
            AddressInUseError: a port is taken; nothing was started.
        """
        self._guard.check()
        with self._lock:
            if self._started or self._stopped:
                raise UnavailableError("the server was started before", hint="Make a new one.")
            self._started = True
        if listen:
            try:
                self.listen()
            except BaseException:
                self._plane.close()
                raise
        self._manager.start()
        if self._watch is not None:
            self._watch.start()
        # Threads that are inside the data plane when the interpreter ends would not survive their way out.
        atexit.register(self.close)

    def listen(self) -> None:
        """Opens the listeners; called once, by `start` or after it.

        Raises:
            AddressInUseError: a port is taken.
        """
        for listener in self._listeners:
            tls = listener.tls(self.settings)
            address = self._plane.listen(listener.door, listener.address, self.settings.reuse_port, tls)
            if listener.door == "rest":
                self.rest_address = self.rest_address or address
            else:
                self.grpc_address = self.grpc_address or address
        _log.info("listening", extra={"rest": self.rest_address, "grpc": self.grpc_address})

    def status(self) -> Status:
        """Returns what is loaded and what is wrong; never blocks."""
        self._guard.check()
        return self._manager.status()

    def replace_models(self, sources: Sequence[Source], config: Config) -> None:
        """Serves other models from now on, or the same with other settings; no request is lost.

        Args:
            sources: where models come from.
            config: their settings; those of the server do not change any more.

        Raises:
            UnavailableError: the server is stopped or busy.
        """
        self._guard.check()
        self._config = config
        self._manager.replace_sources(sources)

    def on_command(self, kind: str, act: CommandHandler) -> None:
        """Has something done when a client asks for it; called before the start.

        Args:
            kind: what is asked for; `docs/concepts/seam.md` lists it.
            act: does it, on a thread of its own; what it raises is the answer.
        """
        self._commands.add(kind, act)

    def wait_until(self, condition: Callable[[Status], bool], timeout_s: float) -> bool:
        """Waits until a condition holds; returns whether it does."""
        return self._manager.wait_until(condition, timeout_s)

    def fault(self) -> TurnoutError | None:
        """Returns why nothing serves, once nothing more is under way; None while that may still change."""
        self._guard.check()
        return _first_fault(self._manager.status())

    def wait_ready(self, timeout_s: float) -> None:
        """Waits until the server is ready for requests.

        Raises:
            TurnoutError: no model could be loaded, with the cause and code of the first failure.
            DeadlineExceededError: it is still loading.
        """
        self._guard.check()
        self._manager.wait_until(lambda status: status.ready or _first_fault(status) is not None, timeout_s)
        status = self._manager.status()
        if status.ready:
            return
        raise _first_fault(status) or DeadlineExceededError(
            f"the server is not ready after {timeout_s:g} s: {status.reason}"
        )

    def stop(self) -> bool:
        """Drains and stops; idempotent. In a forked child it does nothing.

        New connections are accepted for `drain_delay_ms` more, while `/readyz` already answers 503; then what is in
        flight may take `drain_timeout_ms`.

        Returns:
            Whether every request was finished; True where the server was stopped before.
        """
        if self._guard.is_forked:
            return True
        with self._lock:
            if self._stopped:
                return True
            self._stopped = True
        started = time.monotonic()
        finished = self._plane.drain(self.settings.drain_delay_ms, self.settings.drain_timeout_ms)
        self._close()
        _log.info("stopped", extra={"drained": finished, "took_ms": round((time.monotonic() - started) * 1000)})
        return finished

    def close(self) -> None:
        """Stops at once, whatever is in flight. Idempotent."""
        if self._guard.is_forked:
            return
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        self._close()

    def _close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._manager.close()
        self._plane.close()
        atexit.unregister(self.close)


def _url(scheme: str, address: str) -> str:
    if address.startswith("unix:"):
        return f"{scheme}+unix://{address.removeprefix('unix:')}"
    return f"{scheme}://{address}" if address else ""


def _manager_options(settings: ServerSettings, *, owns_process: bool) -> ManagerOptions:
    return ManagerOptions(
        cache_dir=Path(settings.cache_dir),
        settle_ms=settings.settle_ms,
        poll_interval_ms=settings.poll_interval_ms,
        ready=settings.ready,
        watch=settings.watch,
        retry_limit_ms=settings.load_retry_limit_ms,
        max_retries=settings.max_load_retries,
        fatal_log=owns_process,
    )


def _first_fault(status: Status) -> TurnoutError | None:
    """Returns why nothing serves, once nothing more is under way."""
    if not status.settled:
        return None
    faults = [version.fault for model in status.models.values() for version in model.versions if version.fault]
    if faults:
        return error_classes().get(faults[0].code, InternalError)(faults[0].message, hint=faults[0].hint)
    if status.problems:
        problem = status.problems[0]
        return error_classes().get(problem.code, InternalError)(problem.message, hint=problem.hint)
    return UnavailableError(f"nothing can be served: {status.reason}") if not status.models else None
