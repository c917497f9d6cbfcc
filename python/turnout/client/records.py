"""What the model and health calls of a client return."""

from collections.abc import Mapping
from dataclasses import dataclass

from turnout.data.signatures import choose_signature
from turnout.types import Signature


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version as its server reports it.

    Attributes:
        version: its number.
        state: `START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`.
        error_code: why it is not available, as a word; empty without an error.
        error_message: the same for people.
    """

    version: int
    state: str
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model as its server lists it.

    Attributes:
        name: the model's name.
        default_version: the version that requests without one get, or None while there is none.
        labels: movable names of versions.
        versions: newest first.
        problem: what is wrong with the model as a whole; empty where nothing is.
    """

    name: str
    default_version: int | None
    labels: Mapping[str, int]
    versions: tuple[VersionStatus, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a version answers to.

    Attributes:
        model: the model's name.
        version: the version that is described.
        signatures: the default one first.
    """

    model: str
    version: int
    signatures: tuple[Signature, ...]

    def signature(self, name: str | None = None) -> Signature:
        """Returns a signature by name, or the default one.

        Raises:
            SignatureNotFoundError: the version has none of that name.
        """
        return choose_signature(self.model, self.version, self.signatures, name)
