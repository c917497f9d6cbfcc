"""What `turnout inspect` finds out about a file or a folder: how it was saved, what runs it, what it answers to."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnout import _dataplane
from turnout.flavors.registry import detect
from turnout.flavors.resolve import resolve_artifact
from turnout.lifecycle.artifact import ResolvedArtifact
from turnout.lifecycle.settings import ModelSettings
from turnout.lifecycle.snapshot import servable_json
from turnout.repository.scan import ScannedVersion
from turnout.repository.versions import choose_version
from turnout.types import Signature

_FORMS = {"onnx": "ONNX", "savedmodel": "a TensorFlow SavedModel", "tflite": "TensorFlow Lite"}
"""What each engine opens, in words."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """One model as it was found.

    Attributes:
        path: the file, or the version's folder.
        flavor: how it was saved.
        form: the format, in words.
        size_bytes: of all files together.
        engine: what executes it; None where it has to be converted first.
        runtime: the runtime's version; None where nothing was loaded.
        signatures: what it answers to, the default first; empty where nothing was loaded.
        note: what to know or to do about it; empty without need.
        metrics: figures of the training, as they were pushed.
    """

    path: Path
    flavor: str
    form: str
    size_bytes: int
    engine: str | None
    runtime: str | None
    signatures: tuple[Signature, ...]
    note: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])

    def to_json(self) -> dict[str, Any]:
        """Returns a record of JSON types."""
        return {
            "path": str(self.path),
            "flavor": self.flavor,
            "form": self.form,
            "size_bytes": self.size_bytes,
            "engine": self.engine,
            "runtime": self.runtime,
            "signatures": [signature.to_json() for signature in self.signatures],
            "note": self.note,
            "metrics": dict(self.metrics),
        }


def inspect_path(path: Path) -> Inspection:
    """Looks at a model file, a version's folder or a model's folder; loads what can be loaded as it is.

    Raises:
        FlavorUnknownError: no flavor recognises it.
        ArtifactInvalidError: a file is missing or not what its manifest says.
        LoadFailedError: the runtime refuses it.
        RuntimeMissingError: the runtime is not installed.
    """
    if path.is_file():
        found = detect(path)
        if found.flavor not in _FORMS:
            return _needs_conversion(path)
    _, version = choose_version(path)
    artifact = resolve_artifact(version.path, version.manifest)
    description = _load(version, artifact)
    return Inspection(
        path=version.path,
        flavor=version.manifest.flavor if version.manifest else artifact.engine,
        form=_FORMS[artifact.engine],
        size_bytes=sum(file.size_bytes for file in artifact.files),
        engine=artifact.engine,
        runtime=description["runtime"],
        signatures=artifact.signatures or tuple(Signature.from_json(each) for each in description["signatures"]),
        metrics=version.manifest.metrics if version.manifest else {},
    )


def _needs_conversion(path: Path) -> Inspection:
    found = detect(path)
    trust = " --trust" if found.is_code else ""
    note = f"It is served after a conversion to ONNX: `turnout push {path} --name NAME{trust}`."
    if found.is_code:
        note = f"It is code: whoever wrote the file can do anything in the process that loads it. {note}"
    return Inspection(path, found.flavor, found.form, path.stat().st_size, None, None, (), note)


def _load(version: ScannedVersion, artifact: ResolvedArtifact) -> dict[str, Any]:
    """Loads the artifact, asks the runtime about it and drops it."""
    with tempfile.TemporaryDirectory(prefix="turnout-inspect-") as copies:
        settings = ModelSettings().of_servable()
        record: Any = servable_json(1, "inspected", version.version, artifact, settings, Path(copies))
        parts = (json.dumps(record[name]) for name in ("engine", "artifact", "settings"))
        return json.loads(_dataplane.inspect_artifact(*parts))
