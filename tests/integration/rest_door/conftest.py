"""A server whose REST door is held to TensorFlow Serving's contract, line by line."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest

import turnout
from tests.support.models import add_orders, add_version, wait_settled

FIXTURES = Path(__file__).parents[3] / "crates" / "turnout-engine" / "tests" / "fixtures" / "onnx"
IDENTITIES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "bfloat16", "float32", "float64", "string",
)  # fmt: skip


def add_model(repository: Path, name: str, dtype: int, outputs: Sequence[tuple[str, int, Any]], nodes: Any) -> None:
    """Writes an ONNX model with the one input `x` of any number of values."""
    graph = onnx.helper.make_graph(
        nodes,
        name,
        [onnx.helper.make_tensor_value_info("x", dtype, ["n"])],
        [onnx.helper.make_tensor_value_info(*output) for output in outputs],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def add_odd_models(repository: Path) -> None:
    """Writes models whose answers are special: bytes, a scalar, and outputs of different lengths."""
    node, kinds = onnx.helper.make_node, onnx.TensorProto
    copies = [node("Identity", ["x"], ["image_bytes"]), node("Identity", ["x"], ["text"])]
    add_model(
        repository, "raw", kinds.STRING, [(name, kinds.STRING, ["n"]) for name in ("image_bytes", "text")], copies
    )
    total = [node("ReduceSum", ["x"], ["y"], keepdims=0)]
    add_model(repository, "total", kinds.FLOAT, [("y", kinds.FLOAT, [])], total)
    pair = onnx.helper.make_tensor("pair", kinds.FLOAT, [2], [1.0, 2.0])
    uneven = [node("Identity", ["x"], ["a"]), node("Constant", [], ["b"], value=pair)]
    add_model(repository, "uneven", kinds.FLOAT, [("a", kinds.FLOAT, ["n"]), ("b", kinds.FLOAT, [2])], uneven)


@pytest.fixture(scope="package")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that return what they get, models with odd answers, two versions of one, and one that is broken."""
    root = tmp_path_factory.mktemp("repository")
    for dtype in IDENTITIES:
        (root / dtype / "1").mkdir(parents=True)
        shutil.copy(FIXTURES / f"identity_{dtype}.onnx", root / dtype / "1" / "model.onnx")
    add_orders(root)
    add_odd_models(root)
    add_version(root, "iris", 1)
    add_version(root, "iris", 20)
    (root / "broken" / "3").mkdir(parents=True)
    (root / "broken" / "3" / "model.onnx").write_text("this is no model")
    (root / "empty").mkdir()
    return root


def serve(repository: Path, folder: Path, **own: Any) -> Iterator[str]:
    """The URL of a server."""
    settings = {"cache_dir": str(folder), "settle_ms": 0, "loops": 1, **own}
    models = {"policy": "all", "labels": {"stable": 1, "a b": 20, "gone": 7}}
    with turnout.Server(repository, settings=settings, model_settings=models) as server:
        yield wait_settled(server).rest_url


@pytest.fixture(scope="package")
def url(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as it is by default."""
    yield from serve(repository, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="package")
def strict_url(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A strict server that lets web pages in."""
    yield from serve(repository, tmp_path_factory.mktemp("cache"), rest_mode="strict", rest_cors=True)
