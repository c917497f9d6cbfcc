"""Which column makes a converted model wrong because float32 cannot hold its values: timestamps, identifiers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.convert.base import Head
from turnout.convert.parity import compare
from turnout.convert.tables import Table

MAX_ROWS = 256
"""Rows that are tried; the cause of one is nearly always the cause of all."""

USUAL_GAP_SHARE = 0.01
"""Float32 holds a column if it moves its values by less than this share of the usual gap between them."""


CAUSE_SHARE = 0.5
"""A column is named as the cause if it explains at least this share of the rows."""


@dataclass(frozen=True, slots=True)
class Blame:
    """A column that explains rows whose answers differ.

    Attributes:
        column: its name.
        rows: how many of the rows it explains alone.
        tried: how many were tried.
        value: one of its values.
        float32: what float32 makes of that value.
    """

    column: str
    rows: int
    tried: int
    value: float
    float32: float


def find_blame(head: Head, table: Table, off: NDArray[np.bool_], thresholds: list[NDArray[np.float64]]) -> Blame | None:
    """Asks the framework itself about the rows that are off, with one suspect column at a time moved as float32 would.

    Where that alone changes the framework's answers beyond the rule, the column is the cause: no converter can mend it.

    Args:
        head: what is answered differently.
        table: all rows.
        off: for each row, whether its answer differs.
        thresholds: for each column, what the model's trees compare it with; they suffer from float32 as values do.
    """
    rows = table.take(np.flatnonzero(off)[:MAX_ROWS])
    answers = head.answer(rows)
    found = [
        _try_column(head, rows, answers, index, example)
        for index, example in enumerate(map(_example, table.values, thresholds))
        if example is not None
    ]
    return max((blame for blame in found if blame), key=lambda blame: blame.rows, default=None)


def _example(values: NDArray[Any], thresholds: NDArray[np.float64]) -> float | None:
    """Returns a value that float32 cannot hold, of a column or of its thresholds; None where it holds them all."""
    for numbers in (values, thresholds):
        if numbers.dtype.kind not in "iuf":
            continue
        distinct = _distinct(numbers[np.isfinite(numbers)])
        moved = np.abs(_rounded(distinct) - distinct.astype(np.float64))
        if len(distinct) and not _holds(distinct, moved):
            return distinct[moved.argmax()].item()
    return None


def _distinct(numbers: NDArray[Any]) -> NDArray[Any]:
    """Returns the sorted values, one for each run of those that differ by float64's rounding alone."""
    values = np.unique(numbers)
    if len(values) < 2:
        return values
    keep = np.diff(values.astype(np.float64)) > 1e-14 * np.abs(values[1:].astype(np.float64))
    return values[np.concatenate([[True], keep])]


def _holds(distinct: NDArray[Any], moved: NDArray[np.float64]) -> bool:
    if (distinct == np.round(distinct)).all() and moved.any():
        return False
    gap = float(np.median(np.diff(distinct))) if len(distinct) > 1 else np.inf
    return float(moved.max()) <= USUAL_GAP_SHARE * gap


def _rounded(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.astype(np.float32).astype(np.float64)


def _try_column(head: Head, rows: Table, answers: NDArray[Any], index: int, example: float) -> Blame | None:
    """Moves a column to the float32 nearest to each value and to both neighbours of that one."""
    column = rows.values[index]
    nearest = column.astype(np.float32)
    explained = np.zeros(len(rows), dtype=np.bool_)
    for moved in (nearest, np.nextafter(nearest, np.float32(-np.inf)), np.nextafter(nearest, np.float32(np.inf))):
        explained |= compare(head.kind, answers, head.answer(rows.with_column(index, moved.astype(np.float64)))).off
    if explained.sum() < CAUSE_SHARE * len(rows):
        return None
    rounded = float(np.float32(example))
    return Blame(rows.layout.columns[index].name, int(explained.sum()), len(rows), example, rounded)
