"""Whether an answer is the one that was recorded. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far numbers may be apart: `absolute + relative * |recorded|`."""

    relative: float
    absolute: float


def find_difference(recorded: Arrays, answered: Arrays, tolerance: Tolerance) -> str | None:
    """Returns how an answer differs from the recorded one, in words, or None.

    Every output of the record has to be there, of the same shape; further ones do not matter, since a client may have
    asked for a part. Floats have to be within the tolerance, with NaN and the infinities equal to themselves; whole
    numbers, truth values and text have to be the same. Another element type of the same kind is no difference.
    """
    for name, expected in recorded.items():
        got = answered.get(name)
        if got is None:
            return f"output `{name}` is not in the answer"
        difference = _difference(expected, got, tolerance)
        if difference is not None:
            return f"output `{name}`: {difference}"
    return None


def _difference(expected: NDArray[Any], got: NDArray[Any], tolerance: Tolerance) -> str | None:
    if expected.shape != got.shape:
        return f"expected shape {list(expected.shape)}, got {list(got.shape)}"
    if _kind(expected) != _kind(got):
        return f"expected elements of {expected.dtype}, got {got.dtype}"
    if _kind(expected) == "float":
        return _float_difference(_wide(expected), _wide(got), tolerance)
    differ = np.asarray(expected != got)
    if not differ.any():
        return None
    place = np.unravel_index(int(differ.argmax()), differ.shape)
    return f"{_count(differ)}, first: expected {_shown(expected[place])}, got {_shown(got[place])}"


def _float_difference(expected: NDArray[Any], got: NDArray[Any], tolerance: Tolerance) -> str | None:
    close = np.isclose(got, expected, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)
    if close.all():
        return None
    differ = ~close
    with np.errstate(invalid="ignore"):
        distance = np.abs(got - expected)
    finite = differ & np.isfinite(distance)
    # Where one side is not a number or infinite, that is the worst.
    worst = finite if (differ == finite).all() else differ & ~finite
    flat = np.where(worst, np.nan_to_num(distance, nan=0.0, posinf=0.0), -1.0)
    place = np.unravel_index(int(flat.argmax()), flat.shape)
    return f"{_count(differ)}, worst: expected {_shown(expected[place])}, got {_shown(got[place])}"


def _kind(array: NDArray[Any]) -> str:
    if array.dtype == np.object_ or array.dtype.kind in "US":
        return "text"
    kinds = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "c": "float"}
    return kinds.get(array.dtype.kind, "float")  # bfloat16 is no kind of numpy's own


def _wide(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _count(differ: NDArray[np.bool_]) -> str:
    return f"{int(differ.sum())} of {differ.size} values differ"


def _shown(value: Any) -> str:
    plain: object = cast("np.generic[Any]", value).item() if isinstance(value, np.generic) else value
    return repr(plain)
