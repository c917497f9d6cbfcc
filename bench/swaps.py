"""What swaps of versions cost the requests beside them."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.load import Door
from tests.support.load_models import publish
from tests.support.served import ServedProcess
from tests.support.swaps import MODEL, REPOSITORY, Plan, swap_under_load

PLAN = Plan(swaps=200, rounds=10, calm_s=2.0, large=(100,))


@dataclass(frozen=True, slots=True)
class SwapSample:
    """One door in one run: the 99th percentiles of all answers beside swaps, and of all in the calm between.

    Attributes:
        door: of these answers.
        answers_per_s: sent at fixed times, about half of the maximum.
        swaps_per_s: while versions were swapped.
        calm_p99_us: latency without swaps.
        swaps_p99_us: latency with them.
    """

    door: Door
    answers_per_s: float
    swaps_per_s: float
    calm_p99_us: float
    swaps_p99_us: float

    @property
    def ratio(self) -> float:
        """How many times as long."""
        return self.swaps_p99_us / self.calm_p99_us


def measure_swaps(repeats: int, tell: Callable[[str], None]) -> Sequence[SwapSample]:
    """Measures so many runs; each answer of each is checked, and none may be missing."""
    samples: list[SwapSample] = []
    for repeat in range(repeats):
        tell(f"swaps, run {repeat + 1} of {repeats}")
        with tempfile.TemporaryDirectory(prefix="turnout-bench-") as name:
            samples += _run(Path(name))
    return samples


def _run(folder: Path) -> Sequence[SwapSample]:
    repository = folder / REPOSITORY
    publish(repository, MODEL, 1)
    with ServedProcess(repository, folder) as server:
        server.wait_ready()
        report = swap_under_load(folder, PLAN, server, lambda _: None).report
    doors: tuple[Door, ...] = ("rest", "grpc")
    return [
        SwapSample(
            door,
            answers_per_s=sum(phase.answers for phase in group.phases["swaps"]) / seconds,
            swaps_per_s=PLAN.swaps / seconds,
            calm_p99_us=group.p99_us["calm"],
            swaps_p99_us=group.p99_us["swaps"],
        )
        for door in doors
        for group in [report.groups[door]]
        for seconds in [sum(phase.seconds for phase in group.phases["swaps"])]
    ]
