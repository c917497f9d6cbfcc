"""Looks at a source whenever it may have changed, on a thread of its own: a disk that hangs holds up no other."""

import threading
from collections.abc import Callable

from turnout.host.priority import lower_priority
from turnout.lifecycle.events import Clock
from turnout.lifecycle.ports import Scanned
from turnout.repository.layout import Source
from turnout.repository.scan import Scanner
from turnout.repository.watch import MAX_SCOPE, Scope, SourceWatcher, WatchOptions


class SourceLooks:
    """One source: its watcher, its scanner, and at most one request to look that waits."""

    def __init__(self, source: Source, options: WatchOptions, clock: Clock, deliver: Callable[[Scanned], None]) -> None:
        """Makes it; `start` begins with a look at everything.

        Args:
            source: what to look at.
            options: how to watch it.
            clock: stamps each look.
            deliver: gets what was seen, on this object's thread; may block.
        """
        self._scanner = Scanner(source)
        self._watcher = SourceWatcher(source, options, self.request)
        self._clock = clock
        self._deliver = deliver
        self._changed = threading.Condition()
        self._wanted: Scope = frozenset()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="turnout-scan", daemon=True)

    def start(self) -> None:
        """Begins to look and to watch."""
        self._thread.start()
        self._watcher.start()

    def request(self, scope: Scope) -> None:
        """Asks for a look; several requests that wait become one."""
        with self._changed:
            both = None if scope is None or self._wanted is None else self._wanted | scope
            self._wanted = None if both is not None and len(both) > MAX_SCOPE else both
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Stops both threads; those that hang on a disk are left behind."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._watcher.close(timeout_s)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        lower_priority()
        while (scope := self._next_scope()) != frozenset():
            started_ms = self._clock.monotonic_ms()
            self._deliver(Scanned(self._scanner.scan(scope), started_ms))

    def _next_scope(self) -> Scope:
        """Waits for a request and takes it; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._wanted != frozenset())
            scope, self._wanted = self._wanted, frozenset()
            return frozenset() if self._stopped else scope
