"""Running an ONNX file by the engine that will serve it: in this process, or in one that may crash."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.data.arrays import inputs_to_wire
from turnout.flavors.resolve import ENTRY_NAME, resolve_artifact
from turnout.loaded import LoadedModel
from turnout.pushing.isolation import run_task

Arrays = Mapping[str, NDArray[Any]]


def run_here(model: bytes, inputs: Arrays) -> Arrays:
    """Executes an ONNX file once, in this process; every output of the graph by its own name."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as folder:
        path = Path(folder) / ENTRY_NAME
        path.write_bytes(model)
        return run_file(path, inputs)


def run_file(path: Path, inputs: Arrays) -> Arrays:
    """Executes a model file, or the one in a folder, once."""
    loaded = LoadedModel("candidate", 1, resolve_artifact(path, None))
    try:
        signature = loaded.signatures[0]
        return loaded.predict(signature.name, inputs_to_wire(dict(inputs), signature))
    finally:
        loaded.close()


def run_apart(model: bytes, inputs: Arrays, timeout_s: float) -> Arrays:
    """Executes an ONNX file once, in a child process: one that crashes its runtime does not end this process.

    Raises:
        ArtifactInvalidError: the child crashed or took too long.
        TurnoutError: the engine refuses the file or the inputs.
    """
    with tempfile.TemporaryDirectory(prefix="turnout-") as folder:
        path = Path(folder) / ENTRY_NAME
        path.write_bytes(model)
        save_arrays(Path(folder), "inputs", inputs)
        names = run_task("the converted model", timeout_s, task="run", path=str(path), inputs=list(inputs))["outputs"]
        return load_arrays(Path(folder), "outputs", names)


def save_arrays(folder: Path, name: str, arrays: Arrays) -> None:
    """Writes arrays by their places, since a tensor's name need not be one that a file can have; text as such."""
    plain = [array.astype(np.str_) if array.dtype == np.object_ else array for array in arrays.values()]
    np.savez(folder / f"{name}.npz", allow_pickle=False, **{f"a{index}": array for index, array in enumerate(plain)})


def load_arrays(folder: Path, name: str, names: list[str]) -> dict[str, NDArray[Any]]:
    """Reads what `save_arrays` wrote, under the names that are given."""
    with np.load(folder / f"{name}.npz", allow_pickle=False) as archive:
        return {each: archive[f"a{index}"] for index, each in enumerate(names)}
