"""The watch for renewed certificates."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from turnout.errors import TurnoutError

_log = logging.getLogger("turnout.serving.certificates")

LOOK_S = 5.0
"""Between two looks at the files. Renewals come hours before the old certificate ends."""

TlsPaths: TypeAlias = tuple[str, str, str | None]
"""Certificate, key, authority of clients."""


class CertificateWatch:
    """Has certificates read anew when their files change. Start it once; `close` ends its thread.

    Args:
        paths: the files; None stands for one that there is not.
        reload: reads them all; raises a `TurnoutError` where they are wrong.
    """

    def __init__(self, paths: Iterable[str | None], reload: Callable[[], None]) -> None:
        self._paths = [path for path in paths if path is not None]
        self._reload = reload
        self._stop = threading.Event()
        self._seen = self._stamps()
        self._thread = threading.Thread(target=self._run, name="turnout-certificates", daemon=True)

    def start(self) -> None:
        """Starts to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stops to watch; idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        """Files that are written one after the other fit again at a later look, and are reported until then once."""
        stamps = self._stamps()
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            self._reload()
        except TurnoutError as error:
            _log.error("renewed certificates cannot be used, so the former ones stay: %s", error.message)
        else:
            _log.info("certificates were read anew", extra={"paths": self._paths})

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._paths]


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()  # of what a link leads to: cluster secrets are links
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
