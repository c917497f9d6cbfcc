"""The picture that the demonstration leaves: the run over time, and digits with what each version took them for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.demo.digits import Digits
from turnout.demo.figures import Bin
from turnout.host.extras import require

_COLUMNS = 12
_RIGHT, _WRONG = "#1a7f37", "#cf222e"
_COLOURS = {1: "#b35900", 2: "#0550ae"}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened during the run, for the time line."""

    at_s: float
    what: str


def draw(
    path: Path,
    bins: Sequence[Bin],
    moments: Sequence[Moment],
    digits: Digits,
    predictions: dict[int, NDArray[np.int64]],
) -> None:
    """Writes the PNG.

    Args:
        path: where to.
        bins: the run in slices of time.
        moments: what to mark on the time line.
        digits: at least twelve digits.
        predictions: by version, what it took each of `digits` for.
    """
    require("matplotlib", "demo").use("Agg")
    plt = require("matplotlib.pyplot", "demo")
    figure = plt.figure(figsize=(11, 7.2), dpi=110, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.15, 1])
    _draw_run(top, bins, moments)
    _draw_digits(bottom, digits, predictions)
    figure.savefig(path)
    plt.close(figure)


def _draw_run(figure: Any, bins: Sequence[Bin], moments: Sequence[Moment]) -> None:
    accuracy, load = figure.subplots(2, 1, sharex=True)
    for version, colour in _COLOURS.items():
        inside = [slice_ for slice_ in bins if version in slice_.accuracy]
        times, values = [slice_.at_s for slice_ in inside], [slice_.accuracy[version] for slice_ in inside]
        accuracy.plot(times, values, "o", color=colour, markersize=4, label=f"version {version}")
    accuracy.set(
        ylabel="accuracy", ylim=(0, 1.05), title="Accuracy by the version that answered, and requests per second"
    )
    accuracy.legend(loc="lower right")
    load.plot([slice_.at_s for slice_ in bins], [slice_.per_second for slice_ in bins], color="#57606a")
    load.set(ylabel="requests/s", xlabel="seconds")
    load.set_ylim(bottom=0)
    for moment in moments:
        for axes in (accuracy, load):
            axes.axvline(moment.at_s, color="#8c959f", linestyle="--", linewidth=1)
        accuracy.annotate(moment.what, (moment.at_s, 0.04), xytext=(4, 0), textcoords="offset points", fontsize=9)


def _draw_digits(figure: Any, digits: Digits, predictions: dict[int, NDArray[np.int64]]) -> None:
    rows = figure.subplots(len(predictions), _COLUMNS)
    for axes_row, (version, guesses) in zip(rows, predictions.items(), strict=True):
        for index, axes in enumerate(axes_row):
            label, guess = int(digits.labels[index]), int(guesses[index])
            axes.imshow(digits.rows[index].reshape(8, 8), cmap="gray_r")
            axes.set(xticks=[], yticks=[])
            text = f"{guess}" if guess == label else f"{guess} (is {label})"
            axes.set_title(text, color=_RIGHT if guess == label else _WRONG, fontsize=10, fontweight="bold")
        axes_row[0].set_ylabel(f"version {version}", fontsize=10)


def pick_telling(digits: Digits, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.intp]:
    """Chooses a dozen digits of which the first version knows about half: they show what the second one mends.

    Returns:
        Indices into `digits`, mixed but the same each time.
    """
    wrong, right = np.flatnonzero(first != digits.labels), np.flatnonzero(first == digits.labels)
    # A digit that even the better version misses belongs in the picture too: nothing is dressed up.
    hard = np.flatnonzero((first != digits.labels) & (second != digits.labels))[:1]
    chosen = np.concatenate([hard, np.setdiff1d(wrong, hard)[: _COLUMNS // 2 - len(hard)], right[: _COLUMNS // 2]])
    return np.random.default_rng(3).permutation(chosen)
