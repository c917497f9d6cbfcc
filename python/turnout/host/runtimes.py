"""Where the native runtimes are that execute models: found in the installed wheels, without importing them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path

from turnout.errors import RuntimeMissingError


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime that engines of one kind open.

    Attributes:
        engine: the engine's kind, as it stands in manifests.
        module: the Python package that brings it.
        extra: the extra of Turnout that installs it.
        library: the shared library's name in that package, without its version.
        environment: variables that the library reads when it is opened or used first, where nobody has set them.
    """

    engine: str
    module: str
    extra: str
    library: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


_TENSORFLOW_ENVIRONMENT = {
    # Each session gets the threads that were chosen for it; else the first one of the process decides for all.
    "TF_OVERRIDE_GLOBAL_THREADPOOL": "1",
    # Errors only: it would say several lines for each load, and one for each request that a client got wrong.
    "TF_CPP_MIN_LOG_LEVEL": "2",
}

RUNTIMES = (
    Runtime("onnx", "onnxruntime", "onnx", "capi/libonnxruntime.so"),
    Runtime("savedmodel", "tensorflow", "tensorflow", "libtensorflow_cc.so", _TENSORFLOW_ENVIRONMENT),
    Runtime("tflite", "ai_edge_litert", "tflite", "libLiteRt.so"),
)
"""Every runtime that this Turnout can open."""


def find_library(engine: str) -> Path:
    """Returns the shared library that an engine opens; sets what it reads from the environment.

    Raises:
        RuntimeMissingError: it is not installed, or there is no engine of that kind; the hint has the command.
    """
    runtime = next((runtime for runtime in RUNTIMES if runtime.engine == engine), None)
    if runtime is None:
        known = ", ".join(f"`{each.engine}`" for each in RUNTIMES)
        raise RuntimeMissingError(f"there is no engine of that kind: expected one of {known}, got `{engine}`")
    found = find_installed(runtime)
    if found is None:
        message = f"the runtime of the engine `{engine}` is not installed: `{runtime.module}`"
        raise RuntimeMissingError(message, hint=f"pip install 'turnout[{runtime.extra}]'")
    for name, value in runtime.environment.items():
        os.environ.setdefault(name, value)
    return found


def check_any() -> None:
    """Checks that there is something to execute models with.

    Raises:
        RuntimeMissingError: no runtime is installed; the hint has the command for the first one.
    """
    if all(find_installed(runtime) is None for runtime in RUNTIMES):
        find_library(RUNTIMES[0].engine)


def find_installed(runtime: Runtime) -> Path | None:
    """Returns the runtime's shared library, or None where its package is not installed or has none."""
    # What is on the disk: a program may have put a module of its own under this name, or be importing it right now.
    spec = PathFinder.find_spec(runtime.module)
    folders = (spec.submodule_search_locations if spec else None) or ()
    name = Path(runtime.library)
    found = (path for folder in folders for path in sorted((Path(folder) / name.parent).glob(f"{name.name}*")))
    return next(found, None)
