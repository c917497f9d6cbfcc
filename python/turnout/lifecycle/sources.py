"""Which sources were looked at and which could not be read, as far as readiness and people care."""

from collections.abc import Iterable

from turnout.errors import RepositoryError
from turnout.lifecycle.problems import ProblemLog
from turnout.lifecycle.readiness import ModelReadiness
from turnout.repository.layout import RepositorySource, Source
from turnout.repository.scan import Problem, SourceScan

FIRST_LOOK_MS = 30_000
"""Wait for the first look at a source; a disk that hangs longer holds back the readiness of the others no more."""


class SourceStates:
    """What is known of the sources as a whole. Used by the reconciler's thread alone."""

    def __init__(self, sources: Iterable[Source], problems: ProblemLog, now_ms: int) -> None:
        self._unseen = set(sources)
        self._problems = problems
        self._give_up_ms = now_ms + FIRST_LOOK_MS
        self._faults: dict[Source, str] = {}

    @property
    def all_seen(self) -> bool:
        """Whether every source was looked at, or given up."""
        return not self._unseen

    @property
    def faults(self) -> list[str]:
        """Why sources cannot be read, in words."""
        return list(self._faults.values())

    @property
    def unreadable_models(self) -> list[ModelReadiness]:
        """What counts for readiness of models with a source of their own that cannot be read."""
        return [
            ModelReadiness(name, attempted=True, serves=False, reason=fault)
            for name, fault in self.missing_models.items()
        ]

    @property
    def missing_models(self) -> dict[str, str]:
        """Why models with a source of their own cannot be read, in words, by name."""
        faults = self._faults.items()
        return {source.name: fault for source, fault in faults if not isinstance(source, RepositorySource)}

    def wake_ms(self) -> int | None:
        """Returns when `give_up` has something to do."""
        return self._give_up_ms if self._unseen else None

    def saw(self, scan: SourceScan) -> None:
        """Takes in a look."""
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
