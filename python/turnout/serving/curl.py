"""Examples of calls that a person can copy."""

import json
import math
import shlex
from typing import Any

from turnout.types import Signature, TensorSpec

_LARGEST = 64
"""Values that an example shows at most."""


def example_curl(rest_url: str, model: str, signature: Signature, rows: Any = None) -> str | None:
    """Returns a command that asks a model about one row; None where an example would be too long.

    Args:
        rest_url: where REST listens.
        model: the model's name.
        signature: what is asked for.
        rows: the rows to ask about; a row of zeros when not given.
    """
    example = [_example_row(signature)] if rows is None else rows
    if example == [None]:
        return None
    body = shlex.quote(json.dumps({"instances": example}))
    if rest_url.startswith("http+unix://"):
        socket = shlex.quote(rest_url.removeprefix("http+unix://"))
        return f"curl -d {body} --unix-socket {socket} http://localhost/v1/models/{model}:predict"
    return f"curl -d {body} {rest_url}/v1/models/{model}:predict"


def _example_row(signature: Signature) -> Any:
    shapes = [spec.shape for spec in signature.inputs]
    if any(shape is None or not shape or math.prod(_inner(shape)) > _LARGEST for shape in shapes):
        return None
    values = {spec.name: _example_value(spec) for spec in signature.inputs}
    return next(iter(values.values())) if len(values) == 1 else values


def _inner(shape: tuple[int | None, ...]) -> list[int]:
    return [dimension or 1 for dimension in shape[1:]]


def _example_value(spec: TensorSpec) -> Any:
    value: Any = {"string": "", "bool": False}.get(spec.dtype, 0.0 if "float" in spec.dtype else 0)
    for size in reversed(_inner(spec.shape or ())):
        value = [value] * size
    return value
