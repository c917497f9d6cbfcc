"""What a conversion starts from: a fitted model, seen as inputs, answers, and a way to write it as a graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from turnout.convert.ranges import Range
from turnout.convert.tables import Layout, Table
from turnout.convert.trees import Tree

Answer: TypeAlias = Callable[[Table], NDArray[Any]]
"""The framework's own answer to rows in their own element types; first dimension as many as there are rows."""


class Kind(StrEnum):
    """What an output means, which decides how closely the converted model has to agree."""

    LABELS = "labels"
    PROBABILITIES = "probabilities"
    VALUES = "values"


OUTPUT_NAMES: Mapping[str, str] = {
    "predict": "y",
    "predict_proba": "probabilities",
    "decision_function": "scores",
    "transform": "features",
}
"""What clients call the one output of each signature, the same for every framework."""


@dataclass(frozen=True, slots=True)
class Head:
    """One thing that a model answers: a method of the framework that becomes a signature.

    Attributes:
        method: the framework's name for it, which is the signature's name.
        kind: what the output means.
        answer: the framework's answer, which is the truth.
        optional: whether the model is still of use without it, so that a faulty conversion only leaves it out.
    """

    method: str
    kind: Kind
    answer: Answer
    optional: bool = False

    @property
    def output(self) -> str:
        """What clients call the output."""
        return OUTPUT_NAMES[self.method]


@dataclass(frozen=True, slots=True)
class Draws:
    """What is known about a model's inputs, for drawing rows.

    Attributes:
        ranges: where the values of each column lie.
        trees: decision trees whose features are the columns; empty where there are none.
        exact: whether the trees compare the columns' own values, so that rows at a threshold and beside it are fair.
        missing: whether the framework takes missing values.
    """

    ranges: tuple[Range, ...]
    trees: tuple[Tree, ...] = ()
    exact: bool = True
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """A fitted model on its way to ONNX.

    Attributes:
        flavor: the framework that it is of.
        title: what it is, in words for the report, with what `predict` means.
        layout: what clients send.
        heads: what it answers; the first is what `predict` returns, or `transform` for a transformer.
        write: makes the graph of some heads; it takes `MATRIX` or each column by name as [batch, 1], and its outputs
            are those of the heads, in their order.
        gap: for rows, the distance between the best two classes, where the model has labels and knows it.
        draws: what is known about the inputs.
        versions: the libraries that made and read it.
        notes: what a person should know about the conversion.
    """

    flavor: str
    title: str
    layout: Layout
    heads: tuple[Head, ...]
    write: Callable[[tuple[Head, ...]], Any]
    draws: Draws
    gap: Answer | None = None
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()


def gap_of(scores: NDArray[Any]) -> NDArray[Any]:
    """Returns for each row how far the best class is ahead of the second; binary margins count as such."""
    if scores.ndim == 1 or scores.shape[1] == 1:
        return np.abs(scores.reshape(len(scores)))
    best = np.partition(scores, -2, axis=1)
    return best[:, -1] - best[:, -2]
