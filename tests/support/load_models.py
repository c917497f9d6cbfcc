"""Models for tests under load: small, real, and telling by their answers which version gave them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.support.load import Body
from turnout.repository.manifest import Manifest
from turnout.repository.publish import open_staging

FEATURES = 8
_ONNX: Any = onnx  # its functions are typed in part only
_RUNTIME: Any = onnxruntime  # not typed
TABLE_WIDTH = 16


def save_mlp(path: Path, version: int, *, table_bytes: int = 0) -> Path:
    """Writes a perceptron 8-32-32-1 whose answers lie `version` above those of version 0.

    Args:
        path: the file; its folder is made.
        version: added to every answer.
        table_bytes: where it is above 0 the model also looks up a row of a float32 table of this size, as recommenders
            do, chosen by the first feature; version and table leave the other answers as they are.
    """
    random = np.random.default_rng(7)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    current = "x"
    for layer, (inputs, outputs) in enumerate([(FEATURES, 32), (32, 32), (32, 1)]):
        scale = np.float32(1 / np.sqrt(inputs))
        bias = random.standard_normal(outputs).astype(np.float32)
        weights += [
            numpy_helper.from_array(random.standard_normal((inputs, outputs)).astype(np.float32) * scale, f"w{layer}"),
            numpy_helper.from_array(bias + np.float32(version if layer == 2 else 0), f"b{layer}"),
        ]
        nodes.append(helper.make_node("Gemm", [current, f"w{layer}", f"b{layer}"], [f"g{layer}"]))
        current = f"h{layer}" if layer < 2 else f"g{layer}"
        if layer < 2:
            nodes.append(helper.make_node("Relu", [f"g{layer}"], [current]))
    if table_bytes:
        nodes += _lookup(current, weights, table_bytes // (4 * TABLE_WIDTH))
        current = "looked_up"
    nodes.append(helper.make_node("Identity", [current], ["y"]))
    return _save(path, nodes, weights)


def _lookup(current: str, weights: list[onnx.TensorProto], rows: int) -> list[onnx.NodeProto]:
    """Adds the sum of the row |x[0]| × 1000 of a table to the answer. The table is zero but in every second column."""
    table = np.zeros((rows, TABLE_WIDTH), np.float32)
    table[:, 0] = np.arange(rows) % 7 / 100
    table[:, 1:] = np.random.default_rng(3).standard_normal((1, TABLE_WIDTH - 1), np.float32) / 100
    weights += [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([0], np.int64), "first"),
        numpy_helper.from_array(np.array([1], np.int64), "columns"),
        numpy_helper.from_array(np.array(1000, np.float32), "thousand"),
    ]
    return [
        helper.make_node("Gather", ["x", "first"], ["column"], axis=1),
        helper.make_node("Abs", ["column"], ["positive"]),
        helper.make_node("Mul", ["positive", "thousand"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["place"], to=TensorProto.INT64),
        helper.make_node("GatherND", ["table", "place"], ["row"]),
        helper.make_node("ReduceSum", ["row", "columns"], ["sum"], keepdims=1),
        helper.make_node("Add", [current, "sum"], ["looked_up"]),
    ]


def _save(path: Path, nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto]) -> Path:
    graph = helper.make_graph(
        nodes,
        "load",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    _ONNX.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    _ONNX.save(model, path)
    return path


def answers(path: Path, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns what ONNX Runtime's own session answers."""
    options = _RUNTIME.SessionOptions()
    options.intra_op_num_threads = 1
    session = _RUNTIME.InferenceSession(path, options)
    return np.asarray(session.run(None, {"x": rows})[0], np.float64).ravel()


def random_rows(count: int, seed: int) -> NDArray[np.float32]:
    """Returns rows of plausible features with few digits."""
    values = np.random.default_rng(seed).standard_normal((count, FEATURES))
    return np.round(values, 3).astype(np.float32)


def make_bodies(path: Path, *, count: int = 16, rows: int = 1, version: int = 1) -> list[Body]:
    """Returns requests, and as the right answers those of the model file, which is served as `version`."""
    inputs = [random_rows(rows, seed) for seed in range(count)]
    return [Body(row, {version: answers(path, row).tolist()}) for row in inputs]


def publish(repository: Path, model: str, version: int, *, table_bytes: int = 0) -> Path:
    """Publishes a perceptron as `turnout push` would, without the trial; returns the version's folder."""
    with open_staging(repository, model) as staging:
        save_mlp(staging.folder / "model.onnx", version, table_bytes=table_bytes)
        staging.publish(Manifest("onnx", "onnx", "model.onnx", ()), version)
    return repository / model / str(version)
