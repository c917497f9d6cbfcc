"""The manager's memory: what it knows and did, per model, version and load. Only the reconciler writes here."""

from dataclasses import dataclass, field
from pathlib import Path

from turnout.errors import TurnoutError
from turnout.lifecycle.artifact import ResolvedArtifact
from turnout.lifecycle.journal import Suspicion
from turnout.lifecycle.settings import ModelSettings, ServableSettings
from turnout.lifecycle.state import VersionState, advance
from turnout.repository.layout import Source
from turnout.repository.observe import ObservedVersion, Observer
from turnout.repository.pin import Pin
from turnout.repository.scan import FileStat, Problem
from turnout.repository.settle import Broken, Complete, HashesWanted, Waiting
from turnout.types import Signature


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a version is not served: cause and remedy.

    Attributes:
        code: slug of the error catalogue.
        message: the cause.
        hint: the remedy.
    """

    code: str
    message: str
    hint: str | None = None

    @classmethod
    def of(cls, error: TurnoutError) -> "Fault":
        """Makes the fault that an exception stands for."""
        return cls(error.code, error.message, error.hint)


@dataclass(frozen=True, slots=True)
class LoadedFacts:
    """What the data plane found out about a servable when it loaded it and warmed it up.

    Attributes:
        signatures: what it answers to, the default first.
        load_ms: how long the engine took to load it.
        warmup_ms: how long the warm-up took.
        mergeable: whether requests may be executed together.
        merge_reason: how that is known.
        intra_op_threads: threads of one execution.
        row_us: time of one row; None where the warm-up could not run the model.
    """

    signatures: tuple[Signature, ...]
    load_ms: int
    warmup_ms: int
    mergeable: bool
    merge_reason: str
    intra_op_threads: int
    row_us: float | None


@dataclass(slots=True)
class Servable:
    """One load of one version.

    Attributes:
        id: its number in the data plane; never used twice.
        path: the version's folder or file.
        fingerprint: of the files that were asked for.
        settings: what it is loaded with.
        begun_ms: when its load began.
        artifact: what it is made of, once that is resolved.
        applied: whether the data plane was told of it.
        facts: what the data plane reported, once it is loaded.
    """

    id: int
    path: Path
    fingerprint: str
    settings: ServableSettings
    begun_ms: int
    artifact: ResolvedArtifact | None = None
    applied: bool = False
    facts: LoadedFacts | None = None


@dataclass(slots=True)
class VersionRecord:
    """One version of one model.

    Attributes:
        model: the model's name.
        version: its number.
        settle_by_ms: until when others wait for its files to become still; one that is written for ever holds up none.
        state: where it stands.
        present: whether it is in the repository.
        wanted: whether it should be in memory.
        observed: how it stands there; the last look at it where it is gone.
        fault: why it is not served, if it is not.
        current: the servable that answers.
        loading: the servable that is being loaded: the first one, or the successor of `current`.
        draining: servables that left the routes and are still in memory.
        failures: failed loads in a row of the same files.
        failed_fingerprint: the files of the last failed load.
        retry_at_ms: when it may be tried again.
        hashing: whether its files are being read for their hashes.
        suspicion: that a process died on it.
        refused_settings: settings that it could not be reloaded with.
        reload_fault: why not.
    """

    model: str
    version: int
    settle_by_ms: int = 0
    state: VersionState = VersionState.START
    present: bool = True
    wanted: bool = False
    observed: ObservedVersion | None = None
    fault: Fault | None = None
    current: Servable | None = None
    loading: Servable | None = None
    draining: set[int] = field(default_factory=set[int])
    failures: int = 0
    failed_fingerprint: str | None = None
    retry_at_ms: int = 0
    hashing: bool = False
    suspicion: Suspicion | None = None
    refused_settings: ServableSettings | None = None
    reload_fault: Fault | None = None

    def move(self, target: VersionState) -> None:
        """Moves to a state; the only place where one is written."""
        self.state = advance(self.state, target)

    @property
    def is_quarantined(self) -> bool:
        """Whether it must not be tried because a process died on these very files."""
        return self.suspicion is not None and self.suspicion.quarantined

    @property
    def is_complete(self) -> bool:
        """Whether its files may be read, as far as that is known without reading them."""
        return self.observed is not None and isinstance(self.observed.judgement, Complete | HashesWanted)

    @property
    def needs_hashes(self) -> bool:
        """Whether its files must be read before it is loaded."""
        return self.observed is not None and isinstance(self.observed.judgement, HashesWanted)

    def is_settling(self, now_ms: int) -> bool:
        """Whether its files may prove to be whole within moments, so that it is not passed over."""
        judgement = None if self.observed is None else self.observed.judgement
        return isinstance(judgement, Waiting) and judgement.until_ms is not None and now_ms < self.settle_by_ms

    @property
    def broken(self) -> TurnoutError | None:
        """Why its files are wrong, if they are."""
        judgement = None if self.observed is None else self.observed.judgement
        return judgement.error if isinstance(judgement, Broken) else None

    @property
    def in_memory(self) -> bool:
        """Whether any load of it is, or may be, in memory."""
        return self.current is not None or self.loading is not None or bool(self.draining)


@dataclass(slots=True)
class ModelRecord:
    """One model.

    Attributes:
        name: its name.
        source: where it comes from.
        folder: its folder; None for a single artifact.
        observer: what is known of its files.
        settings: what is wanted of it.
        configured: whether the settings were ever read.
        configuring: whether they are being read.
        settings_stat: the settings file that they were read with.
        settings_problem: why the settings of now could not be read.
        present: whether its source has it.
        readable: whether its folder could be read at the last look.
        versions: by number.
        default: the version that requests without a version get.
        previous: the version that was the default before.
        pin: the operator's choice.
        attempted: whether its first load has ended.
        moved: whether it has a source that was not looked at yet.
        scan_problems: what the last scan found.
        problems: everything that is wrong with it now.
        wake_ms: when to look at it again although nothing happened.
    """

    name: str
    source: Source
    folder: Path | None
    observer: Observer
    settings: ModelSettings = field(default_factory=ModelSettings)
    configured: bool = False
    configuring: bool = False
    settings_stat: FileStat | None = None
    settings_problem: Problem | None = None
    present: bool = True
    readable: bool = True
    versions: dict[int, VersionRecord] = field(default_factory=dict[int, VersionRecord])
    default: int | None = None
    previous: int | None = None
    pin: Pin | None = None
    attempted: bool = False
    moved: bool = False
    scan_problems: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    wake_ms: int | None = None
