"""The acts of the demonstration, in order."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import turnout
from turnout.demo import picture
from turnout.demo.digits import Digits, load, train_first, train_second
from turnout.demo.figures import accuracies, over_time, summarize
from turnout.demo.picture import Moment
from turnout.demo.process import ServerProcess
from turnout.demo.screen import Screen
from turnout.demo.traffic import Traffic
from turnout.errors import UnavailableError

MODEL = "digits"
_CLIENTS_PER_DOOR = 3
_ACT_S = 6.0
_SWITCH_LIMIT_S = 30.0
_BIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demonstration showed.

    Attributes:
        requests: how many were answered.
        failures: what went wrong with the others; none is what was promised.
        accuracy: share of digits recognised, by version.
        per_second: mean requests per second of these few Python clients: no measure of the server.
        p50_ms: median latency as the clients saw it.
        p99_ms: 99th percentile of it.
        rollback_ms: from the command to its end.
        picture: the PNG.
    """

    requests: int
    failures: list[str]
    accuracy: dict[int, float]
    per_second: float
    p50_ms: float
    p99_ms: float
    rollback_ms: float
    picture: Path


def run(picture_path: Path, say: Callable[[str], None], *, keep: bool) -> Outcome:
    """Plays all acts.

    Args:
        picture_path: where the PNG goes.
        say: prints a line for people.
        keep: leave the server up at the end, until interrupted.

    Raises:
        TurnoutError: something did not come up; failed requests are in the outcome instead.
    """
    folder = Path(tempfile.mkdtemp(prefix="turnout-demo-"))
    try:
        return _Story(folder, picture_path, say).play(keep=keep)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Story:
    def __init__(self, folder: Path, picture_path: Path, say: Callable[[str], None]) -> None:
        self._repository = folder / "models"
        self._log = folder / "server.log"
        self._picture = picture_path
        self._say = say
        self._moments: list[Moment] = []
        self._rollback_ms = float("nan")

    def play(self, *, keep: bool) -> Outcome:
        self._say("Training two classifiers on scikit-learn's handwritten digits …")
        train, held_out = load()
        first, second = train_first(train), train_second(train)
        self._push(first, train, self._say)
        with ExitStack() as stack:
            server = stack.enter_context(ServerProcess(self._repository, self._log))
            self._say(f"Serving at {server.rest_url} and {server.grpc_url}")
            client = stack.enter_context(turnout.Client(server.rest_url))
            _wait(lambda: client.ready(), "the server")
            traffic = self._play_traffic(server, second, train, held_out)
            telling, guesses = _ask_both(client, held_out)
            picture.draw(self._picture, over_time(traffic.answers, _BIN_S), self._moments, telling, guesses)
            if keep:
                self._keep(server)
        return self._outcome(traffic)

    def _play_traffic(self, server: ServerProcess, second: Any, train: Digits, held_out: Digits) -> Traffic:
        urls = [server.rest_url, server.grpc_url] * _CLIENTS_PER_DOOR
        self._say(f"{len(urls)} clients send held-out digits over REST and gRPC")
        with Traffic(urls, MODEL, held_out) as traffic, Screen(traffic) as screen:
            screen.watch(_ACT_S)
            self._mark(traffic, "push version 2")
            self._push(second, train, screen.say)
            screen.watch_until(lambda: traffic.answers[-1].version == 2, _SWITCH_LIMIT_S)
            screen.watch(_ACT_S)
            self._mark(traffic, "roll back")
            self._roll_back(server, screen)
            screen.watch(_ACT_S)
        return traffic

    def _push(self, model: Any, train: Digits, say: Callable[[str], None]) -> None:
        result = turnout.push(model, MODEL, repository=self._repository, sample=train.rows[:200])
        say(f"pushed {MODEL} version {result.version}: {type(model).__name__}, converted to ONNX, answers compared")

    def _roll_back(self, server: ServerProcess, screen: Screen) -> None:
        command = [sys.executable, "-m", "turnout", "rollback", MODEL, "--repository", str(self._repository)]
        command += ["--url", server.rest_url, "--why", "demonstration"]
        began_s = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        screen.watch_until(lambda: process.poll() is not None, _SWITCH_LIMIT_S)
        words = process.communicate(timeout=_SWITCH_LIMIT_S)[0]
        self._rollback_ms = (time.monotonic() - began_s) * 1000
        if process.returncode != 0:
            raise UnavailableError(f"the rollback failed: {words.strip()}")
        screen.say(f"rolled back in {self._rollback_ms:.0f} ms, most of which is the start of the command")

    def _mark(self, traffic: Traffic, what: str) -> None:
        self._moments.append(Moment(traffic.now_s, what))

    def _keep(self, server: ServerProcess) -> None:
        self._say(f"The server stays up at {server.rest_url} and {server.grpc_url}; Ctrl-C ends it.")
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            self._say("Ending the server.")

    def _outcome(self, traffic: Traffic) -> Outcome:
        span_s = traffic.answers[-1].at_s if traffic.answers else 0.0
        summary = summarize(traffic.answers, span_s)
        return Outcome(
            requests=len(traffic.answers),
            failures=traffic.failures,
            accuracy=accuracies(traffic.answers),
            per_second=summary.per_second,
            p50_ms=summary.p50_ms,
            p99_ms=summary.p99_ms,
            rollback_ms=self._rollback_ms,
            picture=self._picture,
        )


def _ask_both(client: turnout.Client, held_out: Digits) -> tuple[Digits, dict[int, NDArray[np.int64]]]:
    """Asks both versions for the same digits, and chooses a dozen that tell them apart."""
    rows = held_out.rows[:200]
    first, second = (client.predict(MODEL, rows, version=version).value for version in (1, 2))
    part = Digits(rows, held_out.labels[:200])
    chosen = picture.pick_telling(part, first, second)
    return Digits(rows[chosen], part.labels[chosen]), {1: first[chosen], 2: second[chosen]}


def _wait(done: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + _SWITCH_LIMIT_S
    while not done():
        if time.monotonic() > end_s:
            raise UnavailableError(f"{what} was not ready within {_SWITCH_LIMIT_S:.0f} s")
        time.sleep(0.02)
