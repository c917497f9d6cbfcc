"""A `turnout serve` in a process of its own, on free ports."""

import json
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import turnout
from tests.support.command import COMMAND, clean_environment

START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20


class ServeProcess:
    """Use as a context manager; what still runs at the end is killed.

    Attributes:
        process: the process.
        rest_url: where REST listens.
        grpc_url: where gRPC listens.
    """

    def __init__(self, home: Path, *arguments: str | Path, variables: Mapping[str, str] | None = None) -> None:
        self._log = home / "serve.log"
        words = [*COMMAND, "serve", *map(str, arguments), "--rest-port", "0", "--grpc-port", "0", "--json"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                words,
                cwd=home,
                env=clean_environment(home, **(variables or {})),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        stdout: IO[str] | None = self.process.stdout
        line = stdout.readline() if stdout else ""
        if not line:
            self.process.wait(STOP_TIMEOUT_S)
            raise AssertionError(f"the server did not start: {self.log}")
        addresses = json.loads(line)
        self.rest_url: str = addresses["rest_url"]
        self.grpc_url: str = addresses["grpc_url"]

    @property
    def log(self) -> str:
        """What it has said on standard error."""
        return self._log.read_text()

    def wait_ready(self) -> Self:
        """Waits until `/readyz` says yes."""
        with turnout.Client(self.rest_url) as client:
            for _ in range(START_TIMEOUT_S * 20):
                if client.ready():
                    return self
                try:
                    self.process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
                break
        raise AssertionError(f"the server is not ready: {self.log}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Waits for the end and returns the exit code."""
        return self.process.wait(STOP_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)
        if self.process.stdout:
            self.process.stdout.close()
