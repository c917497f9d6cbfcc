"""One request and how its answer is read, apart from how bytes travel: shared by REST and gRPC, sync and async."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from turnout.client.records import ModelMetadata, ModelSummary, VersionStatus
from turnout.data.inputs import Inputs
from turnout.data.prediction import Prediction
from turnout.types import Signature

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the body, and headers or trailing metadata by lower-case name."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Exchange(Generic[T]):
    """A request that is ready to send.

    Attributes:
        path: the URL's path, or the full name of the gRPC method.
        read: turns the answer into the result.
        body: the payload.
        method: the HTTP method; without meaning for gRPC.
    """

    path: str
    read: Callable[[Answer], T]
    body: bytes = b""
    method: str = "GET"


Steps: TypeAlias = Generator[Exchange[Any], Any, T]
"""A call as a generator: it yields exchanges, is sent what they returned, and returns the result of the whole."""


@dataclass(frozen=True, slots=True)
class Unread:
    """The answer of another version than the one whose signature is known: without names and types, as REST has it."""

    answer: Answer
    version: int


class Codec(Protocol):
    """Turns calls into exchanges; one implementation for each door."""

    def predict(
        self, metadata: ModelMetadata, version: int | None, signature: Signature, inputs: Inputs
    ) -> Exchange[Prediction | Unread]:
        """Asks for a prediction by one of the signatures in `metadata`, of `version` or of the default one."""
        ...

    def read(self, unread: Unread, metadata: ModelMetadata, signature: Signature) -> Prediction:
        """Reads an answer with the signature of the version that gave it."""
        ...

    def status(self, model: str, version: int | None) -> Exchange[tuple[VersionStatus, ...]]:
        """Asks for the states of a model's versions, newest first."""
        ...

    def metadata(self, model: str, version: int | None) -> Exchange[ModelMetadata]:
        """Asks for the signatures of a version."""
        ...

    def models(self) -> Exchange[tuple[ModelSummary, ...]]:
        """Asks for all models."""
        ...

    def ready(self) -> Exchange[bool]:
        """Asks whether the server wants traffic."""
        ...

    def live(self) -> Exchange[bool]:
        """Asks whether the server is there at all."""
        ...
