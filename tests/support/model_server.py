"""A `tensorflow_model_server` in a process of its own, and a client of TensorFlow Serving's own making."""

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

import turnout
from tests.support.command import clean_environment
from tests.support.served import wait_for
from tests.support.serving_stubs import serving_stubs

SOURCES = str(Path(turnout.__file__).parents[1])
"""The very code that the tests have imported."""

MAIN = "from turnout.cli.model_server import {function}; import sys; sys.exit({function}())"
STOP_S = 20
VARIABLES = {"PYTHONPATH": SOURCES, "TURNOUT_LOOPS": "1", "TURNOUT_SETTLE_MS": "0"}


def command(function: str = "main") -> list[str]:
    """The words that run the installed command, from the sources."""
    return [sys.executable, "-c", MAIN.format(function=function)]


def run(home: Path, *flags: str, function: str = "main") -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    words = [*command(function), *flags]
    environment = clean_environment(home, PYTHONPATH=SOURCES)
    return subprocess.run(words, cwd=home, env=environment, capture_output=True, text=True, timeout=STOP_S, check=False)


class ModelServerProcess:
    """For the time of a `with` block, which it must leave in good order.

    Args:
        home: its home, and the folder that it is started in.
        flags: further flags.
        variables: of its environment.
        function: which of the installed commands.

    Attributes:
        rest_port: where REST listens.
        grpc_port: where gRPC listens.
    """

    def __init__(
        self, home: Path, *flags: str, variables: Mapping[str, str] | None = None, function: str = "main"
    ) -> None:
        self._log, self._held = home / "server.log", ExitStack()
        self.rest_port, self.grpc_port = self._reserve(), self._reserve()
        ports = [f"--port={self.grpc_port}", f"--rest_api_port={self.rest_port}"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [*command(function), *ports, *flags],
                cwd=home,
                env=clean_environment(home, **{**VARIABLES, **(variables or {})}),
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def wait_log(self, text: str, timeout_s: float = 20) -> Self:
        """Waits until the log has a text."""

        def is_there() -> bool:
            assert text in self.log or self.process.poll() is None, self.log
            return text in self.log

        wait_for(is_there, f"the log has `{text}`:\n{self.log}", timeout_s)
        return self

    def wait_open(self, timeout_s: float = 20) -> Self:
        """Waits until it says that its ports are open, as start-up scripts do."""
        return self.wait_log("Exporting HTTP/REST API at:localhost:", timeout_s)

    def rest(self, path: str, body: str | None = None) -> tuple[int, str]:
        """Returns the status and body of a request; status 0 where nobody listens."""
        request = urllib.request.Request(
            f"http://localhost:{self.rest_port}{path}", data=None if body is None else body.encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except urllib.error.URLError as error:
            return 0, str(error.reason)

    @contextmanager
    def channel(self, address: str | None = None) -> Generator[Any]:
        """A channel of grpcio, plain but for a name that HTTP/2 can carry where the address is a path."""
        options = [("grpc.default_authority", "localhost")] if address and address.startswith("unix:") else []
        with grpc.insecure_channel(address or f"127.0.0.1:{self.grpc_port}", options=options) as channel:
            yield channel

    def stop(self) -> str:
        """Ends it with SIGTERM; it must drain and exit with 0. Returns the log."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_S) == 0, self.log
        return self.log

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            if self.process.poll() is None and error is None:
                self.stop()
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait(STOP_S)

    def _reserve(self) -> int:
        """Keeps a port from all others but not from a server that reuses addresses: bound, and not listened on."""
        holder = self._held.enter_context(socket.socket())
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def predict(channel: Any, model: str, values: list[float], *, label: str = "", timeout_s: float = 10) -> Any:
    """Calls Predict with a vector `x`, by the stubs of TensorFlow Serving."""
    stubs = serving_stubs()
    request = stubs.predict_pb2.PredictRequest()
    request.model_spec.name = model
    if label:
        request.model_spec.version_label = label
    tensor = request.inputs["x"]
    tensor.dtype = stubs.types_pb2.DT_FLOAT
    tensor.tensor_shape.dim.add(size=len(values))
    tensor.float_val.extend(values)
    return stubs.prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=timeout_s)
