"""What the reconciler needs of the world, and what the world tells it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from turnout.errors import TurnoutError
from turnout.lifecycle.artifact import Resolve, ResolvedArtifact
from turnout.lifecycle.settings import ModelSettings, SettingsFor
from turnout.repository.layout import Source
from turnout.repository.scan import FileStat, SourceScan
from turnout.repository.settle import FileKey, HashResult
from turnout.repository.watch import Scope


class DataPlane(Protocol):
    """What the manager uses of the data plane; the contract stands in `turnout/_dataplane.pyi`."""

    def apply(self, snapshot_json: str) -> None:
        """Replaces the whole desired state."""
        ...

    def next_event(self, timeout_ms: int) -> str | None:
        """Waits for the next fact."""
        ...


class SystemClock:
    """The clocks of the machine."""

    def monotonic_ms(self) -> int:
        """Returns milliseconds that never go back."""
        return time.monotonic_ns() // 1_000_000

    def wall_s(self) -> float:
        """Returns seconds since the epoch."""
        return time.time()


@dataclass(frozen=True, slots=True)
class Scanned:
    """A look at a source has ended.

    Attributes:
        scan: what was seen.
        started_ms: when the look began, on the monotonic clock.
    """

    scan: SourceScan
    started_ms: int


@dataclass(frozen=True, slots=True)
class Configured:
    """A model's settings were read, or could not be.

    Attributes:
        model: the model's name.
        stat: the settings file as it was then.
        outcome: the settings, or why there are none.
    """

    model: str
    stat: FileStat | None
    outcome: ModelSettings | TurnoutError


@dataclass(frozen=True, slots=True)
class Hashed:
    """Files of a version were read.

    Attributes:
        model: the model's name.
        version: the version's number.
        hashes: what was found.
    """

    model: str
    version: int
    hashes: Mapping[FileKey, HashResult]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A load is noted in the journal, and what it needs was found out.

    Attributes:
        servable: the load's number.
        outcome: what to load, or why it cannot be.
        journal_fault: why it could not be noted; empty where it was.
    """

    servable: int
    outcome: ResolvedArtifact | TurnoutError
    journal_fault: str


@dataclass(frozen=True, slots=True)
class Fact:
    """The data plane reports something; the fields stand in `docs/concepts/seam.md`."""

    fields: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> "Fact":
        """Reads what `next_event` returned."""
        return cls(json.loads(text))


Message: TypeAlias = Scanned | Configured | Hashed | Prepared | Fact


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as the reconciler uses it.

    Attributes:
        apply: hands a snapshot to the data plane.
        resolve: finds out what a version is made of; called within `submit`.
        settings_for: reads a model's settings; called within `submit`.
        submit: does slow work elsewhere; what it returns comes back as a message.
        rescan: asks for another look at some models of a source.
        copies: folder for private copies of artifacts, of this reconciler alone.
    """

    apply: Callable[[str], None]
    resolve: Resolve
    settings_for: SettingsFor
    submit: Callable[[Callable[[], Message]], None]
    rescan: Callable[[Source, Scope], None]
    copies: Path
