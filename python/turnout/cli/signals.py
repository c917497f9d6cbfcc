"""Signals that stop a server: the first asks for an orderly end, the second ends the process at once."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from turnout.cli.output import warn

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Takes SIGTERM and SIGINT while it is entered; only in the main thread."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._before: dict[int, object] = {}

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits for the first signal; returns whether it came."""
        return self._asked.wait(timeout_s)

    def __enter__(self) -> Self:
        for number in _STOPPING:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._asked.is_set():
            os._exit(128 + number)
        self._asked.set()


def drain(stop: Callable[[], bool]) -> bool:
    """Stops a server in another thread, so that a second signal is noticed meanwhile.

    Args:
        stop: drains, and says whether every request was finished.

    Returns:
        What it says.
    """
    finished: list[bool] = []
    drainer = threading.Thread(target=lambda: finished.append(stop()), name="turnout-stop")
    drainer.start()
    while drainer.is_alive():
        drainer.join(0.1)
    if finished != [True]:
        warn("requests were cut short", hint="Raise `drain_timeout_ms`.")
    return finished == [True]
