"""Threads for work that may block on a disk: of low priority, few, and never in the way of the end of the process."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

from turnout.host.priority import lower_priority

_log = logging.getLogger("turnout.lifecycle")

Task: TypeAlias = Callable[[], None]


class WorkerPool:
    """A few daemon threads that run tasks in the order in which they came.

    Unlike `ThreadPoolExecutor`, whose threads are joined when the interpreter ends, one that hangs on a disk holds
    nothing up. The queue is bounded by the callers: a version has one task at a time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._idle = 0

    def submit(self, task: Task) -> None:
        """Runs a task on one of the threads."""
        with self._lock:
            if self._idle <= self._tasks.qsize() and len(self._threads) < self._size:
                thread = threading.Thread(target=self._run, name="turnout-worker", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._tasks.put(task)

    def close(self, timeout_s: float) -> None:
        """Lets the threads end after what they are doing; those that hang are left behind."""
        with self._lock:
            threads = tuple(self._threads)
        for _ in threads:
            self._tasks.put(None)
        for thread in threads:
            thread.join(timeout_s / max(len(threads), 1))

    def _run(self) -> None:
        lower_priority()
        while True:
            with self._lock:
                self._idle += 1
            task = self._tasks.get()
            with self._lock:
                self._idle -= 1
            if task is None:
                return
            try:
                task()
            except Exception:
                _log.exception("a background task failed")
