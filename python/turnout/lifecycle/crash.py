"""Notes the fatal signal that ends this process, so that the next start can tell a fault from a kill."""

import faulthandler
import logging
from io import FileIO
from pathlib import Path

from turnout.repository.files import make_folder

_log = logging.getLogger("turnout.lifecycle.journal")


class FatalNote:
    """A file that stays empty unless a fatal signal (SEGV, BUS, ABRT, ILL, FPE) ends this process.

    Signal handlers belong to the whole process, so this is for a server that owns its process. Where somebody else
    (`python -X faulthandler`) asked for the handlers first they keep them, and a crash counts as a kill.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def open(self) -> None:
        """Begins to watch for fatal signals.

        Raises:
            OSError: the file cannot be made.
        """
        if faulthandler.is_enabled():
            _log.info("fatal signals go to a handler that was there before; a crash will count as a kill")
            return
        make_folder(self._path.parent)
        self._file = FileIO(self._path, "w")
        faulthandler.enable(self._file, all_threads=False)

    def close(self) -> None:
        """Gives the handlers back and removes the file. Idempotent."""
        if self._file is not None:
            faulthandler.disable()
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)
