"""The versions on which processes died, as this manager knows them; the journal keeps them on disk."""

from pathlib import Path

from turnout.errors import RepositoryError
from turnout.lifecycle.journal import Journal, Suspicion
from turnout.lifecycle.problems import ProblemLog
from turnout.lifecycle.records import VersionRecord
from turnout.repository.scan import Problem


class Suspects:
    """Usually there are none. Used by the reconciler's thread alone."""

    def __init__(self, journal: Journal, problems: ProblemLog) -> None:
        self._journal = journal
        self._problems = problems
        self._suspicions: dict[tuple[str, int, Path], Suspicion] = {}

    def recover(self) -> None:
        """Takes in what former processes left in the journal."""
        try:
            suspicions = self._journal.recover()
        except OSError as error:
            self.complain(str(error))
            return
        self._suspicions = {(s.model, s.version, s.path): s for s in suspicions}

    def find(self, model: str, version: int, path: Path) -> Suspicion | None:
        """Returns what is held against a version."""
        return self._suspicions.get((model, version, path))

    def models(self) -> set[str]:
        """Returns the models with suspects: these wait for one another, so that any news may be news for all."""
        return {suspicion.model for suspicion in self._suspicions.values()}

    def acquit(self, suspicion: Suspicion) -> None:
        """Forgets a suspicion, of which the journal knows already: the version was loaded."""
        self._suspicions.pop((suspicion.model, suspicion.version, suspicion.path), None)

    def clear(self, record: VersionRecord) -> bool:
        """Forgets what is held against a version, also on disk; returns whether there was anything."""
        suspicion, record.suspicion = record.suspicion, None
        if suspicion is None:
            return False
        self.acquit(suspicion)
        try:
            self._journal.clear(suspicion)
        except OSError as error:
            self.complain(str(error))
        return True

    def complain(self, fault: str) -> None:
        """Tells people that the journal cannot be written, or no longer where `fault` is empty."""
        problems: list[Problem] = []
        if fault:
            text = f"the journal of loads cannot be written: {fault}"
            hint = "Loads go on, but a version that kills the server would be tried again."
            problems = [Problem("", None, "journal", RepositoryError.code, text, hint)]
        self._problems.replace("journal", problems)
