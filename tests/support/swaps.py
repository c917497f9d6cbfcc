"""Swaps of versions under load, in rounds with calm between them: for a test and for the benchmark."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.load import Body, Group, LoadRun, Report, run_load
from tests.support.load_models import answers, publish, random_rows, save_mlp
from tests.support.served import ServedProcess
from turnout.host.priority import lower_priority

MODEL = "m"
REPOSITORY = "repository"
LARGE_BYTES = 50_000_000
KEPT = 4
"""Versions whose files are left in the repository."""

REST_CONNECTIONS = 16
GRPC_CONNECTIONS = 2
GRPC_STREAMS = 8
SHARE = 0.52
"""Of the measured maximum; the demand is half of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is swapped.

    Attributes:
        swaps: how many in all.
        rounds: the swaps are done in so many rounds, with calm between them, so that both see the same machine.
        calm_s: length of the calm before each round.
        large: the versions, from 2 on, that have more than 50 MB.
    """

    swaps: int
    rounds: int
    calm_s: float
    large: Sequence[int]

    def table_bytes(self, version: int) -> int:
        """Returns the size of a version's table of weights; 0 where it has none."""
        return LARGE_BYTES if version in self.large else 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of swaps found: phases `calm` and `swaps` of the report are what is compared.

    Attributes:
        maximum: of the same groups in a closed loop, before.
        report: of the run.
    """

    maximum: Report
    report: Report


def swap_under_load(folder: Path, plan: Plan, server: ServedProcess, after_swap: Callable[[int], None]) -> Outcome:
    """Swaps versions of the model in `folder / REPOSITORY`, which holds version 1.

    Args:
        folder: for versions to come.
        plan: what is swapped.
        server: serves the repository, and is ready.
        after_swap: called after each, with how many there were.

    Raises:
        AssertionError: an answer was wrong or missing.
    """
    bodies = _bodies(folder, plan)
    maximum = run_load(_groups(server, bodies), duration_s=2.0)
    rates = {name: group.measured.answers_per_s * SHARE for name, group in maximum.groups.items()}
    swapper = _Swapper(folder, plan, server)
    polite = ThreadPoolExecutor(1, initializer=lower_priority)
    with LoadRun(_groups(server, bodies, rates)) as run, polite as publisher:
        run.wait_measuring()
        for _ in range(plan.rounds):
            run.phase("preparation")
            swapper.prepare(plan.swaps // plan.rounds)
            run.phase("calm")
            time.sleep(plan.calm_s)  # not a wait for something: so long is measured
            run.phase("swaps")
            for _ in range(plan.swaps // plan.rounds):
                publisher.submit(swapper.swap).result()
                after_swap(swapper.version - 1)
        return Outcome(maximum, run.stop().check())


def _bodies(folder: Path, plan: Plan) -> list[Body]:
    """Returns requests whose right answers are those of every version."""
    small = save_mlp(folder / "small.onnx", 0)
    large = save_mlp(folder / "large.onnx", 0, table_bytes=LARGE_BYTES)
    bodies: list[Body] = []
    for seed in range(8):
        row = random_rows(1, seed)
        plain, looked_up = answers(small, row)[0], answers(large, row)[0]
        versions = range(1, plan.swaps + 2)
        expected = {version: looked_up if plan.table_bytes(version) else plain for version in versions}
        bodies.append(Body(row, {version: [float(value) + version] for version, value in expected.items()}))
    return bodies


def _groups(server: ServedProcess, bodies: Sequence[Body], rates: Mapping[str, float] | None = None) -> list[Group]:
    rate = rates or {}
    return [
        Group("rest", server.rest_url, bodies, REST_CONNECTIONS, MODEL, 1, rate.get("rest"), tolerance=1e-4),
        Group("grpc", server.grpc_address, bodies, GRPC_CONNECTIONS, MODEL, GRPC_STREAMS, rate.get("grpc"), 1e-4),
    ]


class _Swapper:
    """Publishes version after version, each when the one before it serves.

    A version is made, hashed and synced beforehand: what is measured is a server that swaps, not a busy publisher.
    """

    def __init__(self, folder: Path, plan: Plan, server: ServedProcess) -> None:
        self._plan = plan
        self._prepared = folder / "prepared"
        self._repository = folder / REPOSITORY
        self._server = server
        self._last = 1
        self.version = 1

    def prepare(self, count: int) -> None:
        """Makes the next versions, elsewhere."""
        for _ in range(count):
            self._last += 1
            publish(self._prepared, MODEL, self._last, table_bytes=self._plan.table_bytes(self._last))

    def swap(self) -> None:
        """Publishes the next version and waits until it serves and the one before the last is gone."""
        self.version += 1
        name = f"{MODEL}/{self.version}"
        (self._prepared / name).rename(self._repository / name)
        self._server.wait_event("serving", self.version)
        if self.version > 2:
            self._server.wait_event("unloaded", self.version - 2)
        shutil.rmtree(self._repository / MODEL / str(self.version - KEPT), ignore_errors=True)
