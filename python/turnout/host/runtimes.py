"""Where the native runtimes are that execute models: found in the installed wheels, without importing them."""

import importlib.util
from dataclasses import dataclass
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
    """

    engine: str
    module: str
    extra: str
    library: str


RUNTIMES = (Runtime("onnx", "onnxruntime", "onnx", "capi/libonnxruntime.so"),)
"""Every runtime that this Turnout can open."""


def find_library(engine: str) -> Path:
    """Returns the shared library that an engine opens.

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
    spec = importlib.util.find_spec(runtime.module)
    folders = (spec.submodule_search_locations if spec else None) or ()
    name = Path(runtime.library)
    found = (path for folder in folders for path in sorted((Path(folder) / name.parent).glob(f"{name.name}*")))
    return next(found, None)
