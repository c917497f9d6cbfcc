"""What a fitted scikit-learn model remembers of its inputs: ranges, categories, and the thresholds of its trees."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turnout.convert.columns import Source, transformed_columns, untouched
from turnout.convert.ranges import UNKNOWN, Range, ranges_of_moments, ranges_of_rows
from turnout.convert.sklearn_trees import trees_of
from turnout.convert.trees import Tree, ranges_of_trees


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of the columns of a model.

    Attributes:
        ranges: where the values of each column lie; `UNKNOWN` where nothing is known.
        trees: the model's trees, where they see the columns as they are.
    """

    ranges: tuple[Range, ...]
    trees: tuple[Tree, ...] = ()


def remember(model: Any, width: int, names: Sequence[str] | None) -> Memory:
    """Returns what a fitted estimator or pipeline remembers of its columns.

    Args:
        model: the estimator.
        width: the number of its columns.
        names: their names, where it was fitted with names.
    """
    steps = getattr(model, "steps", None)
    if not steps:
        columns = transformed_columns(model, width, names)
        return Memory(columns.ranges) if columns else _remember_final(model, width)
    sources = untouched(width)
    known = [UNKNOWN] * width
    for _, step in steps[:-1]:
        step_width = len(sources.sources)
        columns = transformed_columns(step, step_width, names)
        known = _merge_ranges(known, sources.sources, columns.ranges if columns else [UNKNOWN] * step_width)
        if columns is None or not columns.sources:
            return Memory(tuple(known))
        sources, names = sources.then(columns), None
    inner = remember(steps[-1][1], len(sources.sources), None)
    return Memory(tuple(_merge_ranges(known, sources.sources, inner.ranges)))


def _merge_ranges(known: Sequence[Range], sources: Sequence[Source | None], found: Sequence[Range]) -> list[Range]:
    """Adds what is known of transformed columns to what is known of their sources; the first to know wins."""
    merged = list(known)
    for source, each in zip(sources, found, strict=True):
        if source is not None and each != UNKNOWN and merged[source.column] == UNKNOWN:
            merged[source.column] = each if source.is_plain else each.mapped(source.scale, source.offset)
    return merged


def _remember_final(model: Any, width: int) -> Memory:
    trees = tuple(trees_of(model))
    if trees:
        return Memory(ranges_of_trees(trees, width), trees)
    for read in _READERS:
        ranges = read(model)
        if ranges is not None and len(ranges) == width:
            return Memory(ranges)
    for part in _parts(model):
        memory = remember(part, width, None)
        if any(each != UNKNOWN for each in memory.ranges):
            return Memory(memory.ranges)
    return Memory((UNKNOWN,) * width)


def _parts(model: Any) -> Iterator[Any]:
    """Yields the estimators inside of one that is made of others and hands all columns to each."""
    for name in ("estimators_", "calibrated_classifiers_", "estimator_", "estimator"):
        parts = getattr(model, name, None)
        if parts is not None:
            yield from parts if isinstance(parts, (list, tuple)) else [parts]


def _from_rows(model: Any) -> tuple[Range, ...] | None:
    """Nearest neighbours and support vectors keep rows of the training data."""
    for name in ("_fit_X", "support_vectors_", "X_train_", "cluster_centers_"):
        rows: Any = getattr(model, name, None)
        if getattr(rows, "ndim", 0) == 2 and not hasattr(rows, "toarray"):
            return ranges_of_rows(np.asarray(rows))
    return None


def _from_moments(model: Any) -> tuple[Range, ...] | None:
    theta, variance = getattr(model, "theta_", None), getattr(model, "var_", None)
    if theta is None or variance is None:
        return None
    return ranges_of_moments(theta.mean(axis=0), np.sqrt(variance.mean(axis=0)) + theta.std(axis=0))


def _from_mean(model: Any) -> tuple[Range, ...] | None:
    mean = getattr(model, "mean_", None)
    components = getattr(model, "components_", None)
    if mean is None or components is None:
        return None
    variance = getattr(model, "explained_variance_", np.ones(len(components)))
    return ranges_of_moments(mean, np.sqrt((components**2 * variance[:, np.newaxis]).sum(axis=0)))


def _from_weights(model: Any) -> tuple[Range, ...] | None:
    """A linear model's columns are such that each of them matters and the model is not certain of everything."""
    weights = model.coefs_[0].T if hasattr(model, "coefs_") else getattr(model, "coef_", None)
    if not hasattr(weights, "ndim") or hasattr(weights, "toarray"):
        return None
    weights = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    center = np.zeros(weights.shape[1])
    if hasattr(model, "classes_") and hasattr(model, "coef_"):
        center = np.linalg.lstsq(weights, -np.broadcast_to(model.intercept_, len(weights)), rcond=0.01)[0]
    magnitude = np.sqrt(np.mean(weights**2, axis=0))
    usual = np.median(magnitude[magnitude > 0]) if (magnitude > 0).any() else 1.0
    spread = 2.0 / np.clip(magnitude, usual / 100, usual * 100) / np.sqrt(weights.shape[1])
    return tuple(Range(float(at - each), float(at + each)) for at, each in zip(center, spread, strict=True))


def _from_counts(model: Any) -> tuple[Range, ...] | None:
    """Naive Bayes of counts takes nothing below zero."""
    counts = getattr(model, "feature_count_", None)
    if counts is not None:
        return tuple(Range(0.0, 2.0) for _ in range(counts.shape[1]))
    tables = getattr(model, "category_count_", None)
    if tables is None:
        return None
    return tuple(Range(categories=tuple(float(value) for value in range(table.shape[1]))) for table in tables)


_READERS: Sequence[Callable[[Any], tuple[Range, ...] | None]] = (
    _from_rows, _from_moments, _from_mean, _from_counts, _from_weights,
)  # fmt: skip
