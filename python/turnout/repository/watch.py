"""Says when something changed under a source: file-system events where they tell everything, otherwise polling.

A watch is a promise to look again, never knowledge: whoever is told scans. So a missed event costs time, not truth.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from watchfiles import watch

from turnout.host.priority import lower_priority
from turnout.repository.layout import PRIVATE_FOLDER, ArtifactSource, RepositorySource, Source
from turnout.repository.mounts import is_remote
from turnout.repository.publish import STAGING_PREFIX

_log = logging.getLogger("turnout.repository.watch")

WatchMode: TypeAlias = Literal["auto", "events", "poll", "once"]

Scope: TypeAlias = frozenset[str] | None
"""The models that may have changed; None for all of the source's."""

MAX_SCOPE = 64
"""More changed models than this are all of them: one whole scan is cheaper to say."""

_GROUP_MS = 100
"""Events of one change, such as a folder being copied, are told together."""

_STEP_MS = 20
_CHECK_MS = 500
"""How often the root is checked to be the folder that is being watched."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch.

    Attributes:
        mode: `auto` takes events on local file systems and polls remote ones; `once` looks at the start alone.
        poll_interval_ms: between two looks where there are no events.
        rescan_interval_ms: between two looks at everything, events or not; links to other folders, for one, cause none.
    """

    mode: WatchMode
    poll_interval_ms: int
    rescan_interval_ms: int


class SourceWatcher:
    """Watches one source on a thread of its own, until it is closed."""

    def __init__(self, source: Source, options: WatchOptions, changed: Callable[[Scope], None]) -> None:
        """Makes the watcher; `start` begins.

        Args:
            source: what to watch; it may be absent, vanish and return.
            options: how.
            changed: told what may have changed, from the watcher's thread; must return soon.
        """
        self._source = source
        self._options = options
        self._changed = changed
        self._stop = threading.Event()
        self._told_polling = False
        self._thread = threading.Thread(target=self._run, name="turnout-watch", daemon=True)

    def start(self) -> None:
        """Starts watching."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Stops; a thread that hangs on a disk is left behind after `timeout_s`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        lower_priority()
        root = watched_folder(self._source)
        while not self._stop.is_set():
            self._changed(None)
            if self._options.mode == "once":
                return
            if not self._should_poll(root):
                try:
                    self._watch_events(root)
                    continue
                except (OSError, RuntimeError) as error:  # no such folder, or no more watches to be had
                    self._tell_polling(root, error)
            self._stop.wait(self._options.poll_interval_ms / 1000)

    def _should_poll(self, root: Path) -> bool:
        mode = self._options.mode
        return mode == "poll" or (mode == "auto" and is_remote(root))

    def _tell_polling(self, root: Path, error: Exception) -> None:
        # An absent folder is reported by the scan.
        if not self._told_polling and not isinstance(error, FileNotFoundError):
            self._told_polling = True
            _log.warning("no file-system events for `%s`, polling it: %s", root, error, extra={"path": str(root)})

    def _watch_events(self, root: Path) -> None:
        """Tells changes as long as the folder is the one that the watch was set on."""
        identity = _identity(root)
        if identity is None:
            raise FileNotFoundError(str(root))
        is_file = isinstance(self._source, ArtifactSource) and root != self._source.path
        idle_ms = self._options.rescan_interval_ms  # what happened before the watch was set caused no event
        for changes in watch(
            root,
            watch_filter=None,
            debounce=_GROUP_MS,
            step=_STEP_MS,
            stop_event=self._stop,
            rust_timeout=_CHECK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=False,
            recursive=not is_file,
            ignore_permission_denied=True,
        ):
            idle_ms += _CHECK_MS
            if idle_ms > self._options.rescan_interval_ms:
                self._changed(None)
                idle_ms = 0
            elif changes:
                scope = changed_models(self._source, (Path(path) for _, path in changes))
                if scope is None or scope:
                    self._changed(scope)
            if _identity(root) != identity:
                return


def watched_folder(source: Source) -> Path:
    """Returns the folder to watch: of a single file its parent, since a file that is replaced takes its watch along."""
    if isinstance(source, ArtifactSource) and not source.path.is_dir():
        return source.path.parent
    return source.path


def changed_models(source: Source, paths: Iterable[Path]) -> Scope:
    """Says which models a set of changed paths is about; empty where it is about none.

    Args:
        source: what is watched.
        paths: what changed, absolute.
    """
    if isinstance(source, RepositorySource):
        names: set[str] = set()
        for path in paths:
            parts = _parts_below(source.path, path)
            if not parts:
                return None
            if not _is_private(parts[1:]):
                names.add(parts[0])
        return frozenset(names) if len(names) <= MAX_SCOPE else None
    return None if any(_concerns(source, path) for path in paths) else frozenset()


def _concerns(source: Source, path: Path) -> bool:
    if isinstance(source, ArtifactSource) and not source.path.is_dir():
        return path in (source.path, source.path.parent)
    return not _is_private(_parts_below(source.path, path))


def _parts_below(root: Path, path: Path) -> tuple[str, ...]:
    """Returns the parts of a path below the root; none where it is the root, or is told by another name of it."""
    return path.relative_to(root).parts if path.is_relative_to(root) else ()


def _is_private(parts: tuple[str, ...]) -> bool:
    """What writers stage is nobody's business until it is renamed."""
    return len(parts) > 1 and parts[0] == PRIVATE_FOLDER and parts[1].startswith(STAGING_PREFIX)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
