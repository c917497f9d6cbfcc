"""Where the values of a model's columns lie, as far as the fitted model remembers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Range:
    """The values of one column.

    Attributes:
        low: the least usual value.
        high: the greatest usual value.
        categories: the values themselves, where the column holds categories; numbers or text.
    """

    low: float = -2.0
    high: float = 2.0
    categories: tuple[Any, ...] = ()

    def mapped(self, scale: float, offset: float) -> "Range":
        """Returns the range of `value * scale + offset`."""
        ends = sorted((self.low * scale + offset, self.high * scale + offset))
        return Range(ends[0], ends[1])


UNKNOWN = Range()
"""Two standard deviations of a standardised column."""


def ranges_around(values: Sequence[NDArray[np.float64]], known: Sequence[Range] | None = None) -> tuple[Range, ...]:
    """Returns ranges that cover the given values of each column and some way beyond; `known` where there are none."""
    fallback = known or [UNKNOWN] * len(values)
    return tuple(_around(points, other) for points, other in zip(values, fallback, strict=True))


def _around(points: NDArray[np.float64], other: Range) -> Range:
    finite = points[np.isfinite(points)]
    if not len(finite):
        return other
    low, high = float(finite[0]), float(finite[-1])
    margin = 0.25 * (high - low) or max(abs(high), 1.0)
    return Range(low - margin, high + margin)


def ranges_of_rows(rows: NDArray[Any]) -> tuple[Range, ...]:
    """Returns the ranges of remembered rows, [rows, columns]."""
    return tuple(Range(float(low), float(high)) for low, high in zip(rows.min(axis=0), rows.max(axis=0), strict=True))


def ranges_of_moments(mean: NDArray[Any], deviation: NDArray[Any]) -> tuple[Range, ...]:
    """Returns three standard deviations around each mean."""
    return tuple(
        Range(float(center - 3 * spread), float(center + 3 * spread))
        for center, spread in zip(mean, deviation, strict=True)
    )
