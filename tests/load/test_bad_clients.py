"""Clients that are slow, half there, or gone cost nobody else anything, and are forgotten."""

import socket
import struct
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.load import Group, LoadRun, run_load
from tests.support.load_models import make_bodies, save_mlp
from tests.support.served import ServedProcess, wait_for

CLIENTS = 20
TIMEOUTS = ["--set", "header_timeout_ms=1000", "--set", "idle_timeout_ms=2000"]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
BODY = b'{"instances":[[0,0,0,0,0,0,0,0]]}'
HEAD = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


def _connect(address: str) -> socket.socket:
    parts = urlsplit(address if "//" in address else f"//{address}")
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=5)


def _send(client: socket.socket, data: bytes) -> None:
    """Sends what goes without waiting: a server that stops reading must not stop the test."""
    client.setblocking(False)
    try:
        while data:
            data = data[client.send(data) :]
    except BlockingIOError:
        pass


@contextmanager
def _clients(address: str, data: bytes) -> Generator[list[socket.socket]]:
    """Connects clients that send and then do nothing."""
    with ExitStack() as stack:
        clients = [stack.enter_context(_connect(address)) for _ in range(CLIENTS)]
        for client in clients:
            _send(client, data)
        yield clients


def _vanish(clients: list[socket.socket]) -> None:
    """Resets every connection, as when the network or the machine goes away."""
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()


def test_bad_clients_harm_nobody_and_are_forgotten(tmp_path: Path) -> None:
    file = save_mlp(tmp_path / "m.onnx", 1)
    bodies = make_bodies(file)
    with ServedProcess(file, tmp_path, TIMEOUTS) as server:
        server.wait_ready()
        rest, grpc = server.rest_url, server.grpc_address
        groups = [
            Group("rest", rest, bodies, connections=4, rate_per_s=500),
            Group("grpc", grpc, bodies, connections=2, rate_per_s=500),
        ]
        run_load(groups, duration_s=0.2)
        wait_for(lambda: server.get("/readyz")[0] == 200, "the server is ready")
        quiet = server.usage()
        with LoadRun(groups) as run:
            run.wait_measuring()
            with (
                _clients(rest, (HEAD % len(BODY) + BODY) * 20_000),  # never read the answers
                _clients(rest, HEAD[:30]),  # half a head
                _clients(rest, HEAD % 1000 + BODY),  # half a body
                _clients(rest, b""),  # nothing at all
                _clients(grpc, PREFACE),  # a preface and silence
                _clients(grpc, PREFACE[:10]),  # half a preface
                _clients(rest, HEAD % 1000 + BODY) as gone_rest,
                _clients(grpc, PREFACE) as gone_grpc,
            ):
                _vanish(gone_rest + gone_grpc)
                wait_for(lambda: server.get("/readyz")[0] == 200, "probes are answered meanwhile")
                wait_for(
                    lambda: server.usage().descriptors <= quiet.descriptors + 6,
                    "the server forgets them by its time-outs",
                )
            run.stop().check()
        run_load(groups, duration_s=0.2)
