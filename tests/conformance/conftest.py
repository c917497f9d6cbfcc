"""One body of tests over every door: in process, REST and gRPC, against the same models in one running server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import turnout
from tests.support.doors import Door, InProcess
from tests.support.models import add_orders

MODELS = Path(__file__).parents[2] / "crates" / "turnout-engine" / "tests" / "fixtures" / "onnx"
IDENTITIES = sorted(path.stem for path in MODELS.glob("identity_*.onnx") if "complex" not in path.stem)
SERVED = (*IDENTITIES, "linear", "lookup", "mlp", "rank8", "scalar", "two_heads", "exclaim")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of bare version folders."""
    root = tmp_path_factory.mktemp("repository")
    for name in SERVED:
        (root / name / "1").mkdir(parents=True)
        shutil.copy(MODELS / f"{name}.onnx", root / name / "1" / "model.onnx")
    add_orders(root)
    return root


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[turnout.Server]:
    """A server with both doors on free ports."""
    with turnout.Server(repository, rest_port=0, grpc_port=0) as server:
        server.wait_ready(timeout_s=60)
        yield server


@pytest.fixture(scope="session", params=["in process", "REST", "gRPC"])
def door(request: pytest.FixtureRequest, repository: Path) -> Iterator[Door]:
    """Each door in turn."""
    if request.param == "in process":
        yield InProcess(repository)
        return
    server: turnout.Server = request.getfixturevalue("server")
    url = server.rest_url if request.param == "REST" else f"grpc://{server.grpc_address}"
    with turnout.Client(url) as client:
        yield client
