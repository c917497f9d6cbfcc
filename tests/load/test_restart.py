"""A rolling restart: the next server binds the same ports, the former drains, and clients notice nothing."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np
import pytest
import requests

from tests.support.load_models import answers, random_rows, save_mlp
from tests.support.served import ServedProcess, wait_for
from turnout._dataplane import decode_predict_response, encode_predict_request

RESTARTS = 3
SETTLED_CALLS = 200
"""Calls of every client between two restarts."""
CLIENTS = 3
"""Of each kind."""
TOLERANCE = 1e-4

Call = Callable[[], float]


class Caller(threading.Thread):
    """Calls without rest until it is told to stop; keeps the first failure."""

    def __init__(self, call: Call, expected: float) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._expected = expected
        self._ended = threading.Event()
        self.calls = 0
        self.failure: str | None = None

    def run(self) -> None:
        """Calls and compares."""
        while not self._ended.is_set() and self.failure is None:
            started = time.monotonic()
            try:
                value = self._call()
            except Exception as error:  # whatever a client raises is what the test is about
                self.failure = f"after {self.calls} calls, {time.monotonic() - started:.3f} s: {error!r}"
                return
            if abs(value - self._expected) > TOLERANCE:
                self.failure = f"expected {self._expected}, got {value}"
            self.calls += 1

    def stop(self) -> None:
        """Ends after the present call."""
        self._ended.set()
        self.join(10)


def _session_call(url: str, body: Any) -> Call:
    """Keep-alive: one `requests` session."""
    session = requests.Session()
    return lambda: _value(session.post(url, json=body, timeout=10))


def _single_call(url: str, body: Any) -> Call:
    """A connection for every call."""
    return lambda: _value(requests.post(url, json=body, timeout=10))


def _value(answer: requests.Response) -> float:
    answer.raise_for_status()
    return answer.json()["predictions"][0][0]


def _grpc_call(address: str, message: bytes) -> Call:
    """One channel, with grpcio's own way of reconnecting."""
    # A channel of its own: grpcio shares connections between channels with equal arguments.
    channel: Any = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
    method: Any = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    def call() -> float:
        _, outputs = decode_predict_response(method(message, timeout=10))
        data = outputs[0][3]
        assert isinstance(data, bytearray)
        return float(np.frombuffer(data, np.float32)[0])

    return call


def _make_callers(server: ServedProcess, file: Path) -> list[Caller]:
    row = random_rows(1, 1)
    expected = float(answers(file, row)[0])
    url = f"{server.rest_url}/v1/models/m:predict"
    body = {"instances": row.tolist()}
    message = encode_predict_request("m", None, "", [("x", "float32", row.shape, row.tobytes())])
    calls = [
        *(_session_call(url, body) for _ in range(CLIENTS)),
        *(_single_call(url, body) for _ in range(CLIENTS)),
        *(_grpc_call(server.grpc_address, message) for _ in range(CLIENTS)),
    ]
    return [Caller(call, expected) for call in calls]


def _wait_calls(callers: Sequence[Caller]) -> None:
    """Waits until every client has made some more calls, or one has failed."""
    goals = [caller.calls + SETTLED_CALLS for caller in callers]

    def done() -> bool:
        pairs = zip(callers, goals, strict=True)
        return any(caller.failure for caller in callers) or all(caller.calls >= goal for caller, goal in pairs)

    wait_for(done, f"every client makes {SETTLED_CALLS} calls", timeout_s=30)
    assert not [caller.failure for caller in callers if caller.failure]


@pytest.mark.timeout(180)
def test_rolling_restarts_fail_no_call(tmp_path: Path) -> None:
    file = save_mlp(tmp_path / "m.onnx", 1)
    server = ServedProcess(file, tmp_path, ["--reuse-port"]).wait_ready()
    ports = [str(urlsplit(url).port) for url in (server.rest_url, f"//{server.grpc_address}")]
    options = ["--reuse-port", "--rest-port", ports[0], "--grpc-port", ports[1]]
    callers = _make_callers(server, file)
    try:
        for caller in callers:
            caller.start()
        _wait_calls(callers)
        for _ in range(RESTARTS):
            following = ServedProcess(file, tmp_path, options)
            following.wait_event("serving", 1)
            with server:
                server.stop()
            server = following
            _wait_calls(callers)
        for caller in callers:
            caller.stop()
        assert not [caller.failure for caller in callers if caller.failure]
    finally:
        with server:
            server.stop()
