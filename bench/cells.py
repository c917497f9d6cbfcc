"""What is measured: every cell of the table, several times, in turn."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import processor_time
from bench.models import BenchModel
from tests.support.load import Door, Group, LoadRun
from tests.support.served import ServedProcess

SERVER_CORE = 0
CLIENT_CORE = 1
SERVER_OPTIONS = ("--set", "loops=1", "--set", "executor_threads=1")
"""One core serves: the figures are per core. Everything else is at its default."""

CLOSED = {
    "rest": ((1, 1), (2, 1), (4, 1), (64, 1)),
    "grpc": ((1, 1), (2, 1), (4, 1), (64, 1), (8, 100)),
}
"""(connections, requests in flight on each), closed loop."""

SHARES = (0.5, 0.8)
"""Of the best closed-loop rate: the rates of the open loops, which use the connections that reached it."""


@dataclass(frozen=True, slots=True)
class Load:
    """One way of loading a model. `share` is None in a closed loop."""

    model: str
    door: Door
    connections: int
    depth: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one load. Times in microseconds; processor times in shares of one core."""

    answers_per_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    server_user: float
    server_system: float
    client: float
    others: float


@dataclass(frozen=True, slots=True)
class Cell:
    """All runs of one load."""

    load: Load
    samples: tuple[Sample, ...]


def measure_model(
    model: BenchModel, home: Path, *, repeats: int, seconds: float, tell: Callable[[str], None]
) -> Iterator[Cell]:
    """Serves a model and measures it through both doors."""
    options = [*SERVER_OPTIONS, "--name", model.name, *model.options]
    with ServedProcess(model.path, home, options, core=SERVER_CORE) as server:
        server.wait_ready()
        for door in ("rest", "grpc"):
            bench = _Bench(model, server, door, seconds)
            closed = [Load(model.name, door, *place, None) for place in CLOSED[door]]
            cells = bench.measure(closed, {}, repeats, tell)
            yield from cells
            best = max(cells, key=best_rate)
            place = (best.load.connections, best.load.depth)
            rates = {Load(model.name, door, *place, share): best_rate(best) * share for share in SHARES}
            yield from bench.measure(list(rates), rates, repeats, tell)


def best_rate(cell: Cell) -> float:
    """Returns the median rate of a cell, answers a second."""
    rates = sorted(sample.answers_per_s for sample in cell.samples)
    return rates[len(rates) // 2]


class _Bench:
    def __init__(self, model: BenchModel, server: ServedProcess, door: Door, seconds: float) -> None:
        self._model = model
        self._server = server
        self._door: Door = door
        self._seconds = seconds

    def measure(
        self, loads: Sequence[Load], rates: dict[Load, float], repeats: int, tell: Callable[[str], None]
    ) -> list[Cell]:
        """Measures every load in turn, and all of them again: what disturbs does not disturb one alone."""
        samples: dict[Load, list[Sample]] = {load: [] for load in loads}
        for _ in range(repeats):
            for load in loads:
                tell(f"{load.model} {load.door} {load.connections}×{load.depth}")
                samples[load].append(self._sample(load, rates.get(load)))
        return [Cell(load, tuple(runs)) for load, runs in samples.items()]

    def _sample(self, load: Load, rate_per_s: float | None) -> Sample:
        address = self._server.rest_url if self._door == "rest" else self._server.grpc_address
        group = Group(
            self._door,
            address,
            self._model.bodies,
            load.connections,
            load.model,
            load.depth,
            rate_per_s,
            self._model.tolerance,
        )
        # In an open loop the tool looks at the clock without rest, so as not to count its own waking up as latency.
        spins = rate_per_s is not None
        with LoadRun([group], duration_s=self._seconds, spin=spins, core=CLIENT_CORE) as run:
            run.wait_measuring()
            before, begun_s = processor_time(self._server.pid), time.monotonic()
            report = run.report().check()
            used = processor_time(self._server.pid).since(before)
            wall_s = time.monotonic() - begun_s
        measured = report.groups[self._door].measured
        client = report.client_cpu_s / report.client_wall_s
        server = (used.user_s + used.system_s) / wall_s
        return Sample(
            measured.answers_per_s,
            measured.p50_us,
            measured.p99_us,
            measured.p999_us,
            used.user_s / wall_s,
            used.system_s / wall_s,
            client,
            max(0.0, used.busy_s / wall_s - server - client),
        )
