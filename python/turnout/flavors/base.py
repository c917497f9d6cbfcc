"""What a flavor is: a way in which a framework saves its models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Detection:
    """What a file was recognised as.

    Attributes:
        flavor: the flavor's name, as it stands in manifests; for code, what it holds is known only once it has run.
        form: the format of the file, in words.
        is_code: whether reading it runs code from it, so that somebody has to grant trust.
    """

    flavor: str
    form: str
    is_code: bool = False


class Flavor(Protocol):
    """One framework's way to save models."""

    @property
    def name(self) -> str:
        """The name in manifests and messages."""
        ...

    @property
    def engine(self) -> str:
        """The engine that executes such models once they are in a repository."""
        ...

    @property
    def extra(self) -> str:
        """The extra of Turnout that brings what is needed to accept them."""
        ...

    def detect(self, path: Path) -> Detection | None:
        """Returns what a file is, judged by its content; None if it is not of this flavor."""
        ...

    def owns(self, model: object) -> bool:
        """Returns whether an object is a model of this framework; never imports the framework."""
        ...


def modules_of(model: object) -> tuple[str, ...]:
    """Returns the top-level packages of an object's class and of its bases, the class's own first."""
    return tuple(dict.fromkeys(base.__module__.partition(".")[0] for base in type(model).__mro__))


def read_head(path: Path, size_bytes: int) -> bytes:
    """Returns the first bytes of a file; empty for what is no readable file."""
    try:
        with path.open("rb") as stream:
            return stream.read(size_bytes)
    except OSError:
        return b""
