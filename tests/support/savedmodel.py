"""Models made by TensorFlow in a process of its own, with the answers of their own runtimes."""

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from turnout.host.runtimes import RUNTIMES, find_installed

SCRIPTS = Path(__file__).parents[2] / "crates" / "turnout-engine" / "tests" / "fixtures"
PYTHON = os.environ.get("TENSORFLOW_PYTHON", sys.executable)
"""The Python that makes the models; read before the tests clear the environment."""


@dataclass(frozen=True, slots=True)
class Case:
    """One call.

    Attributes:
        model: the folder's name.
        signature: which one is called.
        what: what is special about it.
        inputs: by name.
        outputs: what its runtime answers, by name; None where it refuses the inputs.
    """

    model: str
    signature: str
    what: str
    inputs: dict[str, NDArray[Any]]
    outputs: dict[str, NDArray[Any]] | None


def require(module: str, package: str) -> None:
    """Skips a test where a runtime is not installed; looks for it as the server does, without importing it."""
    if all(find_installed(runtime) is None for runtime in RUNTIMES if runtime.module == module):
        pytest.skip(f"{module} is not installed: pip install {package}")


def require_tensorflow() -> None:
    """Skips a test where there is no TensorFlow."""
    require("tensorflow", "tensorflow-cpu")


def make_models(folder: Path, *names: str, kind: str = "savedmodel") -> list[Case]:
    """Writes models into a repository, each as version 1, and returns the calls."""
    made = folder / "made"
    subprocess.run([PYTHON, SCRIPTS / f"make_{kind}.py", made, *names], check=True, capture_output=True)
    for name in names:
        (folder / "models" / name).mkdir(parents=True)
        (made / name).rename(folder / "models" / name / "1")
    records = json.loads((made / "cases.json").read_text(encoding="utf-8"))
    return [_case(model, record) for model, cases in records.items() for record in cases]


def _case(model: str, record: dict[str, Any]) -> Case:
    outputs = None if "error" in record else _arrays(record["outputs"])
    return Case(model, record["signature"], record["what"], _arrays(record["inputs"]), outputs)


def _arrays(records: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: _array(record) for name, record in records.items()}


def _array(record: dict[str, Any]) -> NDArray[Any]:
    if record["dtype"] == "string":
        flat = np.array([base64.b64decode(text) for text in record["strings"]], np.object_)
        return flat.reshape(record["shape"])
    dtype = ml_dtypes.bfloat16 if record["dtype"] == "bfloat16" else record["dtype"]
    return np.frombuffer(base64.b64decode(record["bytes"]), dtype).reshape(record["shape"])
