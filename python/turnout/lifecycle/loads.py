"""Carries loads and unloads through: journal, preparation, the data plane's facts, and what is left when they fail."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from turnout.errors import InternalError, LoadFailedError
from turnout.lifecycle.artifact import ResolvedArtifact
from turnout.lifecycle.backoff import retry_delay_ms
from turnout.lifecycle.events import Clock, EventKind, EventLog
from turnout.lifecycle.journal import Journal
from turnout.lifecycle.ports import Fact, Ports, Prepared
from turnout.lifecycle.records import Fault, LoadedFacts, ModelRecord, Servable, VersionRecord
from turnout.lifecycle.settings import ManagerOptions
from turnout.lifecycle.state import VersionState
from turnout.lifecycle.suspects import Suspects
from turnout.lifecycle.tasks import prepare
from turnout.types import Signature

_log = logging.getLogger("turnout.lifecycle")


NEVER_MS = 2**62
"""A time of the clock that does not come."""


def overdue_ms(model: ModelRecord, servable: Servable) -> int:
    """Returns when a load will have taken too long."""
    return servable.begun_ms + model.settings.load_timeout_ms


@dataclass(frozen=True, slots=True)
class _Load:
    """One servable that the data plane may know."""

    record: VersionRecord
    servable: Servable


class Loads:
    """Everything that is loaded, being loaded or being unloaded. Used by the reconciler's thread alone."""

    def __init__(
        self,
        ports: Ports,
        options: ManagerOptions,
        journal: Journal,
        suspects: Suspects,
        events: EventLog,
        clock: Clock,
    ) -> None:
        self._ports = ports
        self._options = options
        self._journal = journal
        self._suspects = suspects
        self._events = events
        self._clock = clock
        self._next_id = 1
        self._loads: dict[int, _Load] = {}
        self._when_applied: list[Callable[[], None]] = []
        self.journal_fault = ""

    def is_suspect_loading(self) -> bool:
        """Returns whether a version on which a process died is being loaded."""
        return any(load.record.suspicion is not None and load.record.loading for load in self._loads.values())

    def begin(self, model: ModelRecord, record: VersionRecord) -> None:
        """Begins to load a version, or to load it anew where it is loaded already."""
        if record.state is VersionState.END:
            record.move(VersionState.START)
        if record.state is VersionState.START:
            record.move(VersionState.LOADING)
        observed = record.observed
        if observed is None:
            raise InternalError("bug: a version is loaded that was never seen")
        settings = model.settings.of_servable()
        begun_ms = self._clock.monotonic_ms()
        servable = Servable(self._next_id, observed.scanned.path, observed.fingerprint, settings, begun_ms)
        self._next_id += 1
        record.loading = servable
        self._loads[servable.id] = _Load(record, servable)
        self._events.add(EventKind.LOADING, record.model, record.version, servable.id)
        journal, resolve, manifest = self._journal, self._ports.resolve, observed.scanned.manifest
        model_name, version = record.model, record.version
        self._ports.submit(lambda: prepare(journal, resolve, model_name, version, servable, manifest))

    def give_up_overdue(self, model: ModelRecord, now_ms: int) -> None:
        """Lets a version fail that has been loading for too long; what it has in memory goes when the load ends."""
        for record in model.versions.values():
            servable = record.loading
            if servable is None or now_ms < overdue_ms(model, servable):
                continue
            self._drop(record, servable)
            message = f"the version was not loaded within {model.settings.load_timeout_ms} ms (`load_timeout_ms`)"
            hint = "Raise the limit if it is only slow. New files are tried when this load ends, or after a restart."
            self._fail(record, servable, Fault(LoadFailedError.code, message, hint))
            if record.current is None:
                record.retry_at_ms = NEVER_MS

    def unload(self, record: VersionRecord) -> None:
        """Takes a version out of the next snapshot; it ends when the data plane reports that its memory is free."""
        record.move(VersionState.UNLOADING)
        for servable in (record.current, record.loading):
            if servable is not None:
                self._drop(record, servable)
        record.current = record.loading = None
        self.when_applied(EventKind.UNLOADING, record)
        self._end_if_drained(record)

    def when_applied(self, kind: EventKind, record: VersionRecord) -> None:
        """Adds an event once the data plane has taken over the next snapshot."""
        model, version = record.model, record.version
        self._when_applied.append(lambda: self._events.add(kind, model, version))

    def applied(self) -> None:
        """The data plane has taken over the snapshot that was built last."""
        for load in self._loads.values():
            if load.servable.artifact is not None:
                load.servable.applied = True
        actions, self._when_applied = self._when_applied, []
        for act in actions:
            act()

    def prepared(self, message: Prepared) -> str | None:
        """Takes in what a load needs; returns the model that it is about."""
        load = self._loads.get(message.servable)
        if load is None:
            return None
        record, servable = load.record, load.servable
        self.journal_fault = message.journal_fault
        if record.loading is not servable:
            self._forget(servable)
            self._note_end(record, servable, loaded=False)
            record.draining.discard(servable.id)
            self._end_if_drained(record)
        elif isinstance(message.outcome, ResolvedArtifact):
            servable.artifact = message.outcome
        else:
            self._forget(servable)
            self._fail(record, servable, Fault.of(message.outcome))
        return record.model

    def report(self, fact: Fact) -> str | None:
        """Takes in what the data plane reports of a servable; returns the model that it is about."""
        load = self._loads.get(fact.fields["servable"])
        if load is None:
            return None
        record, servable = load.record, load.servable
        kind = fact.fields["event"]
        if kind == "loaded" and record.loading is servable:
            self._loaded(record, servable, fact)
        elif kind == "load_failed" and record.loading is servable:
            hint = fact.fields["hint"]
            self._forget(servable)
            self._fail(record, servable, Fault(fact.fields["code"], fact.fields["message"], hint))
        elif kind in ("unloaded", "load_failed"):
            self._gone(record, servable, fact)
        return record.model

    def end_all(self) -> None:
        """Forgets the notes of loads that are under way: this process ends in good order."""
        for load in self._loads.values():
            if load.record.loading is load.servable:
                self._note_end(load.record, load.servable, loaded=False)

    def _loaded(self, record: VersionRecord, servable: Servable, fact: Fact) -> None:
        fields = fact.fields
        servable.facts = LoadedFacts(
            signatures=tuple(Signature.from_json(signature) for signature in fields["signatures"]),
            load_ms=fields["load_ms"],
            warmup_ms=fields["warmup_ms"],
            mergeable=fields["mergeable"],
            merge_reason=fields["merge_reason"],
            intra_op_threads=fields["intra_op_threads"],
            row_us=fields["row_us"],
        )
        if record.state is VersionState.LOADING:
            record.move(VersionState.AVAILABLE)
        if record.current is not None:
            self._drop(record, record.current)
        record.current, record.loading = servable, None
        record.fault, record.failures, record.failed_fingerprint = None, 0, None
        record.refused_settings = record.reload_fault = None
        if record.suspicion is not None:
            self._suspects.acquit(record.suspicion)
            record.suspicion = None
        self._note_end(record, servable, loaded=True)
        took = f"{fields['load_ms']} ms to load, {fields['warmup_ms']} ms to warm up"
        self._events.add(EventKind.LOADED, record.model, record.version, servable.id, took)

    def _fail(self, record: VersionRecord, servable: Servable, fault: Fault) -> None:
        record.loading = None
        self._note_end(record, servable, loaded=False)
        self._events.add(EventKind.LOAD_FAILED, record.model, record.version, servable.id, fault.message)
        if record.current is not None:
            record.refused_settings, record.reload_fault = servable.settings, fault
            return
        record.move(VersionState.END)
        record.fault = fault
        record.failures += 1
        record.failed_fingerprint = servable.fingerprint
        most = self._options.max_retries
        if most is not None and record.failures > most:
            record.retry_at_ms = NEVER_MS  # new files begin anew
            return
        delay_ms = retry_delay_ms(record.failures, self._options.retry_initial_ms, self._options.retry_limit_ms)
        record.retry_at_ms = self._clock.monotonic_ms() + delay_ms

    def _gone(self, record: VersionRecord, servable: Servable, fact: Fact) -> None:
        self._forget(servable)
        if record.current is servable:
            _log.error("the data plane unloaded a servable that was wanted: %d", servable.id)
            record.current = None
            if record.state is VersionState.AVAILABLE:
                record.move(VersionState.UNLOADING)
        record.draining.discard(servable.id)
        if fact.fields["event"] == "unloaded" and servable.facts is not None:
            drained = f"drained in {fact.fields['drain_ms']} ms"
            self._events.add(EventKind.UNLOADED, record.model, record.version, servable.id, drained)
        self._end_if_drained(record)

    def _drop(self, record: VersionRecord, servable: Servable) -> None:
        """Gives a servable up: one that is prepared, and that the data plane never heard of, is gone at once."""
        if servable.applied or servable.artifact is None:
            record.draining.add(servable.id)
        else:
            self._forget(servable)
        if servable.facts is None and servable.artifact is not None:
            self._note_end(record, servable, loaded=False)

    def _end_if_drained(self, record: VersionRecord) -> None:
        if record.state is VersionState.UNLOADING and not record.draining:
            record.move(VersionState.END)

    def _forget(self, servable: Servable) -> None:
        self._loads.pop(servable.id, None)

    def _note_end(self, record: VersionRecord, servable: Servable, *, loaded: bool) -> None:
        try:
            self._journal.end(record.model, record.version, servable.path, loaded=loaded)
        except OSError as error:
            self.journal_fault = str(error)
