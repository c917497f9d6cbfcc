"""Libraries that come with extras: imported when they are needed, missed with the command that installs them."""

import importlib
import importlib.metadata
from collections.abc import Iterable
from typing import Any

from turnout.errors import RuntimeMissingError

_DISTRIBUTIONS = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu"}
"""Distributions whose name is not that of the module; `xgboost` is also to be had under its own name."""


def require(module: str, extra: str) -> Any:
    """Imports an optional library.

    Args:
        module: what to import; dots are allowed.
        extra: the extra of Turnout that brings it.

    Raises:
        RuntimeMissingError: it is not installed, or a library that it needs is not; the hint has the command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RuntimeMissingError(
            f"`{module.partition('.')[0]}` cannot be imported ({error})", hint=f"pip install 'turnout[{extra}]'"
        ) from error


def versions(modules: Iterable[str]) -> dict[str, str]:
    """Returns the version of each library that is installed, by the name of its module; imports nothing."""
    found = {module: _version(module) for module in modules}
    return {module: version for module, version in found.items() if version is not None}


def _version(module: str) -> str | None:
    for distribution in (module, _DISTRIBUTIONS.get(module, module)):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
