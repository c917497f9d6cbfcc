"""Signals that stop a server: the first asks for an orderly end, the second ends the process at once."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

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
