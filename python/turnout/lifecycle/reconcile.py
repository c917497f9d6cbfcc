"""Makes what is loaded what it should be, one message and one step at a time: the only writer of a version's state.

No threads, no clock of its own and no input or output but through the ports, so that a test can drive it by hand.
"""

import json
import logging
from collections.abc import Iterable, Sequence

from turnout.errors import InternalError, QuarantinedError, RepositoryError, TurnoutError
from turnout.lifecycle.complaints import model_problems, quarantine_fault
from turnout.lifecycle.events import Clock, EventKind, EventLog
from turnout.lifecycle.journal import Journal
from turnout.lifecycle.loads import Loads, overdue_ms
from turnout.lifecycle.policy import Action, Load, Reload, Retire, Serve, Unload, decide, target, wanted_versions
from turnout.lifecycle.ports import Configured, Fact, Hashed, Message, Ports, Prepared, Scanned
from turnout.lifecycle.problems import ProblemLog
from turnout.lifecycle.readiness import Readiness
from turnout.lifecycle.records import Fault, ModelRecord, VersionRecord
from turnout.lifecycle.settings import ManagerOptions
from turnout.lifecycle.snapshot import build_snapshot
from turnout.lifecycle.sources import SourceStates, find_homes, folder_of
from turnout.lifecycle.state import VersionState
from turnout.lifecycle.status import Status
from turnout.lifecycle.suspects import Suspects
from turnout.lifecycle.tasks import hash_files, read_settings
from turnout.lifecycle.view import build_status, is_pending, model_readiness, model_view
from turnout.repository.layout import Source
from turnout.repository.observe import Observer, next_judgement_ms
from turnout.repository.scan import Problem, ScannedModel
from turnout.repository.settle import FileKey, HashesWanted
from turnout.types import JsonValue

_log = logging.getLogger("turnout.lifecycle")

MAX_STEPS = 1000
"""Steps of one model in one turn; the policy comes to rest long before."""

MAX_ENDED = 16
"""Versions of one model that are over and still shown."""

SETTLE_MARGIN_MS = 1000
"""Beyond twice `settle_ms`, how long a new version whose files still change keeps older ones from being loaded."""

RETRY_MS = 1000
"""Wait before something is tried again that should not have failed: a snapshot was refused, a bug was met."""


class Reconciler:
    """The manager's mind. Every method is called from one thread."""

    def __init__(
        self,
        sources: Iterable[Source],
        ports: Ports,
        options: ManagerOptions,
        journal: Journal,
        events: EventLog,
        clock: Clock,
    ) -> None:
        """Makes a reconciler that knows nothing yet.

        Args:
            sources: where models come from.
            ports: the world.
            options: how to work.
            journal: the loads under way, on disk.
            events: what happens is added here.
            clock: the clocks.
        """
        self._ports = ports
        self._options = options
        self._journal = journal
        self._events = events
        self._clock = clock
        self._problems = ProblemLog()
        self._suspects = Suspects(journal, self._problems)
        self._loads = Loads(ports, options, journal, self._suspects, events, clock)
        self._models: dict[str, ModelRecord] = {}
        self._dirty: set[str] = set()
        self._sources = SourceStates(sources, self._problems, clock.monotonic_ms())
        self._readiness = Readiness(ready=False, reason="looking for models")
        self._sequence = 0
        self._applied: dict[str, JsonValue] | None = None
        self._apply_at_ms = 0

    def recover(self) -> None:
        """Takes in what former processes left in the journal; called once, before the first message."""
        self._suspects.recover()

    def handle(self, message: Message) -> None:
        """Takes in one message; `step` acts on it."""
        match message:
            case Scanned():
                self._scanned(message)
            case Configured():
                self._configured(message)
            case Hashed():
                self._hashed(message)
            case Prepared():
                self._touch(self._loads.prepared(message))
                self._suspects.complain(self._loads.journal_fault)
            case Fact():
                self._touch(self._loads.report(message))
        self._dirty |= self._suspects.models()

    def reconfigure(self) -> None:
        """Reads the settings of all models anew, although no file changed."""
        for model in self._models.values():
            self._configure(model)

    def replace_sources(self, sources: Sequence[Source]) -> None:
        """Takes other sources and reads the settings anew; a model without a source is unloaded."""
        now_ms = self._clock.monotonic_ms()
        self._sources.replace(sources, now_ms)
        for model, home in find_homes(self._models.values(), sources):
            if home is None:
                self._leave(model, None, now_ms)
            elif home != model.source or not model.present:
                model.source, model.folder, model.moved = home, folder_of(home), True
                model.attempted = model.attempted and model.present
        self.reconfigure()

    def clear_quarantine(self, name: str, version: int) -> bool:
        """Forgets that a process died on a version; returns whether that was known."""
        model = self._models.get(name)
        record = None if model is None else model.versions.get(version)
        self._dirty.add(name)
        return record is not None and self._suspects.clear(record)

    def step(self) -> Status:
        """Does everything that can be done now and tells the data plane; returns what is so afterwards."""
        now_ms = self._clock.monotonic_ms()
        due = {model.name for model in self._models.values() if model.wake_ms is not None and model.wake_ms <= now_ms}
        names, self._dirty = self._dirty | due, set()
        for name in sorted(names):
            self._reconcile_apart(name, now_ms)
        self._sources.give_up(now_ms)
        self._judge_readiness()
        self._apply(now_ms)
        problems = self._problems.current()
        seen = self._sources.all_seen
        return build_status(self._models.values(), self._readiness, problems, now_ms, all_seen=seen)

    def next_wake_ms(self) -> int | None:
        """Returns when `step` has something to do although no message came, on the monotonic clock."""
        times = [model.wake_ms for model in self._models.values() if model.wake_ms is not None]
        if self._apply_at_ms:
            times.append(self._apply_at_ms)
        give_up_ms = self._sources.wake_ms()
        return min(times if give_up_ms is None else [*times, give_up_ms], default=None)

    def close(self) -> None:
        """Forgets the journal's notes of loads that are under way: this is an orderly end."""
        self._loads.end_all()

    # What comes in.

    def _scanned(self, message: Scanned) -> None:
        scan = message.scan
        if not self._sources.knows(scan.source):
            return
        self._sources.saw(scan)
        if not scan.readable:
            return  # what is loaded goes on serving
        for scanned in scan.models.values():
            model = self._model_of(scanned, scan.source)
            if model is not None:
                self._see(model, scanned, scan.started_ns, message.started_ms)
        for model in self._models.values():
            in_scope = scan.scope is None or model.name in scan.scope
            if model.source == scan.source and in_scope and model.name not in scan.models:
                self._leave(model, scan.started_ns, message.started_ms)

    def _leave(self, model: ModelRecord, started_ns: int | None, now_ms: int) -> None:
        self._see(model, ScannedModel(model.name, model.folder), started_ns, now_ms)
        model.present = False

    def _model_of(self, scanned: ScannedModel, source: Source) -> ModelRecord | None:
        model = self._models.get(scanned.name)
        if model is None:
            observer = Observer(self._options.settle_ms)
            model = ModelRecord(scanned.name, source, scanned.folder, observer, settings_stat=scanned.settings_stat)
            self._models[scanned.name] = model
            self._configure(model)
        if model.source == source:
            self._problems.replace(f"duplicate {scanned.name} {source.path}", ())
            return model
        text = f"a second model of this name is ignored: `{scanned.folder or source.path}`"
        problem = Problem(scanned.name, None, f"duplicate {source.path}", RepositoryError.code, text)
        self._problems.replace(f"duplicate {scanned.name} {source.path}", (problem,))
        return None

    def _see(self, model: ModelRecord, scanned: ScannedModel, started_ns: int | None, started_ms: int) -> None:
        self._dirty.add(model.name)
        model.scan_problems, model.readable, model.moved = scanned.problems, scanned.readable, False
        if not scanned.readable:
            return
        model.present = True
        if scanned.pin_readable:
            model.pin = scanned.pin
        model.observer.see(scanned, started_ns, started_ms)
        for record in model.versions.values():
            self._hash(model, record, model.observer.unreadable(record.version))
        if scanned.settings_stat != model.settings_stat:
            model.settings_stat = scanned.settings_stat
            self._configure(model)

    def _configure(self, model: ModelRecord) -> None:
        model.configuring = True
        name, folder, stat, settings_for = model.name, model.folder, model.settings_stat, self._ports.settings_for
        self._ports.submit(lambda: read_settings(settings_for, name, folder, stat))

    def _configured(self, message: Configured) -> None:
        model = self._models.get(message.model)
        if model is None or message.stat != model.settings_stat:
            return
        self._dirty.add(model.name)
        model.configuring = False
        if isinstance(message.outcome, TurnoutError):
            model.settings_problem = Problem.of(message.outcome, model.name, None, "settings")
        else:
            model.settings, model.settings_problem, model.configured = message.outcome, None, True

    def _hashed(self, message: Hashed) -> None:
        model = self._models.get(message.model)
        if model is None:
            return
        self._dirty.add(model.name)
        model.observer.learn(message.hashes)
        record = model.versions.get(message.version)
        if record is not None:
            record.hashing = False

    def _touch(self, name: str | None) -> None:
        if name is not None:
            self._dirty.add(name)

    # What is done about it.

    def _reconcile_apart(self, name: str, now_ms: int) -> None:
        """A fault of ours about one model must not hold back the others; it is told once, and tried again."""
        model = self._models.get(name)
        if model is None:
            return
        problems: list[Problem] = []
        try:
            self._reconcile(model, now_ms)
        except Exception as error:
            model.wake_ms = now_ms + RETRY_MS
            problems.append(Problem(name, None, "bug", InternalError.code, f"bug in the life-cycle manager: {error!r}"))
            if self._problems.replace(f"bug {name}", problems):
                _log.exception("the life-cycle manager failed at model `%s`", name)
        else:
            self._problems.replace(f"bug {name}", problems)

    def _reconcile(self, model: ModelRecord, now_ms: int) -> None:
        self._loads.give_up_overdue(model, now_ms)
        self._observe(model, now_ms)
        if model.configured:
            self._decide(model, now_ms)
        self._forget(model)
        if model.name not in self._models:
            self._problems.replace(f"model {model.name}", ())
            return
        is_seen = (model.configured or model.settings_problem is not None) and not model.moved
        model.attempted = model.attempted or self._serves_target(model, now_ms)
        model.attempted = model.attempted or (is_seen and not is_pending(model, now_ms))
        model.problems = tuple(model_problems(model))
        self._problems.replace(f"model {model.name}", model.problems)
        self._plan(model, now_ms)

    def _serves_target(self, model: ModelRecord, now_ms: int) -> bool:
        view = model_view(model, now_ms, suspect_loading=self._loads.is_suspect_loading())
        return model.default is not None and model.default == target(view, model.settings)

    def _observe(self, model: ModelRecord, now_ms: int) -> None:
        seen = model.observer.versions()
        for number, observed in seen.items():
            record = model.versions.get(number)
            if record is None:
                record = model.versions[number] = VersionRecord(
                    model.name, number, settle_by_ms=now_ms + 2 * self._options.settle_ms + SETTLE_MARGIN_MS
                )
                record.suspicion = self._suspects.find(model.name, number, observed.scanned.path)
            record.observed = observed
        for number, record in model.versions.items():
            record.present = number in seen
            self._mark(record)

    def _mark(self, record: VersionRecord) -> None:
        """Sets the error of a version that is not in memory to what its files say now."""
        fingerprint = None if record.observed is None else record.observed.fingerprint
        if record.suspicion is not None and record.suspicion.fingerprint != fingerprint:
            self._suspects.clear(record)
        if record.failed_fingerprint != fingerprint:
            record.failures, record.failed_fingerprint, record.retry_at_ms = 0, None, 0
        if record.in_memory:
            return
        was_quarantined = record.fault is not None and record.fault.code == QuarantinedError.code
        if record.suspicion is not None and record.is_quarantined:
            record.fault = quarantine_fault(record.suspicion, self._journal.record_path(record.suspicion))
            if not was_quarantined:
                self._events.add(EventKind.QUARANTINED, record.model, record.version)
        elif record.broken is not None:
            record.fault = Fault.of(record.broken)
        elif not record.failures:
            was_at_fault, record.fault = record.fault is not None, None
            if was_at_fault and record.state is VersionState.END:
                record.move(VersionState.START)
        if record.fault is not None and record.state is VersionState.START:
            record.move(VersionState.END)

    def _decide(self, model: ModelRecord, now_ms: int) -> None:
        for _ in range(MAX_STEPS):
            view = model_view(model, now_ms, suspect_loading=self._loads.is_suspect_loading())
            action = decide(view, model.settings, now_ms)
            if action is None:
                break
            self._act(model, action)
        else:
            raise InternalError(f"bug: the policy does not come to rest for model `{model.name}`")
        wanted = wanted_versions(view, model.settings)
        for number, record in model.versions.items():
            record.wanted = number in wanted
            judgement = None if record.observed is None else record.observed.judgement
            if record.wanted and isinstance(judgement, HashesWanted):
                self._hash(model, record, judgement.files)

    def _act(self, model: ModelRecord, action: Action) -> None:
        record = model.versions[action.version]
        match action:
            case Load() | Reload():
                self._loads.begin(model, record)
            case Unload():
                self._loads.unload(record)
            case Serve():
                self._retire(model)
                model.default = action.version
                self._events.add(EventKind.SERVING, model.name, action.version)
            case Retire():
                self._retire(model)

    def _retire(self, model: ModelRecord) -> None:
        if model.default is not None:
            self._loads.when_applied(EventKind.RETIRED, model.versions[model.default])
            model.previous, model.default = model.default, None

    def _hash(self, model: ModelRecord, record: VersionRecord, keys: tuple[FileKey, ...]) -> None:
        if keys and not record.hashing:
            record.hashing = True
            name, version = model.name, record.version
            self._ports.submit(lambda: Hashed(name, version, hash_files(keys)))

    def _forget(self, model: ModelRecord) -> None:
        """Drops versions that are gone, but for the last few that were in use, and a model that is gone."""
        over = [record for record in model.versions.values() if not record.present and not record.in_memory]
        ended = [record.version for record in over if record.state is VersionState.END and record.fault is None]
        kept = set(sorted(ended)[-MAX_ENDED:])
        for record in over:
            if record.version not in kept:
                del model.versions[record.version]
        if not model.present and not any(record.in_memory for record in model.versions.values()):
            del self._models[model.name]

    def _plan(self, model: ModelRecord, now_ms: int) -> None:
        """Sets when to look again: at files that should be still by then, at loads to retry and at loads to give up."""
        records = model.versions.values()
        settled_ms = next_judgement_ms(record.observed for record in records if record.present and record.observed)
        retries = [record.retry_at_ms for record in records if record.failures and record.retry_at_ms > now_ms]
        overdue = [overdue_ms(model, record.loading) for record in records if record.loading is not None]
        if settled_ms is not None and settled_ms <= now_ms:
            self._ports.rescan(model.source, frozenset({model.name}))
            settled_ms = now_ms + self._options.settle_ms
        model.wake_ms = min([*retries, *overdue, *([] if settled_ms is None else [settled_ms])], default=None)

    def _judge_readiness(self) -> None:
        models = [model_readiness(model) for model in self._models.values()]
        readiness = self._sources.judge(models, self._options.ready, self._readiness)
        if readiness.ready != self._readiness.ready:
            _log.info("ready" if readiness.ready else "not ready: %s", *([] if readiness.ready else [readiness.reason]))
        self._readiness = readiness

    def _apply(self, now_ms: int) -> None:
        missing = {name: fault for name, fault in self._sources.missing_models.items() if name not in self._models}
        snapshot = build_snapshot(self._models.values(), self._readiness, self._ports.copies, missing)
        if snapshot != self._applied:
            if now_ms < self._apply_at_ms:
                return
            self._sequence += 1
            try:
                self._ports.apply(json.dumps({"sequence": self._sequence, **snapshot}))
            except TurnoutError as error:
                self._apply_at_ms = now_ms + RETRY_MS
                self._problems.replace("apply", (Problem.of(error, "", None, "apply"),))
                return
            self._applied = snapshot
        self._apply_at_ms = 0
        self._problems.replace("apply", ())
        self._loads.applied()
