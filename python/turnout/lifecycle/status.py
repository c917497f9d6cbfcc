"""What a manager knows at one moment, as plain records that no thread changes."""

from dataclasses import dataclass

from turnout.lifecycle.records import Fault, LoadedFacts
from turnout.lifecycle.state import VersionState
from turnout.repository.pin import Pin
from turnout.repository.scan import Problem


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version.

    Attributes:
        version: its number.
        state: where it stands.
        fault: why it is not served, if it is not.
        is_default: whether requests without a version get it.
        servable: the data plane's number of it, while it answers.
        facts: what the data plane found out about it, while it answers.
    """

    version: int
    state: VersionState
    fault: Fault | None
    is_default: bool
    servable: int | None
    facts: LoadedFacts | None


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model.

    Attributes:
        name: its name.
        default: the version that requests without a version get.
        previous: the version that was the default before.
        pin: the operator's choice.
        versions: newest first.
        attempted: whether its first load has ended, well or not, or there was nothing to load.
    """

    name: str
    default: int | None
    previous: int | None
    pin: Pin | None
    versions: tuple[VersionStatus, ...]
    attempted: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """Everything.

    Attributes:
        ready: whether requests may come.
        reason: why not, in words.
        models: by name, in its order.
        problems: what a person should know.
        attempted: whether every source was looked at, and the first load of every model has ended, well or not.
        settled: whether nothing is under way: no load, no unload, no look that is due.
    """

    ready: bool
    reason: str
    models: dict[str, ModelStatus]
    problems: tuple[Problem, ...]
    settled: bool
    attempted: bool = False
