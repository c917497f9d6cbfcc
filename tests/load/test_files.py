"""What happens to the files of a loaded version does not happen to its answers."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.support.load import Group, LoadRun
from tests.support.load_models import make_bodies, save_mlp
from tests.support.served import ServedProcess

TABLE_BYTES = 8_000_000
AFTER_S = 1.0
"""Load goes on for so long after the harm was done."""


def _truncate(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(0)


def _overwrite(file: Path) -> None:
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.write(b"\xff" * size)


def _delete(file: Path) -> None:
    file.unlink()


def _external(folder: Path) -> None:
    """Moves the weights of a model into a file of their own, which ONNX Runtime would map."""
    library: Any = onnx  # typed in part only
    library.save(
        library.load(folder / "model.onnx"),
        folder / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=1024,
    )


@pytest.mark.parametrize("external", [False, True], ids=["one file", "external weights"])
@pytest.mark.parametrize("harm", [_truncate, _overwrite, _delete])
def test_harm_to_the_files_of_a_loaded_version_is_not_noticed_by_clients(
    harm: Callable[[Path], None], external: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "repository" / "m" / "1"
    file = save_mlp(folder / "model.onnx", 1, table_bytes=TABLE_BYTES)
    bodies = make_bodies(file)
    if external:
        _external(folder)
    with ServedProcess(tmp_path / "repository", tmp_path, ["--set", "settle_ms=100"]) as server:
        server.wait_ready()
        groups = [
            Group("rest", server.rest_url, bodies, connections=4, rate_per_s=1000),
            Group("grpc", server.grpc_address, bodies, connections=2, rate_per_s=1000),
        ]
        with LoadRun(groups) as run:
            run.wait_measuring()
            for path in sorted(folder.iterdir()):
                harm(path)
            time.sleep(AFTER_S)  # not a wait for something: so long the load goes on
            run.stop().check()
        assert server.get("/readyz")[0] == 200
