"""A `turnout serve` in a process of its own, watched from outside."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.support.command import clean_environment

READY_S = 20.0
STOP_S = 20.0
LOOK_S = 0.02
"""Between two looks at something that a test waits for."""


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = READY_S) -> None:
    """Waits until a condition holds.

    Raises:
        AssertionError: it did not within the time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(LOOK_S)


@dataclass(frozen=True, slots=True)
class Event:
    """A life-cycle event of the server's log.

    Attributes:
        kind: `loading`, `serving`, `retired` …; see `turnout.lifecycle.events`.
        monotonic_ns: when, on the clock of `time.monotonic_ns`, to the millisecond below.
    """

    kind: str
    model: str
    version: int
    monotonic_ns: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds."""

    resident_bytes: int
    threads: int
    descriptors: int


def usage(pid: int) -> Usage:
    """Returns what a process holds now."""
    folder = Path(f"/proc/{pid}")
    fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return Usage(
        int(fields["VmRSS"].split()[0]) * 1024,
        int(fields["Threads"]),
        sum(1 for _ in (folder / "fd").iterdir()),
    )


class ServedProcess:
    """A server for the time of a `with` block, which it must leave in good order.

    Args:
        source: what is served.
        home: a folder for its cache.
        options: further words for the command line.
        core: the processor to run on; None leaves it to the system.

    Attributes:
        rest_url: where REST listens.
        grpc_address: where gRPC listens.
        lines: the log so far, one record a line.
    """

    def __init__(self, source: Path, home: Path, options: Sequence[str] = (), *, core: int | None = None) -> None:
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        command = [*pinned, sys.executable, "-m", "turnout", "serve", str(source), "--json", "--log-format", "json"]
        ports = [] if "--rest-port" in options else ["--rest-port", "0", "--grpc-port", "0"]
        self.lines: list[Mapping[str, Any]] = []
        self.process = subprocess.Popen(
            [*command, *ports, "--cache-dir", str(home / "cache"), *options],
            env=clean_environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, name="log-reader", daemon=True)
        self._reader.start()
        line = _pipe(self.process.stdout).readline()
        assert line, f"the server did not start: {self.lines}"
        urls = json.loads(line)
        self.rest_url: str = urls["rest_url"]
        self.grpc_address: str = urls["grpc_address"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process.poll() is None and error is None:
                self.stop()
        finally:
            if self.process.poll() is None:
                self.kill()
            self._reader.join(STOP_S)
            _pipe(self.process.stdout).close()
            _pipe(self.process.stderr).close()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.process.pid

    def stop(self) -> None:
        """Ends the server with SIGTERM; it must drain and exit with 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_S) == 0

    def kill(self) -> None:
        """Ends the server with SIGKILL."""
        self.process.kill()
        self.process.wait(STOP_S)

    def get(self, path: str) -> tuple[int, str]:
        """Returns the status and body of a GET; status 0 where nobody listens."""
        try:
            with urllib.request.urlopen(f"{self.rest_url}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError as error:
            return 0, str(error.reason)

    def wait_ready(self, timeout_s: float = READY_S) -> Self:
        """Waits until `/readyz` says 200."""
        wait_for(lambda: self.get("/readyz")[0] == 200, "the server is ready", timeout_s)
        return self

    def wait_event(self, kind: str, version: int, timeout_s: float = READY_S) -> None:
        """Waits until something has happened to a version."""
        wait_for(lambda: self._has(kind, version), f"version {version} is {kind}", timeout_s)

    def _has(self, kind: str, version: int) -> bool:
        lines = list(self.lines)
        return any(line.get("event") == kind and line.get("version") == version for line in reversed(lines))

    def events(self) -> list[Event]:
        """Returns the life-cycle events so far."""
        lines = [line for line in list(self.lines) if "event" in line]
        # Both clocks are read together, so that the log's wall clock can be told in the monotonic one.
        offset_s = time.monotonic() - time.time()
        return [
            Event(
                line["event"],
                line["model"],
                line["version"],
                round((datetime.fromisoformat(line["time"]).timestamp() + offset_s) * 1e9),
            )
            for line in lines
        ]

    def usage(self) -> Usage:
        """Returns what the server holds now."""
        return usage(self.pid)

    def _read_log(self) -> None:
        for line in _pipe(self.process.stderr):
            try:
                self.lines.append(json.loads(line))
            except json.JSONDecodeError:
                self.lines.append({"message": line})


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
