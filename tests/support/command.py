"""Runs the `turnout` command and compares what it prints with recordings.

`UPDATE_RECORDINGS=1` writes the recordings anew; read the difference before you commit it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from turnout.host.runtimes import RUNTIMES

COMMAND = (sys.executable, "-m", "turnout")
RECORDINGS = Path(__file__).parents[1] / "integration/cli/recordings"
TIMEOUT_S = 25


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it printed."""

    arguments: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    def text(self, filters: Mapping[str, str]) -> str:
        """Returns everything as one text, with what differs from run to run replaced."""
        words = " ".join(self.arguments)
        text = f"$ turnout {words}\nexit code: {self.exit_code}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"
        for pattern, replacement in filters.items():
            text = re.sub(pattern, replacement, text)
        return text


def clean_environment(home: Path, **variables: str) -> dict[str, str]:
    """Returns an environment in which nothing of the person who runs the tests can be seen."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "HOME": str(home), "COLUMNS": "120", "TERM": "dumb", **variables}


def run(
    arguments: Sequence[str | Path],
    home: Path,
    *,
    standard_input: str = "",
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs a command to its end in a folder of its own."""
    words = tuple(str(argument) for argument in arguments)
    finished = subprocess.run(
        [*COMMAND, *words],
        cwd=home,
        env=clean_environment(home, **(variables or {})),
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Outcome(words, finished.returncode, finished.stdout, finished.stderr)


def check_recording(name: str, outcome: Outcome, filters: Mapping[str, str]) -> None:
    """Compares an outcome with its recording."""
    path = RECORDINGS / f"{name}.txt"
    got = outcome.text(filters)
    if os.environ.get("UPDATE_RECORDINGS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(got)
    assert got == path.read_text(), f"`UPDATE_RECORDINGS=1 pytest {__name__}` records {path.name} anew"


def hide_runtimes(folder: Path) -> None:
    """Puts packages without libraries into a folder, which hide the installed ones where it stands in PYTHONPATH."""
    for runtime in RUNTIMES:
        package = folder / runtime.module
        package.mkdir()
        (package / "__init__.py").write_text("")
