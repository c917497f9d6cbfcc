"""scikit-learn's trees: read from forests, histogram boosting and single trees, and written without skl2onnx.

skl2onnx loses what happens to missing values in trees and forests, and the link of histogram boosting for counts.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.convert.boosted import Boosted, Link
from turnout.convert.folding import fold_nothing
from turnout.convert.graph import replace_items
from turnout.convert.trees import LEAF, Ensemble, Tree
from turnout.errors import UnsupportedError

_FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
_SINGLE = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
_HISTOGRAM = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
_LINKS = {
    "IdentityLink": Link.IDENTITY,
    "LogLink": Link.EXP,
    "LogitLink": Link.SIGMOID,
    "MultinomialLogit": Link.SOFTMAX,
}


def read(model: Any) -> Boosted | None:
    """Returns the model as a sum of trees; None for a model that is something else, or that skl2onnx knows better.

    Raises:
        UnsupportedError: the trees have something that cannot be converted.
    """
    name = type(model).__name__
    if not type(model).__module__.startswith("sklearn."):
        return None
    if name in _HISTOGRAM:
        return _read_histogram(model)
    if name in _FORESTS:
        return _read_forest(model, [part.tree_ for part in model.estimators_])
    return _read_forest(model, [model.tree_]) if name in _SINGLE else None


def _read_forest(model: Any, parts: list[Any]) -> Boosted | None:
    classes = getattr(model, "classes_", None)
    if is_list(classes) or (classes is not None and len(classes) < 2):
        return None
    trees = tuple(tree_of(part, _leaves(part, is_classifier=classes is not None)) for part in parts)
    outputs = int(trees[0].leaf.shape[1])
    ensemble = Ensemble(trees, outputs, np.zeros(outputs), "<=", single=True, average=len(trees))
    width = int(model.n_features_in_)
    return Boosted(fold_nothing(ensemble, width), width, Link.IDENTITY, classes=classes)


def is_list(value: Any) -> bool:
    """Returns whether a model of several targets has kept something for each of them."""
    return isinstance(value, list)


def _leaves(tree: Any, *, is_classifier: bool) -> NDArray[np.float64]:
    """Returns the shares of the classes, or the values of the targets, for each node."""
    values = np.asarray(tree.value, dtype=np.float64)
    if not is_classifier:
        return values[:, :, 0]
    counts = values[:, 0, :]
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)


def _read_histogram(model: Any) -> Boosted | None:
    categorical = getattr(model, "is_categorical_", None)
    if categorical is not None and np.any(categorical):
        raise UnsupportedError(
            f"`{type(model).__name__}` with categorical columns cannot be converted",
            hint="Encode the categories as numbers (OneHotEncoder, OrdinalEncoder) in a pipeline.",
        )
    link = _LINKS.get(type(model._loss.link).__name__)
    if link is None:
        return None
    trees = [
        histogram_tree(predictor.nodes, output)
        for iteration in model._predictors
        for output, predictor in enumerate(iteration)
    ]
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    ensemble = Ensemble(tuple(trees), len(base), base, "<=")
    width = int(model.n_features_in_)
    return Boosted(fold_nothing(ensemble, width), width, link, classes=getattr(model, "classes_", None))


def trees_of(model: Any) -> Iterator[Tree]:
    """Yields the trees of any model that has some, for drawing rows; what their leaves add is left out."""
    if hasattr(model, "tree_"):
        yield tree_of(model.tree_)
    elif hasattr(model, "_predictors"):
        for predictor in (each for iteration in model._predictors for each in iteration):
            yield histogram_tree(predictor.nodes)
    elif hasattr(model, "estimators_") and not hasattr(model, "estimators_features_"):
        for part in np.asarray(model.estimators_, dtype=object).ravel():
            if hasattr(part, "tree_"):
                yield tree_of(part.tree_)


def mend_missing(graph: Any, model: Any) -> None:
    """Tells the trees in a graph of skl2onnx where missing values go, which it leaves out.

    Nothing is changed where the nodes of the graph are not one by one those of the model's trees.
    """
    trees = [tree for part in _parts(model) for tree in trees_of(part)]
    ensembles = [node for node in graph.graph.node if node.op_type.startswith("TreeEnsemble")]
    ways = [attribute for node in ensembles for attribute in node.attribute if attribute.name == _WAYS]
    if sum(len(way.ints) for way in ways) != sum(len(tree.left) for tree in trees):
        return
    flat = [int(way) for tree in trees for way in (tree.missing_left & (tree.left != LEAF)).tolist()]
    for way in ways:
        count = len(way.ints)
        replace_items(way.ints, flat[:count])
        flat = flat[count:]


_WAYS = "nodes_missing_value_tracks_true"


def _parts(model: Any) -> Iterator[Any]:
    """Yields the models of trees inside of a model, in the order in which skl2onnx writes them."""
    if getattr(model, "steps", None):
        yield from _parts(model.steps[-1][1])
    elif hasattr(model, "estimators_features_") or type(model).__name__ in ("AdaBoostClassifier", "AdaBoostRegressor"):
        for part in model.estimators_:
            yield from _parts(part)
    else:
        yield model


def tree_of(tree: Any, leaf: NDArray[np.float64] | None = None) -> Tree:
    """Reads one of scikit-learn's trees."""
    left = np.asarray(tree.children_left, dtype=np.int64)
    missing = getattr(tree, "missing_go_to_left", None)
    return Tree(
        feature=np.where(left == LEAF, 0, np.asarray(tree.feature, dtype=np.int64)),
        threshold=np.asarray(tree.threshold, dtype=np.float64),
        left=left,
        right=np.asarray(tree.children_right, dtype=np.int64),
        missing_left=np.zeros(len(left), dtype=np.bool_) if missing is None else np.asarray(missing, dtype=np.bool_),
        leaf=np.zeros((len(left), 1)) if leaf is None else leaf,
    )


def histogram_tree(nodes: NDArray[Any], output: int = 0) -> Tree:
    """Reads one of the trees of histogram boosting."""
    is_leaf = nodes["is_leaf"].astype(np.bool_)
    return Tree(
        feature=np.where(is_leaf, 0, nodes["feature_idx"].astype(np.int64)),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=np.where(is_leaf, LEAF, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, LEAF, nodes["right"].astype(np.int64)),
        missing_left=nodes["missing_go_to_left"].astype(np.bool_),
        leaf=nodes["value"].astype(np.float64)[:, np.newaxis],
        first_output=output,
    )
