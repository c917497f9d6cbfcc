"""What `turnout doctor` looks at: the machine, the runtimes that execute models, the libraries that convert them."""

import json
import platform
from dataclasses import asdict, dataclass
from typing import Any

from turnout import _dataplane
from turnout.errors import TurnoutError
from turnout.host import extras
from turnout.host.machine import Machine, read_machine
from turnout.host.runtimes import RUNTIMES, Runtime, find_library

_CONVERTERS = (
    ("scikit-learn models", "sklearn", ("sklearn", "skl2onnx", "onnx")),
    ("XGBoost models", "xgboost", ("xgboost", "onnx")),
    ("LightGBM models", "lightgbm", ("lightgbm", "onnx")),
    ("Parquet files", "parquet", ("pyarrow",)),
)
"""(what it is for, the extra that installs it, the modules that are needed)."""


@dataclass(frozen=True, slots=True)
class RuntimeReport:
    """One runtime as it was found.

    Attributes:
        engine: the engine's kind.
        library: the shared library's path, or None where there is none.
        version: what the library says that it is, or None where it could not be opened.
        problem: what is wrong, or None.
        hint: what to do about it, or None.
    """

    engine: str
    library: str | None
    version: str | None
    problem: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class LibraryReport:
    """The libraries that one optional capability needs.

    Attributes:
        purpose: what they are for.
        versions: those that are installed, by module.
        missing: those that are not.
        hint: the command that installs them, or None where nothing is missing.
    """

    purpose: str
    versions: dict[str, str]
    missing: tuple[str, ...]
    hint: str | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found out."""

    turnout: str
    python: str
    system: str
    machine: Machine
    runtimes: tuple[RuntimeReport, ...]
    libraries: tuple[LibraryReport, ...]

    @property
    def can_serve(self) -> bool:
        """Whether there is a runtime that works."""
        return any(runtime.problem is None for runtime in self.runtimes)

    def to_json(self) -> dict[str, Any]:
        """Returns a record of JSON types."""
        machine = {**asdict(self.machine), "cores": self.machine.cores}
        return {**asdict(self), "machine": machine, "can_serve": self.can_serve}


def diagnose() -> Diagnosis:
    """Looks at everything; opens each runtime that is installed."""
    libc, libc_version = platform.libc_ver()
    return Diagnosis(
        turnout=_dataplane.__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}, {libc} {libc_version}",
        machine=read_machine(),
        runtimes=tuple(_examine_runtime(runtime) for runtime in RUNTIMES),
        libraries=tuple(_examine_libraries(*converter) for converter in _CONVERTERS),
    )


def _examine_runtime(runtime: Runtime) -> RuntimeReport:
    library = None
    try:
        library = str(find_library(runtime.engine))
        answer = json.loads(_dataplane.probe_engine(json.dumps({"kind": runtime.engine, "library": library})))
    except TurnoutError as error:
        return RuntimeReport(runtime.engine, library, None, error.message, error.hint)
    return RuntimeReport(runtime.engine, library, answer["version"])


def _examine_libraries(purpose: str, extra: str, modules: tuple[str, ...]) -> LibraryReport:
    found = extras.versions(modules)
    missing = tuple(module for module in modules if module not in found)
    return LibraryReport(purpose, found, missing, f"pip install 'turnout[{extra}]'" if missing else None)
