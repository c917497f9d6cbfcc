"""A whole result as one JSON document, and back."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.cells import Cell, Load, Sample
from bench.in_process import Limit
from bench.machine import MachineFacts
from bench.swaps import SwapSample


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one run of the benchmark found."""

    date: str
    machine: MachineFacts
    repeats: int
    seconds: float
    models: dict[str, str]
    limits: Sequence[Limit]
    cells: Sequence[Cell]
    swaps: Sequence[SwapSample]

    def write(self, path: Path) -> None:
        """Writes the document."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def read_result(path: Path) -> Result:
    """Reads what `Result.write` wrote."""
    document: dict[str, Any] = json.loads(path.read_text())
    cells = [
        Cell(Load(**cell["load"]), tuple(Sample(**sample) for sample in cell["samples"])) for cell in document["cells"]
    ]
    return Result(
        document["date"],
        MachineFacts(**document["machine"]),
        document["repeats"],
        document["seconds"],
        document["models"],
        [Limit(**limit) for limit in document["limits"]],
        cells,
        [SwapSample(**sample) for sample in document["swaps"]],
    )
