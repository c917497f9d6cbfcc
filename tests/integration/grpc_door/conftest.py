"""A server whose gRPC door is spoken to by clients that know nothing of Turnout."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import turnout
from tests.support.models import add_version, wait_settled

MODELS = Path(__file__).parents[3] / "crates" / "turnout-engine" / "tests" / "fixtures" / "onnx"
IDENTITIES = ("bool", "float32", "float64", "int8", "int16", "int32", "int64", "string", "uint8", "uint16", "uint32")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[turnout.Server]:
    """Two versions of the iris model, and models that give back what they get."""
    repository = tmp_path_factory.mktemp("repository")
    add_version(repository, "iris", 1)
    add_version(repository, "iris", 2)
    for dtype in IDENTITIES:
        folder = repository / dtype / "1"
        folder.mkdir(parents=True)
        shutil.copy(MODELS / f"identity_{dtype}.onnx", folder / "model.onnx")
    settings = {"cache_dir": str(tmp_path_factory.mktemp("cache")), "settle_ms": 0, "loops": 1}
    with turnout.Server(repository, settings=settings, model_settings={"policy": "all"}) as server:
        yield wait_settled(server)


@pytest.fixture(scope="package")
def channel(server: turnout.Server) -> Iterator[Any]:
    """A plain channel, without limits of its own on the size of messages."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    assert server.grpc_address is not None
    with grpc.insecure_channel(server.grpc_address, options=options) as channel:
        yield channel
