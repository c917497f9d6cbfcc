"""What is about to be published: the artifact, and what is known about it."""

from dataclasses import dataclass, field
from typing import Any, Self

from turnout.convert.base import Subject
from turnout.convert.conversion import Converted
from turnout.types import JsonValue, Signature


@dataclass(frozen=True, slots=True)
class Candidate:
    """A converted model on its way into a repository, without its bytes.

    Attributes:
        flavor: the framework that it was fitted with.
        title: what it is, in words, with what its default signature returns.
        signatures: what it answers to, the default first.
        source: the libraries that made and converted it.
        parity: how its answers compare with the original's.
        sample: where the rows of the comparison came from.
        notes: what a person should know.
    """

    flavor: str
    title: str
    signatures: tuple[Signature, ...]
    source: dict[str, JsonValue]
    parity: dict[str, JsonValue]
    sample: str
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, subject: Subject, converted: Converted, sample: str, notes: tuple[str, ...]) -> Self:
        """Sums up a conversion."""
        heads: list[JsonValue] = [head.to_json() for head in converted.heads]
        return cls(
            flavor=subject.flavor,
            title=subject.title,
            signatures=converted.signatures,
            source={"model": subject.title, "libraries": dict(subject.versions)},
            parity={"rows": converted.rows, "outputs": heads},
            sample=sample,
            notes=(*converted.notes, *notes),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a record of JSON types, for the way out of a child process."""
        return {
            "flavor": self.flavor,
            "title": self.title,
            "signatures": [signature.to_json() for signature in self.signatures],
            "source": self.source,
            "parity": self.parity,
            "sample": self.sample,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Reads the record that `to_json` writes."""
        return cls(
            flavor=record["flavor"],
            title=record["title"],
            signatures=tuple(Signature.from_json(signature) for signature in record["signatures"]),
            source=record["source"],
            parity=record["parity"],
            sample=record["sample"],
            notes=tuple(record["notes"]),
        )
