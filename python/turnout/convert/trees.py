"""Decision trees as plain arrays, and boosted ensembles of them written as one ONNX operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from turnout.convert.graph import ML_DOMAIN, GraphBuilder
from turnout.convert.ranges import Range, ranges_around

LEAF = -1

Comparison: TypeAlias = Literal["<", "<="]
"""How a value is compared with a threshold to go left: XGBoost has `<`, all others have `<=`."""

_MODES: Mapping[str, str] = {"<": "BRANCH_LT", "<=": "BRANCH_LEQ"}


@dataclass(frozen=True, slots=True)
class Tree:
    """One decision tree; every array has an element for each node, and node 0 is the root.

    Attributes:
        feature: the column that is compared.
        threshold: what it is compared with, in the framework's own precision.
        left: the node for values that pass; `LEAF` marks a leaf.
        right: the node for the others.
        missing_left: whether a missing value goes left.
        leaf: what a leaf adds to the outputs, [nodes, outputs].
        first_output: the output that the first column of `leaf` belongs to.
        categories: for nodes that compare with a set, the values that go left.
        wire_threshold: what ONNX compares the column with; None for the float32 nearest to each threshold.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    leaf: NDArray[np.float64]
    first_output: int = 0
    categories: Mapping[int, tuple[float, ...]] = field(default_factory=dict[int, tuple[float, ...]])
    wire_threshold: NDArray[np.float32] | None = None

    @property
    def splits(self) -> NDArray[np.intp]:
        """The nodes that are no leaves."""
        return np.flatnonzero(self.left != LEAF)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A sum of trees.

    Attributes:
        trees: in the order of training.
        outputs: how many sums there are.
        base: what each sum starts from.
        comparison: how values are compared with thresholds.
        single: whether the framework makes float32 of the values before it compares them.
        average: number that the sums are divided by; 1 but for averaged forests.
    """

    trees: tuple[Tree, ...]
    outputs: int
    base: NDArray[np.float64]
    comparison: Comparison
    single: bool = False
    average: float = 1.0


_NODE_ATTRIBUTES = (
    "nodes_treeids",
    "nodes_nodeids",
    "nodes_featureids",
    "nodes_modes",
    "nodes_values",
    "nodes_truenodeids",
    "nodes_falsenodeids",
    "nodes_missing_value_tracks_true",
)
_WEIGHT_ATTRIBUTES = ("target_treeids", "target_nodeids", "target_ids", "target_weights")


class _Attributes:
    """The parallel lists in which ONNX wants an ensemble."""

    def __init__(self) -> None:
        self.values: dict[str, list[Any]] = {name: [] for name in (*_NODE_ATTRIBUTES, *_WEIGHT_ATTRIBUTES)}

    def node(self, tree: int, node: int, mode: str, test: tuple[int, float], ways: tuple[int, int, bool]) -> None:
        row = (tree, node, test[0], mode, test[1], ways[0], ways[1], int(ways[2]))
        for name, value in zip(_NODE_ATTRIBUTES, row, strict=True):
            self.values[name].append(value)

    def weight(self, tree: int, node: int, target: int, weight: float) -> None:
        for name, value in zip(_WEIGHT_ATTRIBUTES, (tree, node, target, weight), strict=True):
            self.values[name].append(value)


def add_ensemble(builder: GraphBuilder, ensemble: Ensemble, matrix: str) -> str:
    """Adds the ensemble to a graph and returns the name of its sums, [batch, outputs] of float32."""
    attributes = _Attributes()
    for index, tree in enumerate(ensemble.trees):
        _add_tree(attributes, index, tree, ensemble)
    return builder.add(
        "TreeEnsembleRegressor",
        matrix,
        domain=ML_DOMAIN,
        n_targets=ensemble.outputs,
        base_values=[float(value) for value in ensemble.base],
        **attributes.values,  # pyright: ignore[reportArgumentType]  # none of them is named `output` or `domain`
    )


def _add_tree(attributes: _Attributes, index: int, tree: Tree, ensemble: Ensemble) -> None:
    free = len(tree.left)
    wire = tree.wire_threshold if tree.wire_threshold is not None else tree.threshold.astype(np.float32)
    for node in range(len(tree.left)):
        if tree.left[node] == LEAF:
            attributes.node(index, node, "LEAF", (0, 0.0), (0, 0, False))
            for column, weight in enumerate(tree.leaf[node]):
                attributes.weight(index, node, tree.first_output + column, float(weight) / ensemble.average)
        elif node in tree.categories:
            free = _add_category_chain(attributes, index, tree, node, free)
        else:
            ways = (int(tree.left[node]), int(tree.right[node]), bool(tree.missing_left[node]))
            test = (int(tree.feature[node]), float(wire[node]))
            attributes.node(index, node, _MODES[ensemble.comparison], test, ways)


def _add_category_chain(attributes: _Attributes, index: int, tree: Tree, node: int, free: int) -> int:
    """Adds one test for each value of the set, each falling through to the next; returns the next free node number."""
    values = tree.categories[node]
    numbers = [node, *range(free, free + len(values) - 1)]
    left, right, missing = int(tree.left[node]), int(tree.right[node]), bool(tree.missing_left[node])
    for number, following, value in zip(numbers, [*numbers[1:], right], values, strict=True):
        attributes.node(index, number, "BRANCH_EQ", (int(tree.feature[node]), value), (left, following, missing))
    return free + len(values) - 1


def thresholds_of_trees(trees: Sequence[Tree], width: int) -> list[NDArray[np.float64]]:
    """Returns for each column the sorted, distinct thresholds that any tree compares it with.

    Features beyond the columns, which are computed from them, are left out, and so are infinite thresholds.
    """
    found: list[set[float]] = [set() for _ in range(width)]
    for tree in trees:
        for node in tree.splits.tolist():
            is_value = node not in tree.categories and np.isfinite(tree.threshold[node])
            if is_value and tree.feature[node] < width:
                found[int(tree.feature[node])].add(float(tree.threshold[node]))
    return [np.array(sorted(values), dtype=np.float64) for values in found]


def ranges_of_trees(trees: Sequence[Tree], width: int, known: Sequence[Range] | None = None) -> tuple[Range, ...]:
    """Returns where the columns' values lie, judged by what the trees compare them with.

    Args:
        trees: all trees of a model.
        width: the number of columns.
        known: what is known from elsewhere of columns that no tree compares with a threshold.
    """
    categories: list[set[float]] = [set() for _ in range(width)]
    for tree in trees:
        for node, values in tree.categories.items():
            if tree.feature[node] < width:
                categories[int(tree.feature[node])].update(values)
    around = ranges_around(thresholds_of_trees(trees, width), known)
    return tuple(
        Range(categories=tuple(float(value) for value in range(int(max(values)) + 1))) if values else numeric
        for values, numeric in zip(categories, around, strict=True)
    )
