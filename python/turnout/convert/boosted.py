"""Boosted trees as a graph: sums, the objective's link, and from them labels and probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.convert.base import Head, Kind
from turnout.convert.graph import MATRIX, GraphBuilder, matrix_input
from turnout.convert.trees import Ensemble, add_ensemble


class Link(StrEnum):
    """What an objective makes of the sums."""

    IDENTITY = "identity"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    EXP = "exp"
    SIGNED_SQUARE = "signed_square"
    SOFTPLUS = "softplus"
    ARGMAX = "argmax"
    STEP = "step"


PROBABILITY_LINKS = (Link.SIGMOID, Link.SOFTMAX)
LABEL_LINKS = (Link.ARGMAX, Link.STEP)


@dataclass(frozen=True, slots=True)
class Missing:
    """Which values count as missing, besides NaN.

    Attributes:
        value: this one; None for no other.
        zero: every value so near zero that it counts as zero.
    """

    value: float | None = None
    zero: bool = False


ZERO = 1e-35
"""LightGBM takes values up to this magnitude for zero."""


@dataclass(frozen=True, slots=True)
class Boosted:
    """A boosted model, whatever library it is of.

    Attributes:
        ensemble: the trees and their sums.
        width: the number of columns.
        link: what the objective makes of the sums.
        slope: factor of the sums before a sigmoid.
        missing: what counts as missing.
        classes: the labels, where the model is a classifier with labels of its own.
    """

    ensemble: Ensemble
    width: int
    link: Link
    slope: float = 1.0
    missing: Missing = Missing()
    classes: NDArray[Any] | None = None

    @property
    def kind(self) -> Kind:
        """What `predict` of the booster answers."""
        if self.link in PROBABILITY_LINKS:
            return Kind.PROBABILITIES
        return Kind.LABELS if self.link in LABEL_LINKS else Kind.VALUES


def write(boosted: Boosted, heads: Sequence[Head]) -> Any:
    """Returns a model with an output for each head."""
    builder = GraphBuilder()
    sums = add_ensemble(builder, boosted.ensemble, _mark_missing(builder, boosted))
    outputs = [_add_head(builder, boosted, head, sums) for head in heads]
    return builder.model([matrix_input(boosted.width)], outputs)


def _mark_missing(builder: GraphBuilder, boosted: Boosted) -> str:
    """Turns what counts as missing into NaN, the only such value that the operator knows."""
    tests: list[str] = []
    if boosted.missing.value is not None:
        tests.append(builder.add("Equal", MATRIX, builder.constant(np.array(boosted.missing.value, dtype=np.float32))))
    if boosted.missing.zero:
        magnitude = builder.add("Abs", MATRIX)
        tests.append(builder.add("LessOrEqual", magnitude, builder.constant(np.array(ZERO, dtype=np.float32))))
    matrix = MATRIX
    for test in tests:
        matrix = builder.add("Where", test, builder.constant(np.array(np.nan, dtype=np.float32)), matrix)
    return matrix


def _add_head(builder: GraphBuilder, boosted: Boosted, head: Head, sums: str) -> str:
    if boosted.classes is None:
        return _squeezed(builder, boosted, _linked(builder, boosted, sums))
    if head.method == "predict_proba":
        return _probabilities(builder, boosted, sums)
    if head.method == "decision_function":
        return _squeezed(builder, boosted, sums)
    return _labels(builder, boosted.classes, boosted, sums)


def _squeezed(builder: GraphBuilder, boosted: Boosted, tensor: str) -> str:
    if boosted.ensemble.outputs > 1 or boosted.link is Link.ARGMAX:
        return tensor
    return builder.add("Squeeze", tensor, builder.constant(np.array([1], dtype=np.int64)))


def _linked(builder: GraphBuilder, boosted: Boosted, sums: str) -> str:
    simple: Mapping[Link, str] = {Link.EXP: "Exp", Link.SOFTPLUS: "Softplus"}
    if boosted.link in simple:
        return builder.add(simple[boosted.link], sums)
    if boosted.link is Link.SIGMOID:
        return builder.add("Sigmoid", _scaled(builder, boosted.slope, sums))
    if boosted.link is Link.SOFTMAX:
        return builder.add("Softmax", sums, axis=1)
    if boosted.link is Link.SIGNED_SQUARE:
        return builder.add("Mul", sums, builder.add("Abs", sums))
    if boosted.link is Link.ARGMAX:
        return builder.cast(builder.add("ArgMax", sums, axis=1, keepdims=0), np.dtype(np.float32))
    if boosted.link is Link.STEP:
        return builder.cast(_is_positive(builder, sums), np.dtype(np.float32))
    return sums


def _scaled(builder: GraphBuilder, slope: float, sums: str) -> str:
    return sums if slope == 1.0 else builder.add("Mul", sums, builder.constant(np.array(slope, dtype=np.float32)))


def _is_positive(builder: GraphBuilder, sums: str) -> str:
    return builder.add("Greater", sums, builder.constant(np.array(0.0, dtype=np.float32)))


def _probabilities(builder: GraphBuilder, boosted: Boosted, sums: str) -> str:
    """Returns [batch, classes]; one sum is that of the second of two classes."""
    if boosted.link is Link.STEP:
        second = builder.cast(_is_positive(builder, sums), np.dtype(np.float32))
    else:
        second = _linked(builder, boosted, sums)
    if boosted.ensemble.outputs > 1:
        return second
    first = builder.add("Sub", builder.constant(np.array(1.0, dtype=np.float32)), second)
    return builder.add("Concat", first, second, axis=1)


def _labels(builder: GraphBuilder, classes: NDArray[Any], boosted: Boosted, sums: str) -> str:
    if boosted.ensemble.outputs > 1:
        index = builder.add("ArgMax", sums, axis=1, keepdims=0)
    else:
        positive = builder.add("Squeeze", _is_positive(builder, sums), builder.constant(np.array([1], dtype=np.int64)))
        index = builder.cast(positive, np.dtype(np.int64))
    if classes.dtype.kind == "i" and np.array_equal(classes, np.arange(len(classes))):
        return index
    return builder.add("Gather", builder.constant(classes), index)
