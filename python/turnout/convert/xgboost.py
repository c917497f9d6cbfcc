"""XGBoost models: boosters, and scikit-learn wrappers around them, read from the library's own JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from turnout.convert import boosted
from turnout.convert.base import Draws, Head, Kind, Subject, gap_of
from turnout.convert.boosted import Boosted, Link, Missing
from turnout.convert.folding import fold_nothing
from turnout.convert.tables import Layout, Table
from turnout.convert.trees import LEAF, Ensemble, Tree, ranges_of_trees
from turnout.errors import UnsupportedError
from turnout.host.extras import require, versions

_LINKS: Mapping[str, Link] = {
    "binary:hinge": Link.STEP,
    "binary:logistic": Link.SIGMOID,
    "binary:logitraw": Link.IDENTITY,
    "count:poisson": Link.EXP,
    "multi:softmax": Link.ARGMAX,
    "multi:softprob": Link.SOFTMAX,
    "rank:map": Link.IDENTITY,
    "rank:ndcg": Link.IDENTITY,
    "rank:pairwise": Link.IDENTITY,
    "reg:absoluteerror": Link.IDENTITY,
    "reg:gamma": Link.EXP,
    "reg:linear": Link.IDENTITY,
    "reg:logistic": Link.SIGMOID,
    "reg:pseudohubererror": Link.IDENTITY,
    "reg:quantileerror": Link.IDENTITY,
    "reg:squarederror": Link.IDENTITY,
    "reg:squaredlogerror": Link.IDENTITY,
    "reg:tweedie": Link.EXP,
    "survival:aft": Link.EXP,
    "survival:cox": Link.EXP,
}

_LOGIT_BASES = ("binary:logistic", "reg:logistic")
"""Objectives whose base score is kept as a probability."""


def subject(model: Any) -> Subject:
    """Returns a booster or a fitted wrapper as the subject of a conversion.

    Raises:
        UnsupportedError: the model has something that cannot be converted; the message names it.
    """
    xgboost = require("xgboost", "xgboost")
    if isinstance(model, xgboost.Booster):
        return _booster_subject(model, xgboost)
    return _wrapper_subject(model)


def load(path: str) -> Any:
    """Reads a model file: as the wrapper if it carries the attribute of one, otherwise as the booster.

    Raises:
        UnsupportedError: the file is of a wrapper of an unknown kind.
    """
    xgboost = require("xgboost", "xgboost")
    booster = xgboost.Booster(model_file=path)
    attribute = booster.attr("scikit_learn")
    if attribute is None:
        return booster
    kind = cast("dict[str, Any]", json.loads(attribute)).get("_estimator_type")
    wrappers = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}
    if kind not in wrappers:
        raise UnsupportedError(f"the file was saved by a wrapper of an unknown kind: `{kind}`")
    wrapper = getattr(xgboost, wrappers[kind])()
    wrapper.load_model(path)
    return wrapper


def _booster_subject(booster: Any, xgboost: Any) -> Subject:
    record = _read(booster)
    read = _boosted(record, rounds=None, missing=None)
    layout = _layout(record, read.width)

    def matrix(table: Table) -> Any:
        names = list(table.by_name()) if layout.named else None
        types = record["learner"].get("feature_types") or None
        return xgboost.DMatrix(table.matrix(), feature_names=names, feature_types=types)

    def answer(table: Table) -> NDArray[Any]:
        return np.asarray(booster.predict(matrix(table)))

    def gap(table: Table) -> NDArray[Any]:
        return gap_of(np.asarray(booster.predict(matrix(table), output_margin=True)))

    title = f"XGBoost Booster, objective {record['learner']['objective']['name']}: `predict` returns {read.kind.value}"
    return _subject(
        title, layout, (Head("predict", read.kind, answer),), read, gap if read.kind is Kind.LABELS else None
    )


def read_wrapper(model: Any) -> Boosted:
    """Returns the trees of a fitted wrapper, as its `predict` uses them.

    Raises:
        UnsupportedError: the model has something that cannot be converted.
    """
    record = _read(model.get_booster())
    classes = np.asarray(model.classes_) if hasattr(model, "predict_proba") else None
    return _boosted(record, _best_rounds(record), model.missing, classes)


def _wrapper_subject(model: Any) -> Subject:
    record = _read(model.get_booster())
    read = read_wrapper(model)
    layout = _layout(record, read.width)

    def ask(method: Callable[[Any], Any], table: Table) -> NDArray[Any]:
        return np.asarray(method(table.frame() if layout.named else table.matrix()))

    name = type(model).__name__
    if read.classes is None:
        head = Head("predict", read.kind, partial(ask, model.predict))
        return _subject(f"XGBoost {name}: `predict` returns {read.kind.value}", layout, (head,), read, None)
    probabilities = Head("predict_proba", Kind.PROBABILITIES, partial(ask, model.predict_proba))
    heads = (Head("predict", Kind.LABELS, partial(ask, model.predict)), probabilities)

    def gap(table: Table) -> NDArray[Any]:
        return gap_of(probabilities.answer(table))

    return _subject(f"XGBoost {name} (scikit-learn wrapper): `predict` returns labels", layout, heads, read, gap)


def _subject(title: str, layout: Layout, heads: tuple[Head, ...], read: Boosted, gap: Any) -> Subject:
    trees = read.ensemble.trees
    return Subject(
        flavor="xgboost",
        title=title,
        layout=layout,
        heads=heads,
        write=partial(boosted.write, read),
        draws=Draws(ranges_of_trees(trees, read.width), trees, missing=True),
        gap=gap,
        versions=versions(["xgboost", "onnx"]),
    )


def _layout(record: Mapping[str, Any], width: int) -> Layout:
    names: Sequence[str] = record["learner"].get("feature_names") or ()
    return Layout.by_name(names) if names else Layout.matrix(width)


def _read(booster: Any) -> dict[str, Any]:
    return json.loads(bytes(booster.save_raw("json")))


def _best_rounds(record: Mapping[str, Any]) -> int | None:
    """Returns the rounds that the wrapper's `predict` uses: after early stopping, those up to the best one."""
    best = record["learner"]["attributes"].get("best_iteration")
    return None if best is None else int(best) + 1


def _boosted(
    record: Mapping[str, Any], rounds: int | None, missing: float | None, classes: NDArray[Any] | None = None
) -> Boosted:
    learner = record["learner"]
    objective = str(learner["objective"]["name"])
    if objective not in _LINKS:
        raise UnsupportedError(f"this objective of XGBoost cannot be converted: `{objective}`")
    parameters = learner["learner_model_param"]
    width = int(parameters["num_feature"])
    outputs = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    link = _LINKS[objective]
    if classes is not None and link is Link.ARGMAX:
        link = Link.SOFTMAX  # the wrapper has probabilities of such a model, too
    trees = _trees(learner["gradient_booster"], rounds)
    ensemble = Ensemble(trees, outputs, _base(parameters, objective, outputs), "<", single=True)
    return Boosted(
        ensemble=fold_nothing(ensemble, width),
        width=width,
        link=link,
        missing=Missing(None if missing is None or np.isnan(missing) else float(missing)),
        classes=classes,
    )


def _base(parameters: Mapping[str, Any], objective: str, outputs: int) -> NDArray[np.float64]:
    """Returns what the sums start from; the file keeps it as the objective answers, not as the sums are."""
    score = np.atleast_1d(np.array(json.loads(parameters["base_score"]), dtype=np.float64))
    if objective in _LOGIT_BASES:
        score = np.log(score) - np.log1p(-score)
    elif _LINKS[objective] is Link.EXP:
        score = np.log(score)
    return np.broadcast_to(score, (outputs,)).copy()


def _trees(booster: Mapping[str, Any], rounds: int | None) -> tuple[Tree, ...]:
    name = booster["name"]
    if name not in ("gbtree", "dart"):
        raise UnsupportedError(f"this booster of XGBoost cannot be converted: `{name}`")
    model = (booster["gbtree"] if name == "dart" else booster)["model"]
    if any(column["offsets"] or column["values"] for column in model.get("cats", {}).get("enc", ())):
        raise UnsupportedError(
            "an XGBoost model that was fitted on a data frame's categories cannot be converted",
            hint="Fit it on the codes of the categories, with `feature_types`.",
        )
    weights: Sequence[float] = booster.get("weight_drop") or [1.0] * len(model["trees"])
    ends: Sequence[int] = model["iteration_indptr"]
    count = ends[min(rounds, len(ends) - 1)] if rounds is not None else len(model["trees"])
    parts = zip(model["trees"][:count], model["tree_info"], weights, strict=False)
    return tuple(_tree(tree, output, weight) for tree, output, weight in parts)


def _tree(tree: Mapping[str, Any], output: int, weight: float) -> Tree:
    left = np.array(tree["left_children"], dtype=np.int64)
    right = np.array(tree["right_children"], dtype=np.int64)
    conditions = np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    missing_left = np.array(tree["default_left"], dtype=np.bool_)
    leaf = _leaves(tree, left, conditions) * weight
    categories = _categories(tree)
    # XGBoost sends the values of a set to the right, where thresholds send what passes to the left.
    sets = list(categories)
    left[sets], right[sets], missing_left[sets] = right[sets], left[sets], ~missing_left[sets]
    feature = np.array(tree["split_indices"], dtype=np.int64)
    return Tree(feature, conditions, left, right, missing_left, leaf, output, categories)


def _categories(tree: Mapping[str, Any]) -> dict[int, tuple[float, ...]]:
    starts, sizes = tree["categories_segments"], tree["categories_sizes"]
    return {
        int(node): tuple(float(value) for value in tree["categories"][start : start + size])
        for node, start, size in zip(tree["categories_nodes"], starts, sizes, strict=True)
    }


def _leaves(tree: Mapping[str, Any], left: NDArray[np.int64], conditions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what each node adds: a leaf's condition is its value, but for trees of several outputs."""
    width = max(int(tree["tree_param"]["size_leaf_vector"]), 1)
    if width == 1:
        return conditions[:, np.newaxis]
    if "leaf_weights" not in tree:
        raise UnsupportedError("XGBoost trees of several outputs can be converted from version 3.2 on")
    weights = np.array(tree["leaf_weights"], dtype=np.float64).reshape(-1, width)
    leaves = np.zeros((len(left), width))
    right = np.array(tree["right_children"], dtype=np.int64)
    # A leaf keeps the row of its weights where an inner node keeps its right child.
    mask = left == LEAF
    leaves[mask] = weights[right[mask]]
    return leaves
