"""Turns the manager's memory into what the pure rules ask for, and into what people are shown."""

from collections.abc import Iterable

from turnout.lifecycle.policy import ModelView, VersionView
from turnout.lifecycle.readiness import ModelReadiness, Readiness
from turnout.lifecycle.records import ModelRecord, VersionRecord
from turnout.lifecycle.snapshot import is_shown
from turnout.lifecycle.state import VersionState
from turnout.lifecycle.status import ModelStatus, Status, VersionStatus
from turnout.repository.scan import Problem


def model_view(model: ModelRecord, now_ms: int, *, suspect_loading: bool) -> ModelView:
    """Returns what the policy knows of a model.

    Args:
        model: the record.
        now_ms: the monotonic clock.
        suspect_loading: whether any version on which a process died is being loaded.
    """
    views = tuple(_version_view(model, record, now_ms, suspect_loading) for record in model.versions.values())
    pin = None if model.pin is None else model.pin.version
    return ModelView(versions=views, default=model.default, previous=model.previous, pin=pin)


def _version_view(model: ModelRecord, record: VersionRecord, now_ms: int, suspect_loading: bool) -> VersionView:
    settling = record.is_settling(now_ms)
    waits_for_suspect = record.suspicion is not None and suspect_loading
    return VersionView(
        version=record.version,
        state=record.state,
        present=record.present and model.present,
        loadable=(record.is_complete or settling) and not record.is_quarantined,
        failed=record.failures > 0,
        retry_at_ms=record.retry_at_ms,
        held=settling or record.needs_hashes or waits_for_suspect or bool(record.draining),
        outdated=_is_outdated(model, record),
        reloading=record.current is not None and record.loading is not None,
    )


def _is_outdated(model: ModelRecord, record: VersionRecord) -> bool:
    """A version whose files are no longer those that were loaded cannot be loaded again with other settings."""
    settings = model.settings.of_servable()
    if record.current is None or record.observed is None or record.current.settings == settings:
        return False
    return record.refused_settings != settings and record.current.fingerprint == record.observed.fingerprint


def is_pending(model: ModelRecord, now_ms: int) -> bool:
    """Returns whether the first attempt at a model is still to come or under way."""
    if not model.configured and model.settings_problem is None:
        return True
    return any(_is_version_pending(record, now_ms) for record in model.versions.values())


def _is_version_pending(record: VersionRecord, now_ms: int) -> bool:
    if record.failures or record.fault is not None or not record.present:
        return False
    is_out = record.state in (VersionState.START, VersionState.END, VersionState.UNLOADING)
    return record.state is VersionState.LOADING or (is_out and (record.wanted or record.is_settling(now_ms)))


def model_readiness(model: ModelRecord) -> ModelReadiness:
    """Returns what counts of a model for readiness."""
    return ModelReadiness(model.name, model.attempted, model.default is not None, _reason(model))


def _reason(model: ModelRecord) -> str:
    if model.settings_problem is not None and not model.configured:
        return model.settings_problem.message
    faults = [record for _, record in sorted(model.versions.items(), reverse=True) if record.fault is not None]
    if faults and faults[0].fault is not None:
        return f"version {faults[0].version}: {faults[0].fault.message}"
    return model.scan_problems[0].message if model.scan_problems else ""


def build_status(
    models: Iterable[ModelRecord], readiness: Readiness, problems: Iterable[Problem], now_ms: int, *, all_seen: bool
) -> Status:
    """Returns what people are shown; `all_seen` says that every source was looked at."""
    records = sorted(models, key=lambda model: model.name)
    return Status(
        ready=readiness.ready,
        reason=readiness.reason,
        models={model.name: _model_status(model) for model in records},
        problems=tuple(problems),
        settled=all_seen and not any(_is_busy(model, now_ms) for model in records),
        attempted=all_seen and all(model.attempted for model in records),
    )


def _model_status(model: ModelRecord) -> ModelStatus:
    versions = [record for _, record in sorted(model.versions.items(), reverse=True) if is_shown(record)]
    return ModelStatus(
        name=model.name,
        default=model.default,
        previous=model.previous,
        pin=model.pin,
        versions=tuple(_version_status(model, record) for record in versions),
        attempted=model.attempted,
    )


def _version_status(model: ModelRecord, record: VersionRecord) -> VersionStatus:
    current = record.current if record.state is VersionState.AVAILABLE else None
    return VersionStatus(
        version=record.version,
        state=record.state,
        fault=record.fault,
        is_default=record.version == model.default,
        servable=None if current is None else current.id,
        facts=None if current is None else current.facts,
    )


def _is_busy(model: ModelRecord, now_ms: int) -> bool:
    moving = (VersionState.LOADING, VersionState.UNLOADING)
    busy = any(
        record.state in moving or record.loading is not None or record.draining or record.hashing
        for record in model.versions.values()
    )
    return busy or model.configuring or is_pending(model, now_ms)
