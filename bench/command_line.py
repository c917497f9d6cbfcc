"""How long a person waits for the command line: start to end of the process, median and slowest of some runs.

Run it on an idle machine: `.venv/bin/python bench/command_line.py`. The aim is 300 ms for `turnout --help`.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

RUNS = 15
COMPLETION = {"_TURNOUT_COMPLETE": "complete_bash", "COMP_WORDS": "turnout se", "COMP_CWORD": "1"}
CASES: tuple[tuple[str, tuple[str, ...], Mapping[str, str]], ...] = (
    ("turnout --help", ("--help",), {}),
    ("turnout serve --help", ("serve", "--help"), {}),
    ("completion of a command", (), COMPLETION),
    ("turnout --version", ("--version",), {}),
    ("turnout config show", ("config", "show"), {}),
)


def measure_ms(arguments: tuple[str, ...], variables: Mapping[str, str]) -> float:
    """Runs the command once and returns how long that took."""
    command = [sys.executable, "-m", "turnout", *arguments]
    began_s = time.perf_counter()
    subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, check=True, timeout=30)
    return (time.perf_counter() - began_s) * 1000


def main() -> None:
    """Prints one line for each case."""
    print(f"{'what':<26}{'median ms':>10}{'slowest ms':>12}   ({RUNS} runs, Python {sys.version.split()[0]})")
    for name, arguments, variables in CASES:
        times = [measure_ms(arguments, variables) for _ in range(RUNS)]
        print(f"{name:<26}{statistics.median(times):>10.0f}{max(times):>12.0f}")


if __name__ == "__main__":
    main()
