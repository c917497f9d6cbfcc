"""scikit-learn's handwritten digits, 1,797 real ones, and two classifiers of which the second is clearly better."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.host.extras import require

_SEED = 0
_HELD_OUT = 0.4


@dataclass(frozen=True, slots=True)
class Digits:
    """Rows of pixels with what they show.

    Attributes:
        rows: float32, shape (digits, 64), each pixel in 0..16.
        labels: int64, shape (digits,), each in 0..9.
    """

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]


def load() -> tuple[Digits, Digits]:
    """Returns the digits to train with and those held out, the same ones each time."""
    rows, labels = require("sklearn.datasets", "sklearn").load_digits(return_X_y=True)
    rows, labels = np.asarray(rows, np.float32), np.asarray(labels, np.int64)
    split = require("sklearn.model_selection", "sklearn").train_test_split
    parts = split(rows, labels, test_size=_HELD_OUT, random_state=_SEED, stratify=labels)
    train_rows, held_rows, train_labels, held_labels = parts
    return Digits(train_rows, train_labels), Digits(held_rows, held_labels)


def train_first(digits: Digits) -> Any:
    """A shallow tree: right about two times in three."""
    tree = require("sklearn.tree", "sklearn")
    return tree.DecisionTreeClassifier(max_depth=5, random_state=_SEED).fit(digits.rows, digits.labels)


def train_second(digits: Digits) -> Any:
    """A small neural net: nearly always right."""
    net = require("sklearn.neural_network", "sklearn").MLPClassifier((64,), max_iter=300, random_state=_SEED)
    scaler = require("sklearn.preprocessing", "sklearn").StandardScaler()
    return require("sklearn.pipeline", "sklearn").make_pipeline(scaler, net).fit(digits.rows, digits.labels)
