"""Rows drawn where a faulty conversion would show: at, beside and between thresholds of trees, at real magnitudes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.convert.base import Draws
from turnout.convert.folding import is_nearly, shortest_decimals
from turnout.convert.ranges import Range
from turnout.convert.tables import Layout, Table
from turnout.convert.trees import Tree, thresholds_of_trees

DRAWN_ROWS = 512
"""Rows at real magnitudes."""

MAX_SPLITS = 1024
"""Splits that are tried from both sides; of more, so many are chosen by chance."""

MISSING_SHARE = 0.1
"""Share of missing values in the rows that have any."""

CLEARANCE = 1e-5
"""Distance from thresholds behind other arithmetic, relative to the values: a hundred times float32's precision."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The values of each column that lead to one node of a tree: above `low`, up to `high`."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def generate(layout: Layout, draws: Draws, seed: int = 0) -> Table:
    """Draws rows for a model; the same rows for the same model.

    Numbers are float64. Whole numbers and those exactly at a threshold are what they are in float64; all others are
    float32 values, of which the wire changes nothing.
    """
    rng = np.random.default_rng(seed)
    numbers = np.vstack([_magnitudes(draws.ranges, rng), *_at_splits(draws, rng)])
    numbers = _onto_thresholds(numbers, draws) if draws.exact else _clear_of_thresholds(numbers, draws)
    if draws.missing:
        numbers = np.vstack([numbers, _with_holes(numbers[:DRAWN_ROWS], rng)])
    return Table(layout, tuple(_column(numbers[:, index], each, rng) for index, each in enumerate(draws.ranges)))


def _column(numbers: NDArray[np.float64], drawn: Range, rng: np.random.Generator) -> NDArray[Any]:
    """Puts text in the place of numbers, where the column holds it."""
    if not drawn.categories or not isinstance(drawn.categories[0], str):
        return numbers
    chosen = rng.integers(0, len(drawn.categories), len(numbers))
    values = np.empty(len(numbers), dtype=object)
    values[:] = [drawn.categories[index] for index in chosen]
    return values


def _magnitudes(ranges: Sequence[Range], rng: np.random.Generator) -> NDArray[np.float64]:
    low = np.array([each.low for each in ranges])
    high = np.array([each.high for each in ranges])
    rows = _as_float32(rng.uniform(low, high, (DRAWN_ROWS, len(ranges))))
    # Whole numbers, a quarter of the rows, are what timestamps and identifiers are, which float32 does not hold.
    rows[: DRAWN_ROWS // 4] = np.round(rng.uniform(low, high, (DRAWN_ROWS // 4, len(ranges))))
    return _with_categories(rows, ranges, rng)


def _with_categories(
    rows: NDArray[np.float64], ranges: Sequence[Range], rng: np.random.Generator
) -> NDArray[np.float64]:
    for index, each in enumerate(ranges):
        if each.categories and not isinstance(each.categories[0], str):
            rows[:, index] = rng.choice(np.array(each.categories, dtype=np.float64), len(rows))
    return rows


def _as_float32(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows.astype(np.float32).astype(np.float64)


def _onto_thresholds(rows: NDArray[np.float64], draws: Draws) -> NDArray[np.float64]:
    """Moves values that float32 cannot tell from a threshold to the number that it stands for there.

    On the wire they are one number, so that no conversion could answer all of them rightly. Thresholds which float32
    cannot tell from each other are left alone, and so are whole numbers which it cannot tell from others: such a column
    is a reason to refuse the model.
    """
    moved = rows.copy()
    for index, thresholds in enumerate(thresholds_of_trees(draws.trees, rows.shape[1])):
        if len(thresholds):
            moved[:, index] = _onto(moved[:, index], thresholds)
    return moved


def _onto(column: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    rounded, single = thresholds.astype(np.float32), column.astype(np.float32)
    here = np.minimum(np.searchsorted(rounded, single), len(rounded) - 1)
    following = np.minimum(here + 1, len(rounded) - 1)
    is_alone = (here == following) | (rounded[following] > rounded[here])
    is_identifier = (np.abs(column) >= _LAST_WHOLE) & (column == np.round(column))
    decimal = shortest_decimals(rounded)[here]
    target = np.where(is_nearly(decimal, thresholds[here]), decimal, np.minimum(column, thresholds[here]))
    return np.where((rounded[here] == single) & is_alone & ~is_identifier, target, column)


_LAST_WHOLE = 2.0**24
"""Beyond it float32 leaves out whole numbers."""


def _clear_of_thresholds(rows: NDArray[np.float64], draws: Draws) -> NDArray[np.float64]:
    """Leaves out rows so near to a threshold that the rounding of arithmetic before the trees decides their side."""
    clear = np.ones(len(rows), dtype=np.bool_)
    for index, thresholds in enumerate(thresholds_of_trees(draws.trees, rows.shape[1])):
        if len(thresholds):
            column = rows[:, index]
            after = np.searchsorted(thresholds, column)
            below = thresholds[np.maximum(after - 1, 0)]
            above = thresholds[np.minimum(after, len(thresholds) - 1)]
            distance = np.minimum(np.abs(column - below), np.abs(above - column))
            clear &= distance > CLEARANCE * np.maximum(np.abs(column), np.ptp(thresholds))
    return rows[clear]


def _with_holes(rows: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.where(rng.random(rows.shape) < MISSING_SHARE, np.nan, rows)


def _at_splits(draws: Draws, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yields, for each chosen split, rows that reach it and differ only in how they stand to its threshold."""
    width = len(draws.ranges)
    all_splits: list[tuple[Tree, int]] = [
        (tree, node)
        for tree in draws.trees
        for node in tree.splits.tolist()
        if tree.feature[node] < width and np.isfinite(tree.threshold[node])
    ]
    chosen = rng.permutation(len(all_splits))[:MAX_SPLITS]
    for index in chosen.tolist():
        tree, node = all_splits[int(index)]
        bounds = _bounds_of(tree, node, width)
        row = _inside(bounds, draws.ranges, rng)
        feature = int(tree.feature[node])
        values = _beside(tree, node, bounds, draws.ranges[feature], exact=draws.exact)
        rows = np.repeat(row[np.newaxis], len(values), axis=0)
        rows[:, feature] = values
        yield rows


def _bounds_of(tree: Tree, node: int, width: int) -> _Bounds:
    """Follows the way from a node up to the root and collects what it asks of each column."""
    low, high = np.full(width, -np.inf), np.full(width, np.inf)
    parents = {
        int(child): parent for parent in tree.splits.tolist() for child in (tree.left[parent], tree.right[parent])
    }
    while node in parents:
        parent = parents[node]
        feature, threshold = int(tree.feature[parent]), float(tree.threshold[parent])
        if parent not in tree.categories and feature < width:
            if node == tree.left[parent]:
                high[feature] = min(high[feature], threshold)
            else:
                low[feature] = max(low[feature], threshold)
        node = parent
    return _Bounds(low, high)


def _inside(bounds: _Bounds, ranges: Sequence[Range], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draws a row within the bounds, and within the usual range of each column where the bounds leave it open."""
    low = np.where(
        np.isfinite(bounds.low), bounds.low, [min(r.low, h) for r, h in zip(ranges, bounds.high, strict=True)]
    )
    high = np.where(np.isfinite(bounds.high), bounds.high, [max(r.high, h) for r, h in zip(ranges, low, strict=True)])
    row = _as_float32(rng.uniform(low, np.maximum(high, low)))
    return _with_categories(row[np.newaxis], ranges, rng)[0]


def _beside(tree: Tree, node: int, bounds: _Bounds, drawn: Range, *, exact: bool) -> NDArray[np.float64]:
    """Returns values of a split's column: at the threshold, one step beside it in either precision, between others."""
    if node in tree.categories:
        return np.array(drawn.categories, dtype=np.float64)
    threshold = float(tree.threshold[node])
    feature = int(tree.feature[node])
    span = max(abs(threshold), 1e-3)
    low, high = max(bounds.low[feature], threshold - span), min(bounds.high[feature], threshold + span)
    between = _as_float32(np.array([(low + threshold) / 2, (threshold + high) / 2]))
    if not exact:
        return between
    single = np.float32(threshold)
    steps = [np.nextafter(single, np.float32(-np.inf)), np.nextafter(single, np.float32(np.inf))]
    # Whole numbers beside it are what timestamps and identifiers are. One step of float64 above the threshold is not
    # among the values: on a wire of float32 it cannot be told from the threshold.
    whole = [np.floor(threshold), np.ceil(threshold)]
    return np.array([threshold, np.nextafter(threshold, -np.inf), *map(float, steps), *between, *whole])
