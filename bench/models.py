"""The models that are measured: real ones, made here, so that anybody can make them again."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import xgboost
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import turnout
from tests.support.load import Body
from tests.support.load_models import save_mlp
from tests.support.savedmodel import make_models as make_saved_models

# None of these has types that pyright could check, or only in part.
_ONNX: Any = onnx
_RUNTIME: Any = onnxruntime
_XGBOOST: Any = xgboost

BODIES = 16
TREES = 100
TREE_DEPTH = 6
TREE_FEATURES = 64
IMAGE = (1, 28, 28)
CHANNELS = (1, 96, 160, 160)
CLASSES = 10


@dataclass(frozen=True, slots=True)
class BenchModel:
    """A model, and requests of one row with their right answers.

    Attributes:
        name: what it is served as.
        meaning: what it is, in words, for the page.
        engine: what it is for.
        path: the ONNX file, or the SavedModel's folder.
        bodies: the requests.
        tolerance: how far an answer may be off; merged calls differ in their last bits.
        options: of `turnout serve`, for this model.
    """

    name: str
    meaning: str
    engine: str
    path: Path
    bodies: list[Body]
    tolerance: float
    options: tuple[str, ...] = ()


def make_models(folder: Path) -> list[BenchModel]:
    """Makes all models; the same bytes each time."""
    makers: list[tuple[str, str, Callable[[Path], tuple[int, ...]]]] = [
        ("mlp", "perceptron 8-32-32-1", _make_mlp),
        ("trees", f"XGBoost, {TREES} trees of depth {TREE_DEPTH}, {TREE_FEATURES} features", _make_trees),
        ("conv", "convolutions of 28×28 images, three layers, 10 classes", _make_conv),
    ]
    models = [_finish(name, meaning, folder / f"{name}.onnx", make) for name, meaning, make in makers]
    return [*models, *_make_half_plus_two(folder)]


def _finish(name: str, meaning: str, file: Path, make: Callable[[Path], tuple[int, ...]]) -> BenchModel:
    shape = make(file)
    options = _RUNTIME.SessionOptions()
    options.intra_op_num_threads = 1
    session = _RUNTIME.InferenceSession(file, options)
    bodies: list[Body] = []
    for seed in range(BODIES):
        row = np.round(np.random.default_rng(seed).standard_normal((1, *shape)), 3).astype(np.float32)
        answer: NDArray[np.float32] = session.run(None, {"x": row})[0]
        bodies.append(Body(row, {1: answer.astype(np.float64).ravel().tolist()}))
    return BenchModel(name, meaning, "onnx", file, bodies, tolerance=1e-4)


def _make_half_plus_two(folder: Path) -> list[BenchModel]:
    """A graph that does next to nothing: what is measured is everything around it. Twice: without and with batching."""
    make_saved_models(folder, "half_plus_two")
    rows = [np.full((1, 1), number / 4, np.float32) for number in range(BODIES)]
    bodies = [Body(row, {1: [float(row[0, 0]) / 2 + 2]}) for row in rows]
    path = folder / "models" / "half_plus_two" / "1"
    ways = [
        ("half_plus_two", "SavedModel, 0.5 x + 2; requests are never merged", "never"),
        ("half_plus_two_batched", 'the same with `merge = "always"`, as `--enable_batching` has it', "always"),
    ]
    return [
        BenchModel(name, meaning, "savedmodel", path, bodies, 1e-6, ("--set", f"model.merge={merge}"))
        for name, meaning, merge in ways
    ]


def _make_mlp(file: Path) -> tuple[int, ...]:
    save_mlp(file, 0)
    return (8,)


def _make_trees(file: Path) -> tuple[int, ...]:
    random = np.random.default_rng(5)
    rows = random.standard_normal((4000, TREE_FEATURES)).astype(np.float32)
    target = rows[:, 0] * rows[:, 1] + np.sin(rows[:, 2]) + rows[:, 3:].sum(axis=1) / 8
    model = _XGBOOST.XGBRegressor(n_estimators=TREES, max_depth=TREE_DEPTH, n_jobs=1, random_state=0)
    model.fit(rows, target)
    with tempfile.TemporaryDirectory() as repository:
        pushed = turnout.push(model, "trees", repository=repository, sample=rows)
        shutil.copy(pushed.path / "model.onnx", file)
    return (TREE_FEATURES,)


def _make_conv(file: Path) -> tuple[int, ...]:
    random = np.random.default_rng(6)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def weight(name: str, *shape: int) -> str:
        values = random.standard_normal(shape).astype(np.float32) / np.float32(np.sqrt(np.prod(shape[1:])))
        weights.append(numpy_helper.from_array(values, name))
        return name

    current = "x"
    for layer, (inputs, outputs) in enumerate(pairwise(CHANNELS)):
        if layer:
            pool = helper.make_node("MaxPool", [current], [f"pool{layer}"], kernel_shape=[2, 2], strides=[2, 2])
            nodes.append(pool)
            current = f"pool{layer}"
        kernel = weight(f"kernel{layer}", outputs, inputs, 3, 3)
        nodes.append(helper.make_node("Conv", [current, kernel], [f"conv{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"]))
        current = f"relu{layer}"
    nodes += [
        helper.make_node("GlobalAveragePool", [current], ["average"]),
        helper.make_node("Flatten", ["average"], ["flat"]),
        helper.make_node("MatMul", ["flat", weight("head", CHANNELS[-1], CLASSES)], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *IMAGE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", CLASSES])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    _ONNX.checker.check_model(model)
    _ONNX.save(model, file)
    return IMAGE
