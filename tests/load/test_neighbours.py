"""A model with huge requests does not hold up another one."""

import time
from pathlib import Path

import pytest

from tests.support.load import Door, Group, LoadRun
from tests.support.load_models import make_bodies, publish, save_mlp
from tests.support.served import ServedProcess

ROWS = 100_000
P99_US = 5000
SECONDS = 3
ATTEMPTS = 3
"""The best phase counts: in the others the machine may have had something else to do."""


@pytest.mark.parametrize("door", ["rest", "grpc"])
def test_one_row_requests_beside_huge_ones_stay_fast(door: Door, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    publish(repository, "huge", 1)
    publish(repository, "small", 1)
    file = save_mlp(tmp_path / "model.onnx", 1)
    with ServedProcess(repository, tmp_path, ["--ready", "all"]) as server:
        server.wait_ready()
        address = server.rest_url if door == "rest" else server.grpc_address
        # Two tools, the one of the huge requests polite: checking a huge answer takes milliseconds.
        huge = Group(door, address, make_bodies(file, count=2, rows=ROWS), 1, "huge")
        small = Group(door, address, make_bodies(file), 4, "small", rate_per_s=500)
        with LoadRun([small]) as small_run, LoadRun([huge], nice=10) as huge_run:
            small_run.wait_measuring()
            huge_run.wait_measuring()
            for _ in range(ATTEMPTS):
                huge_run.phase("beside")
                small_run.phase("beside")
                time.sleep(SECONDS)  # not a wait for something: so long is measured
            small_report, huge_report = small_run.stop().check(), huge_run.stop().check()
    beside = small_report.groups[door].phases["beside"]
    assert all(phase.answers >= 3 for phase in huge_report.groups[door].phases["beside"])
    assert min(phase.p99_us for phase in beside) < P99_US, beside
