"""Things that are closed with the thing that they belong to."""

from typing import Protocol


class Closable(Protocol):
    """What is closed with a model that it belongs to."""

    def close(self) -> None:
        """Frees what is held."""
        ...
