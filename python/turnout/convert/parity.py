"""The rule by which a converted model counts as the same model. Pure: arrays in, verdict out; every row counts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.convert.base import Kind

RELATIVE_TOLERANCE = 1e-4
"""Regressions and scores: |difference| <= this × max(|y|, scale of the output)."""

PROBABILITY_TOLERANCE = 1e-4
"""Probabilities: |difference| <= this."""

TIE_GAP = 1e-4
"""Labels may differ only where the best two classes are nearer to each other than this."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the answers of a converted model compare with those of its original.

    Attributes:
        rows: how many were compared.
        off: for each row, whether it breaks the rule.
        tied: rows whose labels differ although the rule holds, since the best two classes are level.
        max_difference: the greatest difference of any element; for labels, 1 where any differs.
        worst_row: the row that is furthest outside of its tolerance, or nearest to it.
    """

    rows: int
    off: NDArray[np.bool_]
    tied: int
    max_difference: float
    worst_row: int

    @property
    def passed(self) -> bool:
        """Whether every row agrees."""
        return not self.off.any()


def compare(
    kind: Kind, expected: NDArray[Any], got: NDArray[Any], gap: NDArray[np.float64] | None = None
) -> Comparison:
    """Applies the rule to the answers to the same rows.

    Args:
        kind: what the output means.
        expected: the framework's answers, [rows, …].
        got: the converted model's answers, of the same shape.
        gap: for labels, how far the best class is ahead of the second in each row; None where it isn't known, and then
            every label has to be equal.

    Returns:
        The verdict. Answers of another shape break the rule in every row.
    """
    rows = len(expected)
    if expected.shape != got.shape:
        return Comparison(rows, np.ones(rows, dtype=np.bool_), 0, float("inf"), 0)
    if kind is Kind.LABELS:
        return _compare_labels(expected, got, gap)
    expected, got = expected.astype(np.float64), got.astype(np.float64)
    comparable = np.isfinite(expected) & np.isfinite(got)
    # What is no number is either the same in both, or further apart than any tolerance.
    apart = np.where((expected == got) | (np.isnan(expected) & np.isnan(got)), 0.0, np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.where(comparable, np.abs(expected - got), apart)
        excess = np.where(comparable & (difference > 0.0), difference / _tolerance(kind, expected), apart)
    excess = np.where(difference == 0.0, 0.0, excess)
    by_row = excess.reshape(rows, -1).max(axis=1, initial=0.0)
    return Comparison(rows, by_row > 1.0, 0, float(difference.max(initial=0.0)), int(by_row.argmax()))


def _compare_labels(expected: NDArray[Any], got: NDArray[Any], gap: NDArray[np.float64] | None) -> Comparison:
    rows = len(expected)
    differs = (expected != got).reshape(rows, -1).any(axis=1)
    level = np.zeros(rows, dtype=np.bool_) if gap is None else gap < TIE_GAP
    off = differs & ~level
    worst = int(off.argmax()) if off.any() else int(differs.argmax())
    return Comparison(rows, off, int((differs & level).sum()), float(differs.any()), worst)


def _tolerance(kind: Kind, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    if kind is Kind.PROBABILITIES:
        return np.full(expected.shape, PROBABILITY_TOLERANCE)
    return RELATIVE_TOLERANCE * np.maximum(np.abs(expected), scale_of(expected))


def scale_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the scale of each output column: the median magnitude of its values, zeros and non-finite ones left out.

    The median, so that a few extreme rows do not excuse the others. A column next to nothing beside the others (the
    last components of a decomposition) is held to a thousandth of the scale of all: float32 leaves no more of it.
    """
    columns = values.reshape(len(values), -1) if values.ndim > 1 else values[:, np.newaxis]
    floor = 1e-3 * _median_magnitude(columns)
    scales = np.array([max(_median_magnitude(column), floor) for column in columns.T])
    return scales.reshape(values.shape[1:])


def _median_magnitude(values: NDArray[np.float64]) -> float:
    magnitudes = np.abs(values[np.isfinite(values) & (values != 0.0)])
    return float(np.median(magnitudes)) if magnitudes.size else 0.0
