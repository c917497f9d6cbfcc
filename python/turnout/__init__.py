"""Turnout serves trained models over REST and gRPC, version after version, without losing a request.

The public names and their types stand in `__init__.pyi`. Each is imported when it is first used, so that
`import turnout` costs next to nothing.
"""

import importlib

from turnout.errors import RuntimeMissingError

_HOMES = {
    "AsyncClient": "turnout.client.asynchronous",
    "Client": "turnout.client.blocking",
    "Model": "turnout.serving.inprocess",
    "Prediction": "turnout.data.prediction",
    "PushResult": "turnout.pushing.push",
    "Server": "turnout.serving.server",
    "TurnoutError": "turnout.errors",
    "__version__": "turnout._dataplane",
    "load": "turnout.serving.inprocess",
    "push": "turnout.pushing.push",
}

__all__ = tuple(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]  # the stub spells them out


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module `turnout` has no attribute `{name}`"
        raise AttributeError(message)
    try:
        value = getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        message = f"`turnout.{name}` needs numpy, which is not installed"
        raise RuntimeMissingError(message, hint="pip install 'turnout[onnx]'") from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
