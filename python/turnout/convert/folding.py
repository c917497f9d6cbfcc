"""The thresholds that trees have on the wire, with the scalers and imputers before the trees folded into them.

Nothing is left to float32 arithmetic: each threshold is the greatest float32 for which the framework's own arithmetic
and comparison, in float64, go to the left.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from turnout.convert.columns import Source
from turnout.convert.trees import Comparison, Ensemble, Tree

NEARLY_DECIMAL = 1e-12
"""A threshold that is so near to a short decimal, relative to its size, is taken for that decimal and rounding."""


def fold(ensemble: Ensemble, sources: Sequence[Source | None], width: int) -> Ensemble | None:
    """Rewrites an ensemble for the columns that its features come from.

    Args:
        ensemble: trees that compare the transformed columns.
        sources: for each transformed column, where it comes from. One that has no such source is still to be computed;
            in the result it stands behind the columns, in its place among the transformed ones.
        width: the number of columns.

    Returns:
        None where it cannot be done.
    """
    known = [source or Source(width + index) for index, source in enumerate(sources)]
    if any(source.scale <= 0 for source in known):
        return None
    touched = {index for index, source in enumerate(known) if source.steps or source.fill is not None}
    if any(int(tree.feature[node]) in touched for tree in ensemble.trees for node in tree.categories):
        return None
    rules = _rules(ensemble, known)
    return replace(ensemble, trees=tuple(_fold_tree(tree, known, rules) for tree in ensemble.trees))


def fold_nothing(ensemble: Ensemble, width: int) -> Ensemble:
    """Returns the ensemble with the thresholds for the wire that its own columns need."""
    return fold(ensemble, [Source(index) for index in range(width)], width) or ensemble


@dataclass(frozen=True, slots=True)
class _Rule:
    """What becomes of the thresholds of one feature.

    Attributes:
        thresholds: all of them, sorted.
        undone: the same for the column.
        wire: the same for the wire.
        fill_passes: whether a missing value goes left; None where it stays missing.
    """

    thresholds: NDArray[np.float64]
    undone: NDArray[np.float64]
    wire: NDArray[np.float32]
    fill_passes: NDArray[np.bool_] | None


def _rules(ensemble: Ensemble, sources: Sequence[Source]) -> dict[int, _Rule]:
    """Works out each threshold once, since an ensemble has the same ones many times."""
    found: dict[int, set[float]] = {}
    for tree in ensemble.trees:
        for feature, threshold in zip(tree.feature[tree.splits], tree.threshold[tree.splits], strict=True):
            found.setdefault(int(feature), set()).add(float(threshold))
    return {feature: _rule(np.array(sorted(values)), sources[feature], ensemble) for feature, values in found.items()}


def _rule(thresholds: NDArray[np.float64], source: Source, ensemble: Ensemble) -> _Rule:
    fill_passes = None
    if source.fill is not None:
        fill = np.full(len(thresholds), source.fill)
        fill_passes = _passes(fill, thresholds, ensemble.comparison, single=ensemble.single)
    # An infinite threshold tells missing values from all others; it is the same everywhere.
    wire, finite = thresholds.astype(np.float32), np.isfinite(thresholds)
    wire[finite] = wire_thresholds(thresholds[finite], source, ensemble.comparison, single=ensemble.single)
    return _Rule(thresholds, thresholds if source.is_plain else source.undo(thresholds), wire, fill_passes)


def _fold_tree(tree: Tree, sources: Sequence[Source], rules: Mapping[int, _Rule]) -> Tree:
    threshold, wire = tree.threshold.copy(), tree.threshold.astype(np.float32)
    column, missing_left = tree.feature.copy(), tree.missing_left.copy()
    for node in tree.splits.tolist():
        feature = int(tree.feature[node])
        rule = rules[feature]
        place = int(np.searchsorted(rule.thresholds, tree.threshold[node]))
        column[node] = sources[feature].column
        threshold[node], wire[node] = rule.undone[place], rule.wire[place]
        if rule.fill_passes is not None:
            missing_left[node] = rule.fill_passes[place]
    return replace(tree, feature=column, threshold=threshold, missing_left=missing_left, wire_threshold=wire)


def wire_thresholds(
    thresholds: NDArray[np.float64], source: Source, comparison: Comparison, *, single: bool
) -> NDArray[np.float32]:
    """Returns what ONNX compares a column's float32 values with.

    A float32 on the wire stands for many numbers of float64. It is taken for the shortest decimal among them: data in
    whole and decimal numbers lie on thresholds. Where a threshold of float64 is no such decimal, not even but for
    rounding, the float32 nearest to it is taken for the threshold, which may be a value of the training data.
    Thresholds that are compared by `<` always are such values, and scaled values have been rounded: there a float32 is
    left of the threshold only if all that it stands for is.

    Args:
        thresholds: of the transformed column, in the framework's precision.
        source: where the transformed column comes from.
        comparison: how the framework compares.
        single: whether the framework makes float32 of the transformed values first.
    """
    undone = thresholds if source.is_plain else source.undo(thresholds)
    nearest = undone.astype(np.float32)

    def passes(wire: NDArray[np.float32]) -> NDArray[np.bool_]:
        decimal = shortest_decimals(wire)
        meant = decimal if source.is_plain or comparison == "<=" else _next_boundary(wire)
        left = _passes(source.apply(meant), thresholds, comparison, single=single)
        if single:
            return left
        return np.where((wire == nearest) & ~is_nearly(decimal, undone), comparison == "<=", left)

    precision = _FLOAT32_STEPS * np.spacing(np.abs(thresholds).astype(np.float32)).astype(np.float64)
    lowest = _order(source.undo(thresholds - precision)) - _FLOAT32_STEPS
    highest = _order(source.undo(thresholds + precision)) + _FLOAT32_STEPS
    greatest = _greatest(passes, lowest, highest)
    limit = greatest if comparison == "<=" else np.nextafter(greatest, np.float32(np.inf))
    return np.where(np.isfinite(limit), limit, nearest)


def _next_boundary(wire: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the greatest numbers that float32 values may stand for."""
    above = np.nextafter(wire, np.float32(np.inf))
    return (wire.astype(np.float64) + above.astype(np.float64)) / 2


_FLOAT32_STEPS = 4
"""Float32 numbers around a threshold, of the column and of its transformation, within which the decision changes."""


def _greatest(
    passes: Callable[[NDArray[np.float32]], NDArray[np.bool_]], lowest: NDArray[np.int64], highest: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Returns the greatest float32 that passes, found by halving; `lowest` and `highest` are places in their order."""
    while (highest - lowest > 1).any():
        middle = (lowest + highest) // 2
        left = passes(_ordered(middle))
        lowest, highest = np.where(left, middle, lowest), np.where(left, highest, middle)
    return _ordered(lowest)


def _order(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the places of the nearest float32 numbers in the order of all."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFF_FFFF), bits)


def _ordered(places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns the float32 numbers at places in the order of all."""
    bits = np.where(places < 0, -places | 0x8000_0000, places)
    return bits.astype(np.uint32).view(np.float32)


def is_nearly(decimals: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns which thresholds are decimals but for rounding."""
    return np.abs(decimals - thresholds) <= NEARLY_DECIMAL * np.abs(thresholds)


def shortest_decimals(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the shortest decimals that mean these numbers, as float64: what people and JSON write for them."""
    return values.astype(np.str_).astype(np.float64)


def _passes(
    values: NDArray[np.float64], thresholds: NDArray[np.float64], comparison: Comparison, *, single: bool
) -> NDArray[np.bool_]:
    compared = values.astype(np.float32).astype(np.float64) if single else values
    return compared < thresholds if comparison == "<" else compared <= thresholds
