"""Which sources were looked at and which could not be read, as far as readiness and people care."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from turnout.errors import RepositoryError
from turnout.lifecycle.problems import ProblemLog
from turnout.lifecycle.readiness import ModelReadiness, Readiness, judge_readiness
from turnout.lifecycle.records import ModelRecord
from turnout.lifecycle.settings import Ready
from turnout.repository.layout import ModelSource, RepositorySource, Source
from turnout.repository.scan import Problem, SourceScan

FIRST_LOOK_MS = 30_000
"""Wait for the first look at a source; a disk that hangs longer holds back the readiness of the others no more."""


class SourceStates:
    """What is known of the sources as a whole. Used by the reconciler's thread alone."""

    def __init__(self, sources: Iterable[Source], problems: ProblemLog, now_ms: int) -> None:
        self._all = set(sources)
        self._unseen = set(self._all)
        self._problems = problems
        self._give_up_ms = now_ms + FIRST_LOOK_MS
        self._faults: dict[Source, str] = {}

    @property
    def all_seen(self) -> bool:
        """Whether every source was looked at, or given up."""
        return not self._unseen

    @property
    def missing_models(self) -> dict[str, str]:
        """Why models with a source of their own cannot be read, in words, by name."""
        faults = self._faults.items()
        return {source.name: fault for source, fault in faults if not isinstance(source, RepositorySource)}

    def knows(self, source: Source) -> bool:
        """Returns whether a source is one of these."""
        return source in self._all

    def replace(self, sources: Iterable[Source], now_ms: int) -> None:
        """Takes other sources; those that are new are waited for again."""
        former, self._all = self._all, set(sources)
        self._unseen = (self._unseen & self._all) | (self._all - former)
        self._give_up_ms = now_ms + FIRST_LOOK_MS
        for source in former - self._all:
            self._faults.pop(source, None)
            self._problems.replace(_subject(source), ())

    def judge(self, models: Iterable[ModelReadiness], mode: Ready, former: Readiness) -> Readiness:
        """Says whether the server is ready.

        Args:
            models: the models that were seen.
            mode: when it is.
            former: what was said before.
        """
        known = {model.name: model for model in models}
        missing = {
            name: ModelReadiness(name, attempted=True, serves=False, reason=fault)
            for name, fault in self.missing_models.items()
        }
        readiness = judge_readiness([*{**missing, **known}.values()], mode, was_ready=former.ready)
        waits = mode != "first" or not readiness.ready
        if waits and not self.all_seen and not former.ready:
            return Readiness(ready=False, reason="looking for models")
        if readiness.ready or not self._faults:
            return readiness
        faults = [fault for fault in self._faults.values() if fault not in readiness.reason]
        return Readiness(ready=False, reason="; ".join([readiness.reason, *faults]))

    def wake_ms(self) -> int | None:
        """Returns when `give_up` has something to do."""
        return self._give_up_ms if self._unseen else None

    def saw(self, scan: SourceScan) -> None:
        """Takes in a look at one of the sources."""
        self._unseen.discard(scan.source)
        if scan.readable:
            self._faults.pop(scan.source, None)
            self._problems.replace(_subject(scan.source), ())
        else:
            self._faults[scan.source] = scan.problems[0].message
            self._problems.replace(_subject(scan.source), scan.problems)

    def give_up(self, now_ms: int) -> None:
        """Stops waiting for first looks that take too long."""
        if not self._unseen or now_ms < self._give_up_ms:
            return
        for source in self._unseen:
            text = f"no look at `{source.path}` has ended within {FIRST_LOOK_MS // 1000} s"
            subject = _subject(source)
            self._faults[source] = text
            problem = Problem("", None, subject, RepositoryError.code, text, "Does its disk hang?")
            self._problems.replace(subject, (problem,))
        self._unseen.clear()


def _subject(source: Source) -> str:
    return f"source {source.path}"


def find_homes(models: Iterable[ModelRecord], sources: Sequence[Source]) -> list[tuple[ModelRecord, Source | None]]:
    """Returns for each model the one of the sources that it comes from now; None where it has none any more."""
    own = {source.name: source for source in sources if not isinstance(source, RepositorySource)}
    return [(model, model.source if model.source in sources else own.get(model.name)) for model in models]


def folder_of(source: Source) -> Path | None:
    """Returns the folder of a source's only model; None where it has none."""
    return source.path if isinstance(source, ModelSource) else None
