"""LightGBM models: boosters, and scikit-learn wrappers around them, read from the library's own description."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.convert import boosted
from turnout.convert.base import Draws, Head, Kind, Subject, gap_of
from turnout.convert.boosted import Boosted, Link, Missing
from turnout.convert.folding import fold_nothing
from turnout.convert.ranges import UNKNOWN, Range
from turnout.convert.tables import Layout, Table
from turnout.convert.trees import LEAF, Ensemble, Tree, ranges_of_trees
from turnout.errors import UnsupportedError
from turnout.host.extras import require, versions

_LINKS: Mapping[str, Link] = {
    "binary": Link.SIGMOID,
    "cross_entropy": Link.SIGMOID,
    "cross_entropy_lambda": Link.SOFTPLUS,
    "fair": Link.IDENTITY,
    "gamma": Link.EXP,
    "huber": Link.IDENTITY,
    "lambdarank": Link.IDENTITY,
    "mape": Link.IDENTITY,
    "multiclass": Link.SOFTMAX,
    "multiclassova": Link.SIGMOID,
    "poisson": Link.EXP,
    "quantile": Link.IDENTITY,
    "rank_xendcg": Link.IDENTITY,
    "regression": Link.IDENTITY,
    "regression_l1": Link.IDENTITY,
    "tweedie": Link.EXP,
}

_ZERO = float(np.float32(boosted.ZERO))
"""The greatest magnitude that counts as zero, as the library has it."""

_GENERATED_NAME = re.compile(r"Column_(\d+)")
"""What LightGBM calls the columns of a matrix."""


def subject(model: Any) -> Subject:
    """Returns a booster or a fitted wrapper as the subject of a conversion.

    Raises:
        UnsupportedError: the model has something that cannot be converted; the message names it.
    """
    lightgbm = require("lightgbm", "lightgbm")
    if isinstance(model, lightgbm.Booster):
        return _booster_subject(model)
    return _wrapper_subject(model)


def load(path: str) -> Any:
    """Reads a model file of text as a booster."""
    return require("lightgbm", "lightgbm").Booster(model_file=path)


def _booster_subject(booster: Any) -> Subject:
    record = booster.dump_model()
    read = _boosted(record)
    layout = _layout(record, read.width)

    def answer(table: Table) -> NDArray[Any]:
        return np.asarray(booster.predict(table.matrix()))

    title = f"LightGBM Booster, objective {record.get('objective', 'none')}: `predict` returns {read.kind.value}"
    return _subject(title, layout, (Head("predict", read.kind, answer),), read, record, None)


def read_wrapper(model: Any) -> Boosted:
    """Returns the trees of a fitted wrapper, as its `predict` uses them.

    Raises:
        UnsupportedError: the model has something that cannot be converted.
    """
    return _boosted(
        model.booster_.dump_model(), np.asarray(model.classes_) if hasattr(model, "predict_proba") else None
    )


def _wrapper_subject(model: Any) -> Subject:
    record = model.booster_.dump_model()
    read = read_wrapper(model)
    layout = _layout(record, read.width)

    def ask(method: str, table: Table) -> NDArray[Any]:
        return np.asarray(getattr(model, method)(table.frame() if layout.named else table.matrix()))

    name = type(model).__name__
    if read.classes is None:
        head = Head("predict", read.kind, partial(ask, "predict"))
        return _subject(f"LightGBM {name}: `predict` returns {read.kind.value}", layout, (head,), read, record, None)
    heads = [
        Head("predict", Kind.LABELS, partial(ask, "predict")),
        Head("predict_proba", Kind.PROBABILITIES, partial(ask, "predict_proba")),
    ]
    if hasattr(model, "decision_function"):
        heads.append(Head("decision_function", Kind.VALUES, partial(ask, "decision_function"), optional=True))

    def gap(table: Table) -> NDArray[Any]:
        return gap_of(heads[1].answer(table))

    title = f"LightGBM {name} (scikit-learn wrapper): `predict` returns labels"
    return _subject(title, layout, tuple(heads), read, record, gap)


def _subject(
    title: str, layout: Layout, heads: tuple[Head, ...], read: Boosted, record: Mapping[str, Any], gap: Any
) -> Subject:
    trees = read.ensemble.trees
    return Subject(
        flavor="lightgbm",
        title=title,
        layout=layout,
        heads=heads,
        write=partial(boosted.write, read),
        draws=Draws(ranges_of_trees(trees, read.width, _known_ranges(record)), trees, missing=True),
        gap=gap,
        versions=versions(["lightgbm", "onnx"]),
    )


def _layout(record: Mapping[str, Any], width: int) -> Layout:
    names: Sequence[str] = record["feature_names"]
    numbers = [_GENERATED_NAME.fullmatch(name) for name in names]
    generated = all(match and int(match[1]) == index for index, match in enumerate(numbers))
    return Layout.matrix(width) if generated else Layout.by_name(names)


def _known_ranges(record: Mapping[str, Any]) -> list[Range]:
    """Returns the ranges of the training data, which the model remembers for the columns that it uses."""
    infos: Mapping[str, Any] = record.get("feature_infos", {})
    return [_known_range(infos.get(name, {})) for name in record["feature_names"]]


def _known_range(info: Mapping[str, Any]) -> Range:
    low, high = info.get("min_value"), info.get("max_value")
    return UNKNOWN if low is None or high is None or low > high else Range(float(low), float(high))


def _boosted(record: Mapping[str, Any], classes: NDArray[Any] | None = None) -> Boosted:
    if record.get("pandas_categorical"):
        raise UnsupportedError(
            "a LightGBM model that was fitted on a data frame's categories cannot be converted",
            hint="Fit it on the codes of the categories, with `categorical_feature`.",
        )
    objective, *words = str(record.get("objective", "none")).split()
    outputs = int(record["num_tree_per_iteration"])
    structures = [tree["tree_structure"] for tree in record["tree_info"]]
    trees = tuple(_tree(structure, index % outputs) for index, structure in enumerate(structures))
    average = len(trees) / outputs if record.get("average_output") else 1.0
    ensemble = Ensemble(trees, outputs, np.zeros(outputs), "<=", average=average)
    width = int(record["max_feature_idx"]) + 1
    zero = any(node.get("missing_type") == "Zero" for structure in structures for node in _walk(structure))
    return Boosted(
        ensemble=fold_nothing(ensemble, width),
        width=width,
        link=_link(objective, words),
        slope=_slope(words),
        missing=Missing(zero=zero),
        classes=classes,
    )


def _link(objective: str, words: Sequence[str]) -> Link:
    if objective in ("none", "custom"):
        return Link.IDENTITY
    if objective not in _LINKS:
        raise UnsupportedError(f"this objective of LightGBM cannot be converted: `{objective}`")
    return Link.SIGNED_SQUARE if "sqrt" in words else _LINKS[objective]


def _slope(words: Sequence[str]) -> float:
    return next((float(word.removeprefix("sigmoid:")) for word in words if word.startswith("sigmoid:")), 1.0)


def _walk(structure: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the nodes of a tree, parents first; without recursion, since trees may be deep."""
    stack = [structure]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node[side] for side in ("right_child", "left_child") if side in node)


def _tree(structure: Mapping[str, Any], output: int) -> Tree:
    nodes = list(_walk(structure))
    number = {id(node): index for index, node in enumerate(nodes)}
    if any("leaf_coeff" in node for node in nodes):
        raise UnsupportedError("LightGBM trees with linear models in their leaves (`linear_tree`) cannot be converted")
    splits = {index: node for index, node in enumerate(nodes) if "split_feature" in node}
    sets = {index: _category_set(node) for index, node in splits.items() if node["decision_type"] == "=="}
    count = len(nodes)
    tree = Tree(
        feature=np.zeros(count, dtype=np.int64),
        threshold=np.zeros(count),
        left=np.full(count, LEAF, dtype=np.int64),
        right=np.full(count, LEAF, dtype=np.int64),
        missing_left=np.zeros(count, dtype=np.bool_),
        leaf=np.array([[node.get("leaf_value", 0.0)] for node in nodes], dtype=np.float64),
        first_output=output,
        categories=sets,
    )
    for index, node in splits.items():
        tree.feature[index] = node["split_feature"]
        tree.left[index] = number[id(node["left_child"])]
        tree.right[index] = number[id(node["right_child"])]
        tree.threshold[index] = 0.0 if index in sets else _threshold(node)
        tree.missing_left[index] = _sends_missing_left(node, sets.get(index))
    return tree


def _threshold(node: Mapping[str, Any]) -> float:
    """Returns a threshold, moved where LightGBM takes values at it for zero, which is above it."""
    threshold = float(node["threshold"])
    return threshold if threshold != -_ZERO else float(np.nextafter(np.float32(-_ZERO), np.float32(-np.inf)))


def _category_set(node: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in str(node["threshold"]).split("||"))


def _sends_missing_left(node: Mapping[str, Any], categories: tuple[float, ...] | None) -> bool:
    """A missing value is in no set of categories. Where training saw none in a column of numbers, it counts as zero."""
    if categories is not None:
        return False
    return bool(node["default_left"]) if node["missing_type"] != "None" else float(node["threshold"]) >= 0.0
