"""A server in a process of its own, as people start one, on free ports."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from turnout.errors import UnavailableError

_STOP_TIMEOUT_S = 30


class ServerProcess:
    """`turnout serve REPOSITORY`. Use as a context manager; it ends by SIGTERM.

    Attributes:
        rest_url: `http://127.0.0.1:PORT`.
        grpc_url: `grpc://127.0.0.1:PORT`.
        exit_code: what it ended with, once it has.
    """

    def __init__(self, repository: Path, log: Path) -> None:
        self._repository = repository
        self._log = log
        self.exit_code: int | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "turnout", "serve", str(self._repository), "--json"]
        command += ["--rest-port", "0", "--grpc-port", "0"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        addresses = self._addresses()
        self.rest_url = addresses["rest_url"]
        self.grpc_url = f"grpc://{addresses['grpc_address']}"
        return self

    def _addresses(self) -> dict[str, Any]:
        output: IO[str] | None = self._process.stdout
        line = output.readline() if output else ""
        if not line:
            self.stop()
            words = self._log.read_text().strip()
            raise UnavailableError(f"the server did not start: {words or f'exit code {self.exit_code}'}")
        return json.loads(line)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def stop(self) -> int:
        """Ends the server in an orderly way and returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.exit_code = self._process.wait()
        return self.exit_code

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
