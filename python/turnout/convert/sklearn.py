"""scikit-learn models, alone or in pipelines: what they answer, and how each is written as a graph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.convert import boosted, lightgbm, sklearn_trees, xgboost
from turnout.convert.base import Draws, Head, Kind, Subject, gap_of
from turnout.convert.boosted import Boosted, Missing
from turnout.convert.columns import text_columns, transformed_columns, used_columns
from turnout.convert.documents import refuse_documents
from turnout.convert.folding import fold
from turnout.convert.graph import MATRIX
from turnout.convert.memory import remember
from turnout.convert.ranges import Range
from turnout.convert.skl2onnx import write_heads, write_steps
from turnout.convert.surgery import beside, chain
from turnout.convert.tables import Layout, Table
from turnout.convert.trees import Ensemble, Tree, ranges_of_trees
from turnout.errors import UnsupportedError
from turnout.host.extras import require, versions

_METHODS = ("predict", "predict_proba", "decision_function", "transform")


def subject(model: Any) -> Subject:
    """Returns a fitted estimator or pipeline as the subject of a conversion.

    Raises:
        UnsupportedError: the model isn't fitted, or has something that cannot be converted.
    """
    refuse_documents(model)
    layout = _layout(model)
    heads = _heads(model, layout)
    trees = _read_trees(model, layout)
    has_labels = heads[0].kind is Kind.LABELS
    return Subject(
        flavor="sklearn",
        title=f"scikit-learn {title(model)}: `{heads[0].method}` returns {heads[0].kind.value}",
        layout=layout,
        heads=heads,
        write=partial(_write_trees, model, layout, trees) if trees else partial(_write, model, layout),
        draws=_draws(model, layout, trees, heads[0]),
        gap=partial(_gap, model, heads[1:]) if has_labels and len(heads) > 1 else None,
        versions=versions(["sklearn", "skl2onnx", "onnx", *_boosted_library(final_of(model))]),
    )


def title(model: Any) -> str:
    """Returns the names of the classes, for people."""
    steps = getattr(model, "steps", None)
    return "Pipeline of " + ", ".join(type(step).__name__ for _, step in steps) if steps else type(model).__name__


def final_of(model: Any) -> Any:
    """Returns the estimator at the end of pipelines."""
    return final_of(model.steps[-1][1]) if getattr(model, "steps", None) else model


def _layout(model: Any) -> Layout:
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        listed = used_columns(model, [str(name) for name in names])
        return Layout.by_name(listed, {name: "string" for name in text_columns(model, listed)})
    width = getattr(model, "n_features_in_", None)
    if width is None:
        raise UnsupportedError(f"`{title(model)}` does not say how many columns it takes", hint="Is it fitted?")
    return Layout.matrix(int(width))


def _heads(model: Any, layout: Layout) -> tuple[Head, ...]:
    """Returns what the model answers; `hasattr` asks it, since pipelines offer what their last step does."""

    def ask(method: str, table: Table) -> NDArray[Any]:
        return np.asarray(getattr(model, method)(table.frame() if layout.named else table.matrix()))

    methods = [method for method in _METHODS if hasattr(model, method)]
    if isinstance(getattr(model, "classes_", None), list):
        methods = ["predict"]  # of several targets, the other methods answer a list of arrays
    elif "predict" in methods and not hasattr(model, "cluster_centers_"):
        methods = [method for method in methods if method != "transform"]
    if not methods or methods[0] not in ("predict", "transform"):
        raise UnsupportedError(f"`{title(model)}` has neither `predict` nor `transform`")
    return tuple(
        Head(
            method, _kind(model, method), partial(ask, method), optional=method in _METHODS[2:] and method != methods[0]
        )
        for method in methods
    )


def _kind(model: Any, method: str) -> Kind:
    if method == "predict":
        is_regressor = require("sklearn.base", "sklearn").is_regressor(model)
        return Kind.VALUES if is_regressor else Kind.LABELS
    return Kind.PROBABILITIES if method == "predict_proba" else Kind.VALUES


def _gap(model: Any, heads: Sequence[Head], table: Table) -> NDArray[np.float64]:
    """Returns how far the best class is ahead: by each of the model's scores, and of those the least."""
    # Distances to the centres of clusters: the least one is the best.
    return np.minimum.reduce(
        [gap_of(-head.answer(table) if head.method == "transform" else head.answer(table)) for head in heads]
    )


def _boosted_library(final: Any) -> list[str]:
    name = type(final).__module__.partition(".")[0]
    return [name] if name in ("xgboost", "lightgbm") else []


def _read_final(final: Any) -> Boosted | None:
    libraries = {"xgboost": xgboost.read_wrapper, "lightgbm": lightgbm.read_wrapper}
    name = type(final).__module__.partition(".")[0]
    return libraries[name](final) if name in libraries else sklearn_trees.read(final)


@dataclass(frozen=True, slots=True)
class _FoldedTrees:
    """A model of trees at the end of a pipeline, with what can be folded of the steps before it folded into it.

    Attributes:
        model: the trees; their features are the columns, and behind them the transformed columns.
        needs_steps: whether any transformed column is still to be computed.
    """

    model: Boosted
    needs_steps: bool


def _read_trees(model: Any, layout: Layout) -> _FoldedTrees | None:
    """Returns a model of trees; None where skl2onnx is needed for all of it."""
    read = _read_final(final_of(model))
    if read is None or len(getattr(model, "steps", ())) < 2:
        return read and _FoldedTrees(read, needs_steps=False)
    names = [column.name for column in layout.columns] if layout.named else None
    columns = transformed_columns(model[:-1], layout.width, names)
    if columns is None or not columns.sources or read.missing != Missing():
        return None
    ensemble = fold(read.ensemble, columns.sources, layout.width)
    used = {int(feature) for tree in read.ensemble.trees for feature in tree.feature[tree.splits]}
    needs_steps = any(columns.sources[feature] is None for feature in used)
    return ensemble and _FoldedTrees(replace(read, ensemble=ensemble, width=layout.width), needs_steps)


def _write_trees(model: Any, layout: Layout, trees: _FoldedTrees, heads: tuple[Head, ...]) -> Any:
    if not trees.needs_steps:
        return boosted.write(trees.model, heads)
    steps = write_steps(model[:-1], layout)
    if [value.name for value in steps.graph.input] == [MATRIX]:
        return chain(beside([MATRIX], steps), boosted.write(trees.model, heads))
    numbers = [index for index, column in enumerate(layout.columns) if column.dtype == "float32"]
    moved = replace(trees.model, ensemble=_without_text(trees.model.ensemble, numbers, layout.width))
    return chain(beside([layout.columns[index].name for index in numbers], steps), boosted.write(moved, heads))


def _without_text(ensemble: Ensemble, numbers: Sequence[int], width: int) -> Ensemble:
    """Closes the gaps that columns of text leave among the features, since no matrix holds them."""
    places = np.zeros(width, dtype=np.int64)
    places[list(numbers)] = np.arange(len(numbers))

    def close(tree: Tree) -> Tree:
        behind = tree.feature - width + len(numbers)
        return replace(
            tree, feature=np.where(tree.feature < width, places[np.minimum(tree.feature, width - 1)], behind)
        )

    return replace(ensemble, trees=tuple(close(tree) for tree in ensemble.trees))


def _draws(model: Any, layout: Layout, trees: _FoldedTrees | None, head: Head) -> Draws:
    names = [column.name for column in layout.columns] if layout.named else None
    memory = remember(model, layout.width, names)
    ranges, seen = memory.ranges, memory.trees
    if trees:
        seen = trees.model.ensemble.trees
        ranges = ranges_of_trees(seen, layout.width, ranges)
    exact = trees is not None and not getattr(model, "steps", None)
    return Draws(ranges, seen, exact, _takes_missing(layout, ranges, head))


def _takes_missing(layout: Layout, ranges: Sequence[Range], head: Head) -> bool:
    """Asks the model itself: frameworks that do not take missing values say so with a `ValueError`."""
    row = tuple(
        np.array([each.categories[0]], dtype=object) if column.dtype == "string" else np.array([np.nan])
        for column, each in zip(layout.columns, ranges, strict=True)
    )
    try:
        answer = head.answer(Table(layout, row))
    except (ValueError, TypeError):
        return False
    return answer.dtype.kind != "f" or not np.isnan(answer).any()


def _write(model: Any, layout: Layout, heads: tuple[Head, ...]) -> Any:
    read = _read_final(final_of(model)) if _boosted_library(final_of(model)) else None
    if read is None:
        return write_heads(model, layout, heads)
    return chain(write_steps(model[:-1], layout), boosted.write(read, heads))
