"""Clients that send held-out digits without a pause and count every answer."""

import threading
import time
from dataclasses import dataclass

import numpy as np

from turnout.client.blocking import Client
from turnout.client.retry import RetryPolicy
from turnout.demo.digits import Digits
from turnout.errors import TurnoutError

_DIGITS_PER_REQUEST = 8
_TIMEOUT_MS = 10_000
_NO_RETRY = RetryPolicy(attempts=1)
"""A failure that a second attempt would hide is a failure here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request.

    Attributes:
        at_s: when it was answered, since the traffic began.
        latency_ms: from the call to its answer, as the client saw it.
        version: the version that answered.
        right: how many of its digits were recognised.
        digits: how many digits it held.
    """

    at_s: float
    latency_ms: float
    version: int
    right: int
    digits: int


class Traffic:
    """Threads that each own one client. Use as a context manager; the records may be read at any time.

    Args:
        urls: one client is started for each; `http://…` or `grpc://…`.
        model: the model's name.
        digits: what is sent, in random order.
    """

    def __init__(self, urls: list[str], model: str, digits: Digits) -> None:
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._model = model
        self._digits = digits
        self._stop = threading.Event()
        self._began_s = time.monotonic()
        numbered = enumerate(urls)
        self._threads = [threading.Thread(target=self._work, args=(url, n), daemon=True) for n, url in numbered]

    def __enter__(self) -> "Traffic":
        self._began_s = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_MS / 1000)

    @property
    def now_s(self) -> float:
        """Seconds since the traffic began."""
        return time.monotonic() - self._began_s

    def _work(self, url: str, seed: int) -> None:
        random = np.random.default_rng(seed)
        with Client(url, timeout_ms=_TIMEOUT_MS, retry=_NO_RETRY) as client:
            while not self._stop.is_set():
                picked = random.integers(0, len(self._digits.labels), _DIGITS_PER_REQUEST)
                self._call(client, self._digits.rows[picked], self._digits.labels[picked])

    def _call(self, client: Client, rows: np.ndarray, labels: np.ndarray) -> None:
        sent_s = time.monotonic()
        try:
            prediction = client.predict(self._model, rows)
        except TurnoutError as error:
            self.failures.append(f"{type(error).__name__}: {error}")
            return
        answered_s = time.monotonic()
        right = int((prediction.value == labels).sum())
        latency_ms = (answered_s - sent_s) * 1000
        self.answers.append(Answer(answered_s - self._began_s, latency_ms, prediction.version or 0, right, len(labels)))
