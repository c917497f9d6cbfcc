"""Sends recorded calls to a server, a bounded number at a time, and gathers what came of it."""

import itertools
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from turnout.data.inputs import Inputs
from turnout.data.prediction import Prediction
from turnout.errors import InvalidInputError, TurnoutError
from turnout.replaying.compare import Tolerance, find_difference
from turnout.replaying.records import Call, CutShort, OtherKind, read_calls

MAX_SHOWN = 10
"""Differences and failures that are kept in words; all are counted."""


class Predictor(Protocol):
    """What answers: `turnout.Client`, which calls may share."""

    def predict(
        self, model: str, inputs: Inputs, *, version: int | None = None, signature: str | None = None
    ) -> Prediction:
        """Predicts."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is sent where, and how fast.

    Attributes:
        model: the model to ask; None asks the one of each record.
        version: the version to ask; None asks the one that the server serves by default.
        rate: calls a second; None goes as fast as the answers come.
        concurrency: calls that may be under way at a time.
        limit: calls at most; None sends all.
        tolerance: how far numbers may be apart.
    """

    model: str | None
    version: int | None
    rate: float | None
    concurrency: int
    limit: int | None
    tolerance: Tolerance


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: calls that were answered, and the part of the files' bytes that was read."""

    answered: int
    part: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A call that did not bring the recorded answer.

    Attributes:
        where: file and number of the record.
        code: the error's code; None where there was an answer, which differs.
        message: what is wrong.
    """

    where: str
    code: str | None
    message: str


@dataclass(slots=True)
class Outcome:
    """What came of a replay.

    Attributes:
        same: calls with the recorded answer.
        different: calls with another one.
        failed: calls with an error, by its code.
        unjudged: calls of which only the request was recorded.
        skipped: records of other kinds, by kind.
        cut_short: files that end inside a record.
        troubles: the first differences and failures.
        versions: which versions answered how often.
        recorded_ms: times that the records hold, on the server.
        replayed_ms: times of the same calls, as their client saw them.
        took_s: the whole replay.
    """

    same: int = 0
    different: int = 0
    failed: Counter[str] = field(default_factory=Counter[str])
    unjudged: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    cut_short: list[str] = field(default_factory=list[str])
    troubles: list[Trouble] = field(default_factory=list[Trouble])
    versions: Counter[int | None] = field(default_factory=Counter[int | None])
    recorded_ms: "array[float]" = field(default_factory=lambda: array("d"))
    replayed_ms: "array[float]" = field(default_factory=lambda: array("d"))
    took_s: float = 0.0

    @property
    def calls(self) -> int:
        """Calls that were made."""
        return self.same + self.different + self.unjudged + self.failed.total()

    @property
    def is_good(self) -> bool:
        """Whether every recorded answer came again."""
        return not self.different and not self.failed


@dataclass(frozen=True, slots=True)
class _Answered:
    call: Call
    version: int | None
    took_ms: float
    trouble: Trouble | None


def replay(files: Sequence[Path], predictor: Predictor, order: Order, tell: Callable[[Progress], None]) -> Outcome:
    """Replays files one after another, in the order of their records.

    A call begins when its time has come by the rate and fewer than `concurrency` are under way: a server that is too
    slow for a rate is asked less often, never by more calls at a time.

    Args:
        files: see `turnout.replaying.records`.
        predictor: the server.
        order: what is sent.
        tell: is called in this thread with every answer.

    Raises:
        MalformedRequestError: a file is no file of records.
        InvalidInputError: there is nothing to replay.
    """
    outcome = Outcome()
    total_bytes = sum(file.stat().st_size for file in files) or 1
    begun = time.monotonic()
    calls = itertools.islice(_calls(files, outcome), order.limit)
    pending: set[Future[_Answered]] = set()
    with ThreadPoolExecutor(order.concurrency, "replay") as pool:
        try:
            for number, (call, read_bytes) in enumerate(calls):
                if len(pending) == order.concurrency:
                    pending = _gather(pending, outcome)
                _wait_for_turn(begun, number, order.rate)
                pending.add(pool.submit(_ask, predictor, call, order))
                tell(Progress(outcome.calls, read_bytes / total_bytes))
            while pending:
                pending = _gather(pending, outcome)
                tell(Progress(outcome.calls, 1.0))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    outcome.took_s = time.monotonic() - begun
    if not outcome.calls:
        kinds = ", ".join(f"{count} of `{kind}`" for kind, count in outcome.skipped.items()) or "none at all"
        raise InvalidInputError(
            f"there is nothing to replay: expected records of `predict_log`, got {kinds}",
            hint="`request_log_rate` in a model's settings has a server record calls.",
        )
    return outcome


def _calls(files: Sequence[Path], outcome: Outcome) -> Iterator[tuple[Call, int]]:
    """Yields what can be replayed and how many bytes of files lie before the end of its file."""
    read_bytes = 0
    for file in files:
        size_bytes = file.stat().st_size
        done = 0
        for record in read_calls(file):
            if isinstance(record, CutShort):
                outcome.cut_short.append(record.where)
            elif isinstance(record, OtherKind):
                outcome.skipped[record.kind] += 1
            else:
                done = min(size_bytes, done + record.size_bytes)
                yield record, read_bytes + done
        read_bytes += size_bytes


def _wait_for_turn(begun: float, number: int, rate: float | None) -> None:
    if rate is not None:
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))


def _ask(predictor: Predictor, call: Call, order: Order) -> _Answered:
    begun = time.monotonic()
    try:
        answer = predictor.predict(
            order.model or call.model, call.inputs, version=order.version, signature=call.signature
        )
    except TurnoutError as error:
        return _Answered(call, None, 0.0, Trouble(call.where, error.code, error.message))
    took_ms = (time.monotonic() - begun) * 1000
    difference = find_difference(call.outputs, answer, order.tolerance)
    trouble = None if difference is None else Trouble(call.where, None, difference)
    return _Answered(call, answer.version, took_ms, trouble)


def _gather(pending: set[Future[_Answered]], outcome: Outcome) -> set[Future[_Answered]]:
    """Waits for an answer at least; returns what is still under way."""
    done, others = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        _note(future.result(), outcome)
    return others


def _note(answered: _Answered, outcome: Outcome) -> None:
    call, trouble = answered.call, answered.trouble
    if trouble is not None and len(outcome.troubles) < MAX_SHOWN:
        outcome.troubles.append(trouble)
    if trouble is not None and trouble.code is not None:
        outcome.failed[trouble.code] += 1
        return
    outcome.versions[answered.version] += 1
    if trouble is not None:
        outcome.different += 1
    elif call.outputs:
        outcome.same += 1
    else:
        outcome.unjudged += 1
    outcome.replayed_ms.append(answered.took_ms)
    if call.duration_ms is not None:
        outcome.recorded_ms.append(call.duration_ms)
