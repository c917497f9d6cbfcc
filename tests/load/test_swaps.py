"""Two hundred swaps of versions under load: nothing lost, no answer of a version that was not live, nothing leaked."""

import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.load import Body, Group, LoadRun, Report, run_load
from tests.support.load_models import answers, publish, random_rows, save_mlp
from tests.support.served import Event, ServedProcess, Usage
from turnout.host.priority import lower_priority

MODEL = "m"
REPOSITORY = "repository"
SWAPS = 200
ROUNDS = 10
"""The swaps are done in so many rounds, with calm between them, so that both see the same machine."""
CALM_S = 2.0
EARLY_SWAP = 20
LARGE_ONES = (10, 190)
"""Versions that are large, which leaves the memory after swaps 20 and 200 comparable."""
LARGE_BYTES = 50_000_000
KEPT = 4
"""Versions whose files are left in the repository."""

REST_CONNECTIONS = 16
GRPC_CONNECTIONS = 2
GRPC_STREAMS = 8
SHARE = 0.52
"""Of the measured maximum; the demand is half of it."""

LOG_NS = 1_000_000
"""The log's times are cut to milliseconds."""


def _table_bytes(version: int) -> int:
    return LARGE_BYTES if version in LARGE_ONES else 0


def _bodies(folder: Path) -> list[Body]:
    """Returns requests whose right answers are those of every version."""
    small = save_mlp(folder / "small.onnx", 0)
    large = save_mlp(folder / "large.onnx", 0, table_bytes=LARGE_BYTES)
    bodies: list[Body] = []
    for seed in range(8):
        row = random_rows(1, seed)
        plain, looked_up = answers(small, row)[0], answers(large, row)[0]
        expected = {version: looked_up if _table_bytes(version) else plain for version in range(1, SWAPS + 2)}
        bodies.append(Body(row, {version: [float(value) + version] for version, value in expected.items()}))
    return bodies


def _groups(server: ServedProcess, bodies: Sequence[Body], rates: Mapping[str, float] | None = None) -> list[Group]:
    rate = rates or {}
    return [
        Group("rest", server.rest_url, bodies, REST_CONNECTIONS, MODEL, 1, rate.get("rest"), tolerance=1e-4),
        Group("grpc", server.grpc_address, bodies, GRPC_CONNECTIONS, MODEL, GRPC_STREAMS, rate.get("grpc"), 1e-4),
    ]


class Swapper:
    """Publishes version after version, each when the one before it serves.

    A version is made, hashed and synced beforehand: what is measured is a server that swaps, not a busy publisher.
    """

    def __init__(self, folder: Path, server: ServedProcess) -> None:
        self._prepared = folder / "prepared"
        self._repository = folder / REPOSITORY
        self._server = server
        self._last = 1
        self.version = 1

    def prepare(self, count: int) -> None:
        """Makes the next versions, elsewhere."""
        for _ in range(count):
            self._last += 1
            publish(self._prepared, MODEL, self._last, table_bytes=_table_bytes(self._last))

    def swap(self) -> None:
        """Publishes the next version and waits until it serves and the one before the last is gone."""
        self.version += 1
        name = f"{MODEL}/{self.version}"
        (self._prepared / name).rename(self._repository / name)
        self._server.wait_event("serving", self.version)
        if self.version > 2:
            self._server.wait_event("unloaded", self.version - 2)
        shutil.rmtree(self._repository / MODEL / str(self.version - KEPT), ignore_errors=True)


def _live_intervals(events: Sequence[Event]) -> dict[int, tuple[int, float]]:
    """Returns from when to when each version was the default one."""
    begun = {event.version: event.monotonic_ns for event in events if event.kind == "serving"}
    ended = {event.version: event.monotonic_ns for event in events if event.kind == "retired"}
    return {version: (at, ended.get(version, float("inf"))) for version, at in begun.items()}


def _check_versions(report: Report, events: Sequence[Event]) -> None:
    intervals = _live_intervals(events)
    for group in report.groups.values():
        assert len(group.versions) > SWAPS * 0.9, "most versions answered something"
        for version, span in group.versions.items():
            begun_ns, ended_ns = intervals[version]
            assert span.first_received_ns >= begun_ns, f"version {version} answered before it served"
            assert span.last_sent_ns <= ended_ns + LOG_NS, f"version {version} answered after it was retired"


@pytest.mark.timeout(600)
def test_two_hundred_swaps_under_load_lose_nothing(tmp_path: Path) -> None:
    repository = tmp_path / REPOSITORY
    bodies = _bodies(tmp_path)
    publish(repository, MODEL, 1)
    usages: dict[int, Usage] = {}
    with ServedProcess(repository, tmp_path) as server:
        server.wait_ready()
        maximum = run_load(_groups(server, bodies), duration_s=2.0)
        rates = {name: group.measured.answers_per_s * SHARE for name, group in maximum.groups.items()}
        swapper = Swapper(tmp_path, server)
        polite = ThreadPoolExecutor(1, initializer=lower_priority)
        with LoadRun(_groups(server, bodies, rates)) as run, polite as publisher:
            run.wait_measuring()
            for _ in range(ROUNDS):
                run.phase("preparation")
                swapper.prepare(SWAPS // ROUNDS)
                run.phase("calm")
                time.sleep(CALM_S)  # not a wait for something: so long is measured
                run.phase("swaps")
                for _ in range(SWAPS // ROUNDS):
                    publisher.submit(swapper.swap).result()
                    usages[swapper.version - 1] = server.usage()
            report = run.stop().check()
        events = server.events()
    for name, group in report.groups.items():
        for phase in group.phases["swaps"]:
            assert phase.answers_per_s >= maximum.groups[name].measured.answers_per_s / 2
        # A bad calm phase tells the machine's noise. The third worst of ten is about what the worst of four would be.
        calm_us = sorted(phase.p99_us for phase in group.phases["calm"])[-3]
        assert statistics.median(phase.p99_us for phase in group.phases["swaps"]) <= 2 * calm_us
    _check_versions(report, events)
    _check_usage(usages)


def _check_usage(usages: Mapping[int, Usage]) -> None:
    """Nothing grows: compared are swaps at the same distance from a large version, so that the same is loaded."""
    early, late = usages[EARLY_SWAP], usages[SWAPS]
    assert late.resident_bytes <= early.resident_bytes * 1.05
    assert late.threads <= early.threads
    assert late.descriptors <= early.descriptors
