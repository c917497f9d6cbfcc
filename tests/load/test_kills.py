"""`kill -9` at any time, of whoever publishes or loads: the next start is clean."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command import clean_environment
from tests.support.load import Group, run_load
from tests.support.load_models import make_bodies, publish, save_mlp
from tests.support.served import ServedProcess, wait_for

LARGE_BYTES = 60_000_000
KILLS = 8
STEP_S = 0.06
"""Each kill comes so much later after the beginning than the one before it."""

PUBLISHER = """
import sys
from pathlib import Path
from turnout.repository.manifest import Manifest
from turnout.repository.publish import open_staging

print("ready", flush=True)
for _ in range(1000):
    with open_staging(Path(sys.argv[1]), "m") as staging:
        staging.add(Path(sys.argv[2]), "model.onnx")
        staging.publish(Manifest("onnx", "onnx", "model.onnx", ()))
"""


def test_a_publisher_that_is_killed_leaves_whole_versions_or_none(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    file = save_mlp(tmp_path / "large.onnx", 1, table_bytes=LARGE_BYTES)
    for kill in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, str(repository), str(file)],
            env=clean_environment(tmp_path),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(STEP_S * kill)  # not a wait for something: the kills come at different points
            process.kill()
    publish(repository, "m", 900, table_bytes=LARGE_BYTES)
    versions = {path.name for path in (repository / "m").iterdir() if path.name.isdigit()}
    options = ["--set", "model.policy=all"]
    with ServedProcess(repository, tmp_path, options) as server:
        server.wait_ready()
        wait_for(lambda: _loaded(server) == versions, f"versions {versions} are loaded", timeout_s=60)
        assert not [line for line in server.lines if line.get("level") in {"warning", "error"}]
    staged = [path for path in (repository / "m" / ".turnout").iterdir() if path.name.startswith("staging-")]
    assert not staged, "the next publisher sweeps what the dead have left"


def _loaded(server: ServedProcess) -> set[str]:
    return {str(event.version) for event in server.events() if event.kind == "loaded"}


@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.06, 0.12])
def test_after_a_kill_during_a_load_the_next_start_is_clean(after_s: float, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    publish(repository, "m", 1, table_bytes=LARGE_BYTES)
    with ServedProcess(repository, tmp_path, ["--log-level", "debug"]) as server:
        server.wait_event("loading", 1)
        time.sleep(after_s)  # not a wait for something: the kills come at different points
        server.kill()
        assert server.process.returncode == -signal.SIGKILL
    file = save_mlp(tmp_path / "model.onnx", 1, table_bytes=LARGE_BYTES)
    with ServedProcess(repository, tmp_path) as server:
        server.wait_ready()
        run_load([Group("rest", server.rest_url, make_bodies(file), connections=2)], duration_s=0.3)
        assert not [line for line in server.lines if line.get("event") == "quarantined"]
