"""What happened to versions, with times: remembered for a while, and told to whoever asked to be told."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

_log = logging.getLogger("turnout.lifecycle")


class EventKind(StrEnum):
    """What happened."""

    LOADING = "loading"
    """A load began."""
    LOADED = "loaded"
    """Warm; from the next snapshot on it answers requests that name it."""
    LOAD_FAILED = "load_failed"
    """The load failed; `detail` says why."""
    SERVING = "serving"
    """About to become the default: stamped before the routes change, so that no answer is older than the event."""
    RETIRED = "retired"
    """No longer the default: stamped after the routes changed."""
    UNLOADING = "unloading"
    """Out of the routes: stamped after they changed."""
    UNLOADED = "unloaded"
    """No request uses it any more and its memory is given back."""
    QUARANTINED = "quarantined"
    """Not tried, because the server died on it before."""


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """One thing that happened to one version.

    Attributes:
        sequence: counts up from 1 without gaps.
        kind: what happened.
        model: the model's name.
        version: the version's number.
        wall_s: seconds since the epoch.
        monotonic_ms: on the monotonic clock.
        servable: the data plane's number of the loaded version; None where nothing was loaded.
        detail: more, in words; may be empty.
    """

    sequence: int
    kind: EventKind
    model: str
    version: int
    wall_s: float
    monotonic_ms: int
    servable: int | None = None
    detail: str = ""


class Clock(Protocol):
    """Where times come from."""

    def monotonic_ms(self) -> int:
        """Returns milliseconds that never go back."""
        ...

    def wall_s(self) -> float:
        """Returns seconds since the epoch."""
        ...


class EventLog:
    """The last events, oldest first. Thread-safe; one thread adds."""

    def __init__(self, capacity: int, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._events: deque[LifecycleEvent] = deque(maxlen=capacity)
        self._listeners: list[Callable[[LifecycleEvent], None]] = []
        self._sequence = 0

    def listen(self, listener: Callable[[LifecycleEvent], None]) -> None:
        """Tells a listener of every event from now on, in the thread that adds it; it must return soon."""
        with self._lock:
            self._listeners.append(listener)

    def add(self, kind: EventKind, model: str, version: int, servable: int | None = None, detail: str = "") -> None:
        """Adds what happened just now, logs it and tells the listeners."""
        now_s, now_ms = self._clock.wall_s(), self._clock.monotonic_ms()
        with self._lock:
            self._sequence += 1
            event = LifecycleEvent(self._sequence, kind, model, version, now_s, now_ms, servable, detail)
            self._events.append(event)
            listeners = tuple(self._listeners)
        level = logging.DEBUG if kind in _QUIET else logging.INFO
        text = f"model `{model}` version {version} {_WORDS[kind]}{': ' if detail else ''}{detail}"
        _log.log(level, "%s", text, extra={"event": kind.value, "model": model, "version": version})
        for listener in listeners:
            try:
                listener(event)
            except Exception:
                _log.exception("a listener of life-cycle events failed")

    def events(self, after: int = 0) -> list[LifecycleEvent]:
        """Returns the events that are still remembered, after a sequence number."""
        with self._lock:
            return [event for event in self._events if event.sequence > after]


_QUIET = frozenset({EventKind.LOADING, EventKind.UNLOADING, EventKind.LOAD_FAILED, EventKind.QUARANTINED})
"""Failures and quarantines are logged as problems, once."""

_WORDS = {
    EventKind.LOADING: "is being loaded",
    EventKind.LOADED: "is loaded",
    EventKind.LOAD_FAILED: "could not be loaded",
    EventKind.SERVING: "serves",
    EventKind.RETIRED: "no longer serves by default",
    EventKind.UNLOADING: "is being unloaded",
    EventKind.UNLOADED: "is unloaded",
    EventKind.QUARANTINED: "is in quarantine",
}
