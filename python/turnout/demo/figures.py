"""From the answers of the traffic to the figures that people see. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turnout.demo.traffic import Answer


@dataclass(frozen=True, slots=True)
class Summary:
    """What some answers amount to.

    Attributes:
        requests: how many there were.
        per_second: requests per second over the span asked for.
        p50_ms: median latency; NaN without answers.
        p99_ms: 99th percentile of latency; NaN without answers.
        accuracy: share of digits recognised, by version.
    """

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    accuracy: dict[int, float]


def summarize(answers: Sequence[Answer], span_s: float) -> Summary:
    """Sums up answers that came within `span_s` seconds."""
    latencies = [answer.latency_ms for answer in answers]
    p50_ms, p99_ms = np.percentile(latencies, [50, 99]) if latencies else (float("nan"), float("nan"))
    return Summary(len(answers), len(answers) / max(span_s, 1e-9), float(p50_ms), float(p99_ms), accuracies(answers))


def accuracies(answers: Sequence[Answer]) -> dict[int, float]:
    """Share of digits recognised, by version, lowest version first."""
    versions = sorted({answer.version for answer in answers})
    return {version: _accuracy([answer for answer in answers if answer.version == version]) for version in versions}


def _accuracy(answers: Sequence[Answer]) -> float:
    return sum(answer.right for answer in answers) / sum(answer.digits for answer in answers)


def latest(answers: Sequence[Answer], now_s: float, span_s: float) -> list[Answer]:
    """The answers of the last `span_s` seconds. They are nearly in order: older ones end the search."""
    recent: list[Answer] = []
    for answer in reversed(answers):
        if answer.at_s < now_s - span_s - 1:
            break
        if answer.at_s >= now_s - span_s:
            recent.append(answer)
    return recent


@dataclass(frozen=True, slots=True)
class Bin:
    """One slice of time: its middle, its requests per second, the accuracy of each version that answered in it."""

    at_s: float
    per_second: float
    accuracy: dict[int, float]


def over_time(answers: Sequence[Answer], width_s: float) -> list[Bin]:
    """Cuts the answers into slices of `width_s` seconds."""
    bins: dict[int, list[Answer]] = {}
    for answer in answers:
        bins.setdefault(int(answer.at_s / width_s), []).append(answer)
    return [
        Bin((index + 0.5) * width_s, len(inside) / width_s, accuracies(inside))
        for index, inside in sorted(bins.items())
    ]
