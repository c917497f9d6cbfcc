"""Objects that own threads or sockets do not survive `fork()`; this is how they say so instead of hanging."""

import os

from turnout.errors import ForkedError


class ForkGuard:
    """Remembers the process that made an object."""

    __slots__ = ("_owner", "_process_id")

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._process_id = os.getpid()

    @property
    def is_forked(self) -> bool:
        """Whether this process is another one than the maker."""
        return os.getpid() != self._process_id

    def check(self) -> None:
        """Raises if this process is a forked child of the maker.

        Raises:
            ForkedError: it is.
        """
        if self.is_forked:
            raise ForkedError(
                f"{self._owner} was made before `fork()` and cannot be used in the child process: {os.getpid()}",
                hint="Make a new one in the child, or start children with the `spawn` method.",
            )
