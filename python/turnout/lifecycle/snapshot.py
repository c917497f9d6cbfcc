"""Builds what the data plane is told: the whole desired state, as `docs/concepts/seam.md` describes it. Pure."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from turnout.lifecycle.artifact import ResolvedArtifact, ResolvedFile
from turnout.lifecycle.readiness import Readiness
from turnout.lifecycle.records import Fault, ModelRecord, Servable, VersionRecord
from turnout.lifecycle.settings import BatchingSettings, ServableSettings
from turnout.lifecycle.state import VersionState
from turnout.types import JsonValue


def build_snapshot(
    models: Iterable[ModelRecord], readiness: Readiness, copies: Path, missing: Mapping[str, str] | None = None
) -> dict[str, JsonValue]:
    """Returns the snapshot without its sequence number: equal ones need not be applied twice.

    Args:
        models: everything that is known.
        readiness: whether requests may come.
        copies: folder for private copies of artifacts, each in a subfolder of its own.
        missing: models whose folder was never seen, with the cause, by name.
    """
    ordered = sorted(models, key=lambda model: model.name)
    servables: list[JsonValue] = [
        _servable(record, servable, copies)
        for model in ordered
        for _, record in sorted(model.versions.items())
        for servable in (record.current, record.loading)
        if servable is not None and servable.artifact is not None
    ]
    return {
        "ready": {"ready": readiness.ready, "reason": readiness.reason},
        "servables": servables,
        "models": [
            *(_model(model) for model in ordered),
            *(_missing(*each) for each in sorted((missing or {}).items())),
        ],
    }


def _servable(record: VersionRecord, servable: Servable, copies: Path) -> JsonValue:
    assert servable.artifact is not None
    return servable_json(servable.id, record.model, record.version, servable.artifact, servable.settings, copies)


def servable_json(
    number: int, model: str, version: int, artifact: ResolvedArtifact, settings: ServableSettings, copies: Path
) -> JsonValue:
    """Returns the part of a snapshot that says what to load.

    Args:
        number: the servable's number, never used twice in one data plane.
        model: the model's name.
        version: the version's number.
        artifact: what it is made of.
        settings: what it is loaded with.
        copies: folder for private copies, each in a subfolder of its own.
    """
    return {
        "id": number,
        "model": model,
        "version": version,
        "engine": {"kind": artifact.engine, "library": str(artifact.library)},
        "artifact": {
            "path": str(artifact.path),
            "entry": artifact.entry,
            "private_copy": str(copies / str(number)) if artifact.needs_copy else None,
            "files": [_file(file) for file in artifact.files],
        },
        "warmup": _warmup(artifact, settings),
        "signatures": [signature.to_json() for signature in artifact.signatures],
        "settings": {
            "merge": settings.merge,
            "max_batch_rows": settings.max_batch_rows,
            "max_queue": settings.max_queue,
            "intra_op_threads": _intra_op_threads(artifact, settings),
            "interpreters": settings.interpreters,
            "savedmodel": {
                "tags": list(settings.savedmodel.tags),
                "inter_op_threads": settings.savedmodel.session.inter_op_threads,
                "session_config": list(settings.savedmodel.session.config),
            },
            "batching": _batching(settings.batching),
        },
    }


def _warmup(artifact: ResolvedArtifact, settings: ServableSettings) -> JsonValue:
    if artifact.warmup is None or settings.warmup_iterations == 0:
        return None
    return {"file": _file(artifact.warmup), "iterations": settings.warmup_iterations}


def _file(file: ResolvedFile) -> JsonValue:
    return {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256}


def _intra_op_threads(artifact: ResolvedArtifact, settings: ServableSettings) -> int:
    """Only TensorFlow's sessions are set up by a `ConfigProto`; there it was seen to that one of the two says it."""
    said = settings.savedmodel.session.intra_op_threads if artifact.engine == "savedmodel" else 0
    return said or settings.intra_op_threads


def _batching(batching: BatchingSettings) -> JsonValue:
    return {
        "timeout_us": batching.batch_timeout_us,
        "max_enqueued_batches": batching.max_enqueued_batches,
        "allowed_rows": list(batching.allowed_batch_rows),
        "pad_lengths": batching.pad_variable_lengths,
        "split_requests": batching.split_large_requests,
        "max_execution_rows": batching.max_execution_rows,
    }


def _model(model: ModelRecord) -> JsonValue:
    serving = None if model.default is None else model.versions[model.default].current
    shown = [record for _, record in sorted(model.versions.items(), reverse=True) if is_shown(record)]
    return {
        "name": model.name,
        "default": None if serving is None else serving.id,
        "labels": dict[str, JsonValue](sorted(model.settings.labels.items())),
        "problem": next((problem.message for problem in model.problems if problem.version is None), ""),
        "request_log_rate": model.settings.request_log_rate,
        "versions": [_version(record) for record in shown],
    }


def _missing(name: str, problem: str) -> JsonValue:
    return {
        "name": name,
        "default": None,
        "labels": {},
        "problem": problem,
        "request_log_rate": 0.0,
        "versions": [],
    }


def is_shown(record: VersionRecord) -> bool:
    """Returns whether people are told of a version: one that was never wanted is just a folder."""
    return record.wanted or record.state is not VersionState.START or record.fault is not None


def _version(record: VersionRecord) -> JsonValue:
    routable = record.current if record.state is VersionState.AVAILABLE else None
    return {
        "version": record.version,
        "servable": None if routable is None else routable.id,
        "state": record.state.value,
        "error_code": "" if record.fault is None else record.fault.code,
        "error_message": "" if record.fault is None else fault_text(record.fault),
    }


def fault_text(fault: Fault) -> str:
    """Returns cause and remedy in one text, for places that have no field for the remedy."""
    return f"{fault.message}\nhint: {fault.hint}" if fault.hint else fault.message
