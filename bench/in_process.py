"""What the runtime can do without a server: the limit of every figure."""

import subprocess
from dataclasses import dataclass

from bench.models import BenchModel
from tests.support.load import ROOT
from turnout.host.runtimes import find_library

ROWS = (1, 32)


@dataclass(frozen=True, slots=True)
class Limit:
    """A bare loop over the runtime's calls, on one thread."""

    model: str
    rows: int
    call_us: float

    @property
    def rows_per_s(self) -> float:
        """Rows a second."""
        return self.rows * 1e6 / self.call_us


def measure_limits(model: BenchModel, core: int) -> list[Limit]:
    """Calls the runtime in a loop, without Python or anything else between."""
    cargo = [
        "cargo",
        "run",
        "--release",
        "--locked",
        "--quiet",
        "--package",
        "turnout-engine",
        "--example",
        "call_cost",
    ]
    command = [
        "taskset",
        "--cpu-list",
        str(core),
        *cargo,
        "--",
        str(find_library(model.engine)),
        str(model.path),
        *map(str, ROWS),
    ]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in output.splitlines()]
    return [Limit(model.name, int(line[0]), float(line[1])) for line in lines if line[0].isdigit()]
