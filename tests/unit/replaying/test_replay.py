"""Replays against a server that a test makes up."""

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.tfrecords import write_logs
from tests.unit.replaying.test_records import STUBS, log
from turnout.data.inputs import Inputs
from turnout.data.prediction import Prediction
from turnout.errors import InvalidInputError, QueueFullError
from turnout.replaying.compare import Tolerance
from turnout.replaying.replay import Order, Progress, replay

ORDER = Order(None, None, None, 3, None, Tolerance(1e-4, 1e-5))


class Server:
    """Doubles what it is sent, or does what it is told; knows what it was asked."""

    def __init__(self, answer: Callable[[float], float] = lambda value: 2 * value) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self.asked: list[tuple[str, int | None, str | None]] = []
        self.at_once = self.most_at_once = 0

    def predict(
        self, model: str, inputs: Inputs, *, version: int | None = None, signature: str | None = None
    ) -> Prediction:
        assert isinstance(inputs, dict)
        with self._lock:
            self.asked.append((model, version, signature))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            value = self._answer(np.asarray(inputs["x"]).item())
            return Prediction(model, 9, {"y": np.array([value], np.float32)})
        finally:
            with self._lock:
                self.at_once -= 1


def ignore(_: Progress) -> None:
    """Nobody watches."""


def write(tmp_path: Path, *values: float) -> list[Path]:
    path = tmp_path / "log"
    write_logs(path, [log(value) for value in values])
    return [path]


def test_same_answers_are_counted(tmp_path: Path):
    server, seen = Server(), list[Progress]()
    outcome = replay(write(tmp_path, *range(20)), server, ORDER, seen.append)
    assert (outcome.calls, outcome.same, outcome.is_good) == (20, 20, True)
    assert outcome.versions == {9: 20}
    assert server.asked == [("double", None, None)] * 20
    assert 1 <= server.most_at_once <= 3
    assert seen[-1] == Progress(20, 1.0)
    assert [each.part for each in seen] == sorted(each.part for each in seen)
    assert (len(outcome.replayed_ms), len(outcome.recorded_ms)) == (20, 0)


def test_other_answers_and_failures_are_named(tmp_path: Path):
    def answer(value: float) -> float:
        if value == 2:
            raise QueueFullError("the queue is full")
        return 7 if value == 1 else 2 * value

    [path] = write(tmp_path, 0, 1, 2, 3)
    outcome = replay([path], Server(answer), Order(None, None, None, 1, None, ORDER.tolerance), ignore)
    assert (outcome.same, outcome.different, dict(outcome.failed)) == (2, 1, {"queue_full": 1})
    assert not outcome.is_good
    different, failed = outcome.troubles
    assert (different.where, different.code) == (f"`{path}`, record 1", None)
    assert different.message == "output `y`: 1 of 1 values differ, worst: expected 2.0, got 7.0"
    assert (failed.code, failed.message) == ("queue_full", "the queue is full")


def test_only_the_first_troubles_are_kept_in_words(tmp_path: Path):
    outcome = replay(write(tmp_path, *range(1, 31)), Server(lambda _: 0.0), ORDER, ignore)
    assert (outcome.different, len(outcome.troubles)) == (30, 10)


def test_model_version_and_limit_are_the_orders(tmp_path: Path):
    server = Server()
    outcome = replay(write(tmp_path, 1, 2, 3), server, Order("other", 4, None, 1, 2, ORDER.tolerance), ignore)
    assert outcome.calls == 2
    assert server.asked == [("other", 4, None)] * 2


def test_calls_begin_at_the_rate(tmp_path: Path):
    begun: list[float] = []

    def answer(value: float) -> float:
        begun.append(time.monotonic())
        return 2 * value

    replay(write(tmp_path, *range(6)), Server(answer), Order(None, None, 50.0, 4, None, ORDER.tolerance), ignore)
    assert begun[-1] - begun[0] >= 0.09
    # A slow server is not asked by more calls at a time.
    slow = Server(lambda value: time.sleep(0.02) or 2 * value)
    replay(write(tmp_path, *range(8)), slow, Order(None, None, 1e6, 2, None, ORDER.tolerance), ignore)
    assert slow.most_at_once == 2


def test_nothing_to_replay_is_an_error_that_says_what_there_was(tmp_path: Path):
    path = tmp_path / "log"
    message = STUBS.prediction_log_pb2.PredictionLog()
    message.regress_log.SetInParent()
    for logs, got in (([], "none at all"), ([message, message], "2 of `regress_log`")):
        write_logs(path, logs)
        with pytest.raises(InvalidInputError, match=got):
            replay([path], Server(), ORDER, ignore)


def test_an_interruption_ends_it(tmp_path: Path):
    server, seen = Server(), itertools.count()

    def interrupt(_: Progress) -> None:
        if next(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(write(tmp_path, *range(1000)), server, ORDER, interrupt)
    assert len(server.asked) < 20
