"""A version that kills the server does so once: real processes, real deaths, the real data plane."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.load_models import save_mlp
from turnout.repository.manifest import Manifest
from turnout.repository.publish import open_staging

WAIT_S = 20.0

SERVER = """
import json, os, sys, time
from pathlib import Path
from turnout._dataplane import DataPlane
from turnout.config.resolve import load_config
from turnout.config.settings import data_plane_json
from turnout.flavors.resolve import resolve_artifact
from turnout.lifecycle.manager import Manager
from turnout.lifecycle.settings import ManagerOptions
from turnout.repository.layout import RepositorySource

home = Path(sys.argv[1])

def resolve(path, manifest):
    # Stands for a runtime that aborts on a graph, or for somebody who kills the server while it loads.
    if (home / "die" / path.name).exists():
        number = int((home / "die" / path.name).read_text())
        print("loading", flush=True)
        os.kill(os.getpid(), number)
        time.sleep(60)
    return resolve_artifact(path, manifest)

config = load_config(environ={}, home=home)
plane = DataPlane(data_plane_json(config.server.settings))
options = ManagerOptions(home / "cache", 200, 50, "any", fatal_log=True)
manager = Manager(plane, [RepositorySource(home / "repository")], options, resolve=resolve,
    settings_for=config.settings_for)
manager.start()
if sys.argv[2:] == ["leave"]:
    manager.wait_until(lambda status: bool(status.models), 20)
    sys.stdin.readline()
    manager.close(0.2)
    sys.exit()
manager.wait_until(lambda status: status.settled and status.models, 20)
model = manager.status().models["m"]
print(json.dumps({"default": model.default, "faults": [
    [version.version, version.fault.code] for version in model.versions if version.fault]}), flush=True)
manager.close()
plane.close()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "die").mkdir()
    for version in (1, 2):
        with open_staging(tmp_path / "repository", "m") as staging:
            save_mlp(staging.folder / "model.onnx", version)
            staging.publish(Manifest("onnx", "onnx", "model.onnx", ()))
    return tmp_path


def run(home: Path) -> tuple[int, dict[str, object]]:
    """Runs a server until it has loaded what it can; returns how it ended and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", SERVER, str(home)], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else {}


def test_a_crash_costs_one_start(home: Path) -> None:
    (home / "die" / "2").write_text(str(int(signal.SIGABRT)))
    assert run(home) == (-signal.SIGABRT, {})
    assert run(home) == (0, {"default": 1, "faults": [[2, "quarantined"]]})
    assert run(home) == (0, {"default": 1, "faults": [[2, "quarantined"]]})
    (home / "die" / "2").unlink()
    [record] = (home / "cache" / "journal" / "suspects").iterdir()
    record.unlink()
    assert run(home) == (0, {"default": 2, "faults": []})


def test_a_kill_during_a_load_leaves_the_next_start_clean(home: Path) -> None:
    (home / "die" / "2").write_text(str(int(signal.SIGKILL)))
    assert run(home) == (-signal.SIGKILL, {})
    (home / "die" / "2").unlink()
    assert run(home) == (0, {"default": 2, "faults": []})
    assert list((home / "cache" / "journal" / "suspects").iterdir()) == []


def test_a_second_kill_on_the_same_version_is_believed(home: Path) -> None:
    (home / "die" / "2").write_text(str(int(signal.SIGKILL)))
    assert run(home) == (-signal.SIGKILL, {})
    assert run(home) == (-signal.SIGKILL, {})
    assert run(home) == (0, {"default": 1, "faults": [[2, "quarantined"]]})


def test_an_orderly_end_during_a_load_makes_no_suspect(home: Path) -> None:
    (home / "die" / "2").write_text("0")  # no signal: the load hangs
    command = [sys.executable, "-c", SERVER, str(home), "leave"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == b"loading\n"
        assert len(list((home / "cache" / "journal" / "loading").iterdir())) == 1
        server.stdin.close()
        assert server.wait(WAIT_S) == 0, "a load that hangs does not hold up the end"
    assert list((home / "cache" / "journal" / "loading").iterdir()) == []
    (home / "die" / "2").unlink()
    assert run(home) == (0, {"default": 2, "faults": []})
