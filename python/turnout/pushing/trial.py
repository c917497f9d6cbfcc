"""The trial of a version before it is published: the engine loads it, warms it up and runs it. For a child process."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from turnout.data.arrays import inputs_to_wire
from turnout.data.rows import arrange_rows
from turnout.data.samples import Sample
from turnout.flavors.resolve import resolve_artifact
from turnout.loaded import LoadedModel
from turnout.types import Signature


@dataclass(frozen=True, slots=True)
class Trial:
    """What the engine found out.

    Attributes:
        signatures: what the version answers to, the default first.
        mergeable: whether merged answers were the same as single ones.
        merge_reason: how that is known.
        row_us: microseconds of one row; None where generated rows could not be run.
    """

    signatures: tuple[Signature, ...]
    mergeable: bool
    merge_reason: str
    row_us: float | None

    def to_json(self) -> dict[str, Any]:
        """Returns a record of JSON types."""
        return {
            "signatures": [signature.to_json() for signature in self.signatures],
            "mergeable": self.mergeable,
            "merge_reason": self.merge_reason,
            "row_us": self.row_us,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Reads the record that `to_json` writes."""
        signatures = tuple(Signature.from_json(each) for each in record["signatures"])
        return cls(signatures, record["mergeable"], record["merge_reason"], record["row_us"])


def try_out(path: Path, signatures: tuple[Signature, ...], sample: Sample | None) -> Trial:
    """Loads and runs what lies in a folder, or one file.

    Args:
        path: the folder or file.
        signatures: what it answers to; empty leaves it to the engine.
        sample: rows that the default signature has to answer; None leaves it to the rows of the warm-up.

    Raises:
        InvalidInputError: the sample does not fit the default signature.
        TurnoutError: the engine refuses the artifact, or fails on the sample.
    """
    artifact = replace(resolve_artifact(path, None), signatures=signatures)
    loaded = LoadedModel("candidate", 1, artifact)
    try:
        if sample is not None:
            signature = loaded.signatures[0]
            loaded.predict(signature.name, inputs_to_wire(arrange_rows(sample, signature), signature))
        facts = loaded.facts
        return Trial(loaded.signatures, facts["mergeable"], facts["merge_reason"], facts["row_us"])
    finally:
        loaded.close()
