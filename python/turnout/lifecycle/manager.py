"""The life-cycle manager: threads around the reconciler. What waits or blocks happens here; nothing is decided here."""

import json
import logging
import queue
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeAlias, TypeVar

from turnout.errors import UnavailableError
from turnout.host.priority import lower_priority
from turnout.lifecycle.artifact import Resolve
from turnout.lifecycle.crash import FatalNote
from turnout.lifecycle.events import Clock, EventLog, LifecycleEvent
from turnout.lifecycle.forward import forward_log
from turnout.lifecycle.journal import Journal
from turnout.lifecycle.ports import DataPlane, Fact, Message, Ports, SystemClock
from turnout.lifecycle.process import ProcessIdentity, is_alive
from turnout.lifecycle.reconcile import Reconciler
from turnout.lifecycle.scanning import SourceLooks
from turnout.lifecycle.settings import ManagerOptions, SettingsFor
from turnout.lifecycle.status import Status
from turnout.lifecycle.threads import WorkerPool
from turnout.repository.layout import Source
from turnout.repository.watch import Scope, WatchOptions

_log = logging.getLogger("turnout.lifecycle")

WORKERS = 8
"""Threads that read files; each model has at most a few tasks, so that one that hangs leaves room for the others."""

_TURN_MS = 1000
"""Longest sleep of the manager's thread."""

_PUMP_MS = 200
"""Longest wait for a fact, and so the longest that the end of the pump takes."""

_COMMAND_S = 5.0
"""How long a caller waits for room in the inbox."""

Command: TypeAlias = Callable[[], None]

AnswerT = TypeVar("AnswerT")


def _wake() -> None:
    """A command that does nothing, for a thread that waits for one."""


class Manager:
    """Loads, serves, retires and unloads versions, so that what is in memory is what the sources and settings say.

    Made once per data plane, started once, closed once. All methods are thread-safe. It neither drains nor closes the
    data plane: what it loaded goes on serving when the manager is closed, until the data plane is.
    """

    def __init__(
        self,
        data_plane: DataPlane,
        sources: Sequence[Source],
        options: ManagerOptions,
        *,
        resolve: Resolve,
        settings_for: SettingsFor,
        clock: Clock | None = None,
        command: Callable[[Mapping[str, object]], None] | None = None,
    ) -> None:
        """Makes a manager; nothing happens before `start`.

        Args:
            data_plane: what is told, and what reports.
            sources: where models come from.
            options: how to work.
            resolve: finds out what a version is made of; called on worker threads.
            settings_for: reads a model's settings; called on worker threads.
            clock: the machine's clocks when not given.
            command: gets what clients ask of the control plane, on the thread of facts; must return soon.
        """
        self._client_command = command
        clock = clock or SystemClock()
        self._data_plane = data_plane
        self._events = EventLog(options.event_capacity, clock)
        self._journal = Journal(options.cache_dir)
        self._fatal_note = FatalNote(self._journal.fatal_note_path()) if options.fatal_log else None
        self._copies = options.cache_dir / "copies" / self._journal.process.key / secrets.token_hex(4)
        self._inbox: queue.Queue[Message | Command] = queue.Queue(options.inbox_capacity)
        self._pool = WorkerPool(WORKERS)
        watch = WatchOptions(options.watch, options.poll_interval_ms, options.rescan_interval_ms)
        self._look_at = partial(SourceLooks, options=watch, clock=clock, deliver=self._deliver)
        self._looks = {source: self._look_at(source) for source in sources}
        ports = Ports(data_plane.apply, resolve, settings_for, self._submit, self._rescan, self._copies)
        self._reconciler = Reconciler(sources, ports, options, self._journal, self._events, clock)
        self._clock = clock
        self._status_changed = threading.Condition()
        self._status = Status(ready=False, reason="not started", models={}, problems=(), settled=False)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="turnout-manager", daemon=True),
            threading.Thread(target=self._pump, name="turnout-facts", daemon=True),
        ]

    def start(self) -> None:
        """Starts the threads; what is in the sources is loaded from now on."""
        if self._fatal_note is not None:
            try:
                self._fatal_note.open()
            except OSError as error:
                _log.warning("fatal signals cannot be noted, so that a crash will count as a kill: %s", error)
        for thread in self._threads:
            thread.start()
        self._pool.submit(self._remove_stale_copies)

    def close(self, timeout_s: float = 10.0) -> None:
        """Stops the threads; those that hang on a disk are left behind after `timeout_s`. Idempotent."""
        if self._stop.is_set():
            return
        self._stop.set()
        with suppress(queue.Full):
            self._inbox.put_nowait(_wake)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout_s)
        for looks in tuple(self._looks.values()):
            looks.close(timeout_s)
        self._pool.close(timeout_s)
        self._reconciler.close()
        if self._fatal_note is not None:
            self._fatal_note.close()
        with self._status_changed:
            self._status_changed.notify_all()

    def status(self) -> Status:
        """Returns what is so now, as far as the manager knows; never blocks."""
        return self._status

    def events(self, after: int = 0) -> list[LifecycleEvent]:
        """Returns the events that are still remembered, after a sequence number."""
        return self._events.events(after)

    def listen(self, listener: Callable[[LifecycleEvent], None]) -> None:
        """Tells a listener of every event from now on, on the manager's thread; it must return soon."""
        self._events.listen(listener)

    def wait_until(self, condition: Callable[[Status], bool], timeout_s: float) -> bool:
        """Waits until a condition holds; returns whether it does.

        Args:
            condition: asked whenever something changed, on the calling thread.
            timeout_s: the longest wait.
        """
        with self._status_changed:
            self._status_changed.wait_for(lambda: condition(self._status) or self._stop.is_set(), timeout_s)
            return condition(self._status)

    def wait_ready(self, timeout_s: float) -> bool:
        """Waits until the server is ready; returns whether it is."""
        return self.wait_until(lambda status: status.ready, timeout_s)

    def rescan(self) -> None:
        """Looks at all sources soon, without waiting for an event."""
        for looks in tuple(self._looks.values()):
            looks.request(None)

    def reconfigure(self) -> None:
        """Reads the settings of all models anew soon; for when the operator's own file has changed."""
        self._command(self._reconciler.reconfigure)

    def replace_sources(self, sources: Sequence[Source]) -> None:
        """Takes models from other places from now on, and reads all settings anew; no request is lost.

        Returns when it has begun: what is new is loaded as at the start, a model that moved serves what it has until
        the new place has something, and one that no source has any more leaves the routes and is unloaded.

        Raises:
            UnavailableError: the manager is closed or busy.
        """
        self._ask(lambda: self._exchange(sources))

    def clear_quarantine(self, model: str, version: int) -> bool:
        """Allows a version to be tried again on which a process died; returns whether it was suspected.

        Raises:
            UnavailableError: the manager is closed or busy.
        """
        return self._ask(lambda: self._reconciler.clear_quarantine(model, version))

    def _ask(self, act: Callable[[], AnswerT]) -> AnswerT:
        """Has something done on the manager's thread and waits for it."""
        answer: queue.SimpleQueue[AnswerT] = queue.SimpleQueue()
        self._command(lambda: answer.put(act()))
        try:
            return answer.get(timeout=_COMMAND_S)
        except queue.Empty:
            raise UnavailableError("the manager does not answer") from None

    def _exchange(self, sources: Sequence[Source]) -> None:
        for source in self._looks.keys() - set(sources):
            looks = self._looks.pop(source)
            self._pool.submit(partial(looks.close, _COMMAND_S))  # it may hang on a disk
        self._reconciler.replace_sources(sources)
        for source in sources:
            if source not in self._looks:
                self._looks[source] = self._look_at(source)
                self._looks[source].start()
        self._step()  # whoever waits for something sees no status from before

    def _command(self, command: Command) -> None:
        if self._stop.is_set():
            raise UnavailableError("the manager is closed")
        try:
            self._inbox.put(command, timeout=_COMMAND_S)
        except queue.Full:
            raise UnavailableError("the manager is busy") from None

    def _deliver(self, message: Message) -> None:
        """Waits for room: whoever brings news slows down when there are too many."""
        while not self._stop.is_set():
            try:
                self._inbox.put(message, timeout=1.0)
            except queue.Full:
                continue
            return

    def _submit(self, task: Callable[[], Message]) -> None:
        self._pool.submit(lambda: self._deliver(task()))

    def _rescan(self, source: Source, scope: Scope) -> None:
        looks = self._looks.get(source)
        if looks is not None:
            looks.request(scope)

    def _run(self) -> None:
        lower_priority()
        self._guard(self._reconciler.recover)
        for looks in self._looks.values():
            looks.start()
        self._guard(self._step)
        while not self._stop.is_set():
            items = self._take()
            for item in items:
                self._guard(lambda item=item: self._handle(item))
            wake_ms = self._reconciler.next_wake_ms()
            if items or (wake_ms is not None and wake_ms <= self._clock.monotonic_ms()):
                self._guard(self._step)

    def _take(self) -> list[Message | Command]:
        """Waits for something to do and takes all of it, so that many changes become one snapshot."""
        wake_ms = self._reconciler.next_wake_ms()
        wait_ms = _TURN_MS if wake_ms is None else min(max(wake_ms - self._clock.monotonic_ms(), 0), _TURN_MS)
        items: list[Message | Command] = []
        with suppress(queue.Empty):
            items.append(self._inbox.get(timeout=wait_ms / 1000))
            while len(items) < self._inbox.maxsize:
                items.append(self._inbox.get_nowait())
        return items

    def _handle(self, item: Message | Command) -> None:
        if callable(item):
            item()
        else:
            self._reconciler.handle(item)

    def _step(self) -> None:
        status = self._reconciler.step()
        with self._status_changed:
            self._status = status
            self._status_changed.notify_all()

    def _guard(self, act: Callable[[], None]) -> None:
        """A fault of ours in one message must not end the manager: what serves goes on, and the fault is told."""
        try:
            act()
        except Exception:
            _log.exception("bug: the life-cycle manager failed at a message and goes on")

    def _pump(self) -> None:
        lower_priority()
        while not self._stop.is_set():
            try:
                text = self._data_plane.next_event(_PUMP_MS)
                if text is not None:
                    self._report(json.loads(text))
            except Exception:
                _log.exception("bug: a fact of the data plane could not be taken in")
                self._stop.wait(1.0)

    def _report(self, event: dict[str, object]) -> None:
        if event["event"] == "log":
            forward_log(event)
        elif event["event"] == "command":
            if self._client_command is not None:
                self._client_command(event)
        else:
            self._deliver(Fact(event))

    def _remove_stale_copies(self) -> None:
        """Removes private copies of processes that were killed while they loaded them."""
        for folder in self._copies.parent.parent.glob("*"):
            process = ProcessIdentity.from_key(folder.name)
            if process is not None and not is_alive(process):
                shutil.rmtree(folder, ignore_errors=True)
