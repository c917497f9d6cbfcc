"""A world for the reconciler that a test moves by hand: clock, disk, workers, a data plane that checks snapshots."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from turnout.errors import TurnoutError
from turnout.lifecycle.artifact import ResolvedArtifact, ResolvedFile
from turnout.lifecycle.events import EventLog
from turnout.lifecycle.journal import Journal, Suspicion
from turnout.lifecycle.ports import Fact, Message, Ports, Scanned
from turnout.lifecycle.reconcile import Reconciler
from turnout.lifecycle.settings import ManagerOptions, ModelSettings, Ready
from turnout.lifecycle.status import ModelStatus, Status
from turnout.repository.layout import RepositorySource, Source
from turnout.repository.manifest import Manifest
from turnout.repository.pin import Pin
from turnout.repository.scan import FileStat, Problem, ScannedModel, ScannedVersion, SourceScan

ROOT = Path("/models")
SETTLE_MS = 1000


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def monotonic_ms(self) -> int:
        return self.now_ms

    def wall_s(self) -> float:
        return self.now_ms / 1000


class MemoryJournal(Journal):
    """A journal that forgets."""

    def __init__(self, suspicions: tuple[Suspicion, ...] = ()) -> None:
        super().__init__(Path("/nowhere"))
        self.suspicions = {suspicion.version: suspicion for suspicion in suspicions}
        self.open: set[tuple[str, int]] = set()

    def begin(self, model: str, version: int, path: Path, fingerprint: str) -> None:
        self.open.add((model, version))

    def end(self, model: str, version: int, path: Path, *, loaded: bool) -> None:
        self.open.discard((model, version))
        if loaded:
            self.suspicions.pop(version, None)

    def recover(self) -> list[Suspicion]:
        return list(self.suspicions.values())

    def clear(self, suspicion: Suspicion) -> None:
        self.suspicions.pop(suspicion.version, None)


class FakeDataPlane:
    """Takes snapshots as the real one does, checks what the contract asks of them, and reports what a test says."""

    def __init__(self) -> None:
        self.loading: dict[int, dict[str, Any]] = {}
        self.loaded: dict[int, dict[str, Any]] = {}
        self.draining: set[int] = set()
        self.cancelled: set[int] = set()
        self.failed: set[int] = set()
        self.snapshot: dict[str, Any] = {"sequence": 0, "models": [], "servables": [], "ready": {}}
        self.refuse: TurnoutError | None = None
        self._seen: set[int] = set()

    def apply(self, snapshot_json: str) -> None:
        if self.refuse is not None:
            raise self.refuse
        snapshot = json.loads(snapshot_json)
        assert snapshot["sequence"] > self.snapshot["sequence"]
        specs = {spec["id"]: spec for spec in snapshot["servables"]}
        assert len(specs) == len(snapshot["servables"])
        for model in snapshot["models"]:
            named = {version["servable"] for version in model["versions"] if version["servable"] is not None}
            assert named <= self.loaded.keys() & specs.keys(), "a route names what is not loaded"
            assert model["default"] is None or model["default"] in named, "the default is not routable by version"
        new = specs.keys() - self.loaded.keys() - self.loading.keys() - self.failed
        assert not new & self._seen, "an id is used twice"
        self._seen |= new
        for identity in self.loading.keys() - specs.keys():
            del self.loading[identity]
            self.cancelled.add(identity)
        for identity in self.loaded.keys() - specs.keys():
            del self.loaded[identity]
            self.draining.add(identity)
        for identity in new:
            loads = [(spec["model"], spec["version"]) for spec in self.loading.values()]
            spec = specs[identity]
            assert (spec["model"], spec["version"]) not in loads, "two loads of one version at once"
            self.loading[identity] = spec
        self.snapshot = snapshot

    def finish(self, identity: int) -> Fact:
        self.loaded[identity] = self.loading.pop(identity)
        return loaded_fact(identity)

    def fail(self, identity: int) -> Fact:
        del self.loading[identity]
        self.failed.add(identity)
        return failed_fact(identity)

    def drained(self, identity: int) -> Fact:
        self.draining.discard(identity)
        self.cancelled.discard(identity)
        return Fact({"event": "unloaded", "servable": identity, "drain_ms": 1})

    def route(self, name: str) -> dict[str, Any]:
        return next(model for model in self.snapshot["models"] if model["name"] == name)

    def default(self, name: str) -> int | None:
        """Returns the version that requests without a version get."""
        for model in self.snapshot["models"]:
            if model["name"] == name and model["default"] is not None:
                return self.loaded[model["default"]]["version"]
        return None

    def versions(self, name: str) -> set[int]:
        """Returns the versions that are in memory."""
        return {spec["version"] for spec in self.loaded.values() if spec["model"] == name}


def loaded_fact(identity: int) -> Fact:
    facts = {"load_ms": 5, "warmup_ms": 2, "mergeable": True, "merge_reason": "equal", "intra_op_threads": 1}
    return Fact({"event": "loaded", "servable": identity, "signatures": [], "row_us": 10.0, **facts})


def failed_fact(identity: int) -> Fact:
    fields = {"code": "load_failed", "message": "the graph is cut", "hint": None}
    return Fact({"event": "load_failed", "servable": identity, **fields})


@dataclass
class DiskVersion:
    """One version on the fake disk; `generation` changes with its files, `changed_ns` says when they did so last."""

    generation: int = 1
    changed_ns: int | None = None


@dataclass
class DiskModel:
    versions: dict[int, DiskVersion] = field(default_factory=dict[int, DiskVersion])
    pin: Pin | None = None
    readable: bool = True


class World:
    """Everything around a reconciler. What it is told happens at once or when a test says so."""

    def __init__(
        self,
        *,
        ready: Ready = "any",
        journal: MemoryJournal | None = None,
        sources: tuple[Source, ...] = (),
        max_retries: int | None = None,
    ) -> None:
        self.clock = HandClock()
        self.plane = FakeDataPlane()
        self.journal = journal or MemoryJournal()
        self.models: dict[str, DiskModel] = {}
        self.root_readable = True
        self.source: Source = RepositorySource(ROOT)
        self.settings: dict[str, ModelSettings | TurnoutError] = {}
        self.settings_generations: dict[str, int] = {}
        self.unresolvable: dict[Path, TurnoutError] = {}
        self.tasks: list[Callable[[], Message]] = []
        self.looks_wanted = 0
        options = ManagerOptions(Path("/cache"), SETTLE_MS, 1000, ready, max_retries=max_retries)
        self.events = EventLog(options.event_capacity, self.clock)
        ports = Ports(
            self.plane.apply, self.resolve, self.settings_for, self.tasks.append, self.rescan, Path("/copies")
        )
        self.reconciler = Reconciler([self.source, *sources], ports, options, self.journal, self.events, self.clock)
        self.reconciler.recover()
        self.status: Status = self.reconciler.step()

    # The world as the reconciler asks for it.

    def resolve(self, path: Path, manifest: Manifest | None) -> ResolvedArtifact:
        if path in self.unresolvable:
            raise self.unresolvable[path]
        return ResolvedArtifact("onnx", Path("/lib"), path, "model.onnx", (ResolvedFile("model.onnx", 3, None),))

    def settings_for(self, model: str, folder: Path | None) -> ModelSettings:
        settings = self.settings.get(model, ModelSettings())
        if isinstance(settings, TurnoutError):
            raise settings
        return settings

    def rescan(self, source: Source, scope: frozenset[str] | None) -> None:
        assert source == self.source
        self.looks_wanted += 1

    # What a test makes happen.

    def put(self, model: str, version: int, generation: int = 1) -> None:
        self.models.setdefault(model, DiskModel()).versions[version] = DiskVersion(generation)

    def write(self, model: str, version: int) -> None:
        """Changes the files of a version just now."""
        generation = self.models[model].versions[version].generation + 1 if self.has(model, version) else 1
        self.put(model, version, generation)
        self.models[model].versions[version].changed_ns = self.clock.now_ms * 1_000_000

    def has(self, model: str, version: int) -> bool:
        return model in self.models and version in self.models[model].versions

    def remove(self, model: str, version: int) -> None:
        del self.models[model].versions[version]

    def change_settings(self, model: str, settings: ModelSettings | TurnoutError) -> None:
        self.settings[model] = settings
        self.settings_generations[model] = self.settings_generations.get(model, 0) + 1

    def pin(self, model: str, version: int | None) -> None:
        self.models[model].pin = None if version is None else Pin(version, "ada", "now", "")

    def look(self, *, quiet: bool = True) -> Status:
        """Scans the fake disk; `quiet` says that its files were still for long by the disk's own times."""
        started_ns = self.clock.now_ms * 1_000_000
        changed_ns = 1 if quiet else started_ns
        if self.root_readable:
            models = {
                name: scanned(name, model, changed_ns, self.settings_generations.get(name, 0))
                for name, model in self.models.items()
            }
            scan = SourceScan(self.source, True, None, started_ns, models)
        else:
            problem = Problem("", None, "source", "repository_failed", "the disk is gone")
            scan = SourceScan(self.source, False, None, None, {}, (problem,))
        return self.tell(Scanned(scan, self.clock.now_ms))

    def tell(self, *messages: Message) -> Status:
        for message in messages:
            self.reconciler.handle(message)
        self.status = self.reconciler.step()
        return self.status

    def work(self) -> Status:
        """Lets the workers do everything that waits, also what that leads to."""
        while self.tasks:
            self.tell(self.tasks.pop(0)())
        return self.status

    def load_all(self) -> Status:
        """Lets every load succeed and every unload end, until nothing is left to do."""
        for _ in range(200):
            self.work()
            facts = [self.plane.finish(identity) for identity in list(self.plane.loading)]
            facts += [self.plane.drained(identity) for identity in self.plane.draining | self.plane.cancelled]
            if not facts:
                return self.status
            self.tell(*facts)
        raise AssertionError("the world does not come to rest")

    def fail_all(self) -> Status:
        """Lets every load that is under way fail."""
        self.work()
        return self.tell(*[self.plane.fail(identity) for identity in list(self.plane.loading)])

    def drain_all(self) -> Status:
        return self.tell(*[self.plane.drained(identity) for identity in self.plane.draining | self.plane.cancelled])

    def wait(self, milliseconds: int) -> Status:
        self.clock.now_ms += milliseconds
        return self.tell()

    def settle(self) -> Status:
        """Looks and loads until everything is as it should be."""
        self.look()
        return self.load_all()

    def model(self, name: str) -> ModelStatus:
        return self.status.models[name]

    def kinds(self, name: str) -> list[tuple[str, int]]:
        return [(event.kind.value, event.version) for event in self.events.events() if event.model == name]


def scanned(name: str, model: DiskModel, changed_ns: int, settings_generation: int) -> ScannedModel:
    if not model.readable:
        problem = Problem(name, None, "folder", "repository_failed", "cannot read the model's folder")
        return ScannedModel(name, ROOT / name, readable=False, problems=(problem,))
    versions = {
        number: ScannedVersion(
            version=number,
            path=ROOT / name / str(number),
            files=(FileStat("model.onnx", 3, version.generation, version.generation, 7),),
            changed_ns=changed_ns if version.changed_ns is None else version.changed_ns,
        )
        for number, version in model.versions.items()
    }
    stat = FileStat("model.toml", 1, settings_generation, 1, 8) if settings_generation else None
    return ScannedModel(name, ROOT / name, versions, pin=model.pin, settings_stat=stat)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
