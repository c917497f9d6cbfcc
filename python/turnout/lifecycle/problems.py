"""Says each problem once: when it begins, when it changes and when it ends."""

import logging
from collections.abc import Iterable

from turnout.repository.scan import Problem

_log = logging.getLogger("turnout.lifecycle.problems")


class ProblemLog:
    """The problems of now, by whom they are about. Not thread-safe."""

    def __init__(self) -> None:
        self._now: dict[str, dict[tuple[str, int | None, str], Problem]] = {}

    def replace(self, subject: str, problems: Iterable[Problem]) -> bool:
        """Replaces all problems of a subject, and logs what is new, what changed and what is over.

        Returns:
            Whether any is new or changed.
        """
        former = self._now.get(subject, {})
        current = {(problem.model, problem.version, problem.topic): problem for problem in problems}
        fresh = [problem for key, problem in current.items() if former.get(key) != problem]
        for problem in fresh:
            _say(problem)
        for key, problem in former.items():
            if key not in current:
                _log.info("no longer: %s", problem.message, extra=_fields(problem))
        if current:
            self._now[subject] = current
        else:
            self._now.pop(subject, None)
        return bool(fresh)

    def current(self) -> list[Problem]:
        """Returns the problems of now."""
        return [problem for problems in self._now.values() for problem in problems.values()]


def _say(problem: Problem) -> None:
    where = f"model `{problem.model}`" if problem.model else ""
    if problem.version is not None:
        where += f" version {problem.version}"
    _log.warning("%s%s", f"{where}: " if where else "", problem.message, extra=_fields(problem))


def _fields(problem: Problem) -> dict[str, object]:
    fields: dict[str, object] = {"code": problem.code}
    if problem.model:
        fields["model"] = problem.model
    if problem.version is not None:
        fields["version"] = problem.version
    if problem.hint is not None:
        fields["hint"] = problem.hint
    return fields
