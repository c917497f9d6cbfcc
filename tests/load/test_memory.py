"""Memory of an unloaded model goes back to the system."""

import statistics
import time
from pathlib import Path

from tests.support.load import Body, Group, LoadRun
from tests.support.load_models import answers, publish, random_rows, save_mlp
from tests.support.served import ServedProcess

LARGE_BYTES = 200_000_000
LOOKS = 20


def _resident_bytes(server: ServedProcess) -> float:
    """Returns the median of some looks: requests in flight come and go."""
    looks: list[int] = []
    for _ in range(LOOKS):
        time.sleep(0.02)
        looks.append(server.usage().resident_bytes)
    return statistics.median(looks)


def _bodies(folder: Path) -> list[Body]:
    small = save_mlp(folder / "small.onnx", 0)
    large = save_mlp(folder / "large.onnx", 0, table_bytes=LARGE_BYTES)
    row = random_rows(1, 1)
    plain, looked_up = float(answers(small, row)[0]), float(answers(large, row)[0])
    return [Body(row, {1: [plain + 1], 2: [looked_up + 2], 3: [plain + 3]})]


def test_unloaded_memory_is_given_back(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    bodies = _bodies(tmp_path)
    publish(repository, "m", 1)
    options = ["--set", "model.keep_previous=false"]
    with ServedProcess(repository, tmp_path, options) as server:
        server.wait_ready()
        groups = [Group("rest", server.rest_url, bodies, connections=4, rate_per_s=1000, tolerance=1e-4)]
        with LoadRun(groups) as run:
            run.wait_measuring()
            before = _resident_bytes(server)
            publish(repository, "m", 2, table_bytes=LARGE_BYTES)
            server.wait_event("unloaded", 1)
            loaded = _resident_bytes(server)
            publish(repository, "m", 3)
            server.wait_event("unloaded", 2)
            after = _resident_bytes(server)
            report = run.stop().check()
    assert set(report.groups["rest"].versions) == {1, 2, 3}
    assert loaded - before >= LARGE_BYTES, "the test would not see a leak"
    assert loaded - after >= 0.9 * (loaded - before)
