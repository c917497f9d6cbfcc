"""A server of SavedModels that parse Examples and of ONNX models that cannot, and TensorFlow's answers."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import onnx
import pytest

import turnout
from tests.support.examples import BIASES, WEIGHTS, Case, Features, make_example_models
from tests.support.models import add_version, wait_settled
from tests.support.savedmodel import require_tensorflow

FIXTURES = Path(__file__).parents[3] / "crates" / "turnout-engine" / "tests" / "fixtures" / "onnx"
IDENTITIES = ("bool", "float64", "float16", "int8", "int64", "uint8", "uint64", "string")

FLOWERS: list[Features] = [
    {"petals": [1.4, 0.2]},
    {"petals": [4.7, 1.4], "age": [7], "color": [b"blue"]},
    {"petals": [-0.5, 2.0], "age": [-1], "unknown": [1, 2, 3]},
]
HALVES: list[Features] = [{"petals": [1.0, 2.5]}, {"petals": [0.0, -1.0], "age": [9]}]
SHARED: Features = {"age": [40], "color": [b"red"]}

CASES = (
    Case("flowers", "", "classify", FLOWERS),
    Case("flowers", "serving_default", "classify", FLOWERS[:1]),
    Case("flowers", "scores", "classify", FLOWERS),
    Case("flowers", "classes", "classify", FLOWERS),
    Case("flowers", "classes", "classify", HALVES, SHARED),
    Case("flowers", "column", "regress", FLOWERS),
    Case("flowers", "vector", "regress", FLOWERS),
    Case("flowers", "vector", "regress", HALVES, SHARED),
    Case("flowers", "vector", "regress", HALVES, {}),
    Case("flowers", "vector", "regress", [{"age": [2]}, {}], {"petals": [0.25, 0.5]}),
    Case("exported", "", "classify", FLOWERS),
    Case("exported", "regress", "regress", FLOWERS),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A server, and cases with what TensorFlow says of them."""

    server: turnout.Server
    cases: list[tuple[Case, dict[str, Any]]]


def add_onnx(repository: Path, name: str, inputs: list[Any], nodes: list[Any], output: Any, **constants: Any) -> None:
    """Puts a graph into a repository."""
    tensors = [
        onnx.helper.make_tensor(key, onnx.TensorProto.FLOAT, dims, values) for key, (dims, values) in constants.items()
    ]
    graph = onnx.helper.make_graph(nodes, name, inputs, [output], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def add_onnx_models(repository: Path) -> None:
    """The arithmetic of `flowers` without its parser, models that give back what they get, and the iris model."""
    node, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    petals = info("petals", onnx.TensorProto.FLOAT, ["batch", 2])
    age = info("age", onnx.TensorProto.INT64, ["batch"])
    flat = [weight for row in WEIGHTS for weight in row]
    add_onnx(
        repository,
        "plain_scores",
        [petals],
        [node("MatMul", ["petals", "w"], ["p"]), node("Add", ["p", "b"], ["l"]), node("Softmax", ["l"], ["scores"])],
        info("scores", onnx.TensorProto.FLOAT, ["batch", 3]),
        w=([2, 3], flat),
        b=([3], BIASES),
    )
    add_onnx(
        repository,
        "plain_value",
        [petals, age],
        [
            node("MatMul", ["petals", "ones"], ["sum"]),
            node("Cast", ["age"], ["years"], to=onnx.TensorProto.FLOAT),
            node("Add", ["sum", "years"], ["outputs"]),
        ],
        info("outputs", onnx.TensorProto.FLOAT, ["batch"]),
        ones=([2], [1.0, 1.0]),
    )
    for dtype in IDENTITIES:
        folder = repository / dtype / "1"
        folder.mkdir(parents=True)
        shutil.copy(FIXTURES / f"identity_{dtype}.onnx", folder / "model.onnx")
    add_version(repository, "iris", 1)


@pytest.fixture(scope="package")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Everything, served."""
    require_tensorflow()
    folder = tmp_path_factory.mktemp("examples")
    answers = make_example_models(folder, CASES)
    add_onnx_models(folder / "models")
    settings = {"cache_dir": str(tmp_path_factory.mktemp("cache")), "settle_ms": 0, "loops": 1}
    with turnout.Server(folder / "models", settings=settings) as server:
        yield Judged(wait_settled(server), list(zip(CASES, answers, strict=True)))


@pytest.fixture(scope="package")
def server(judged: Judged) -> turnout.Server:
    """The server."""
    return judged.server


@pytest.fixture(scope="package")
def channel(server: turnout.Server) -> Iterator[Any]:
    """A plain channel to it."""
    assert server.grpc_address is not None
    with grpc.insecure_channel(server.grpc_address) as channel:
        yield channel
