"""The one place where numpy arrays become wire tensors and back.

A wire tensor is `(name, dtype, shape, data)`: little-endian, C-contiguous bytes, or a list of `bytes` for `string`.
"""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Buffer

from turnout.data.inputs import Inputs, name_inputs
from turnout.errors import InvalidInputError
from turnout.types import DTYPES, ResultTensor, Signature, WireTensor

BYTES_SUFFIX = "_bytes"
"""Outputs of dtype `string` with this ending hold raw bytes; all others hold text. REST follows the same rule."""

_NUMERIC = {name: np.dtype(name) for name in DTYPES if name not in ("string", "bfloat16")}


def dtype_name(array: NDArray[Any]) -> str | None:
    """Returns the element type's name in `turnout.types.DTYPES`, or None for one that cannot cross the wire.

    Arrays of objects count as `string`; whether their elements are text is seen when they are encoded.
    """
    if array.dtype.kind in "SUOT":
        return "string"
    return array.dtype.name if array.dtype.name in DTYPES else None


def to_wire(name: str, value: ArrayLike, dtype: str | None = None) -> WireTensor:
    """Turns an array, a nested list or a scalar into a wire tensor.

    Args:
        name: the tensor's name.
        value: anything that numpy makes an array of.
        dtype: the element type that the signature asks for; None keeps the array's own.

    Raises:
        InvalidInputError: the elements cannot cross the wire, or would lose their meaning as `dtype`.
    """
    array = _as_array(name, value)
    found = dtype_name(array)
    if found is None:
        raise InvalidInputError(
            f"input `{name}` has an element type that cannot be sent: got `{array.dtype}`",
            hint=f"Convert it to one of: {', '.join(DTYPES)}",
        )
    wanted = dtype or found
    if wanted == "string":
        return (name, wanted, array.shape, _encode_strings(name, array))
    if wanted == "bfloat16":
        return (name, wanted, array.shape, _raw_bytes(_bfloat16_bits(name, array)))
    return (name, wanted, array.shape, _raw_bytes(_cast(name, array, wanted)))


def from_wire(tensor: ResultTensor) -> tuple[str, NDArray[Any]]:
    """Turns an answer's tensor into (name, array). Numbers share the memory of the answer and may be written to."""
    name, dtype, shape, data = tensor
    if dtype == "string":
        return name, _decode_strings(name, cast("list[bytes]", data), shape)
    if dtype == "bfloat16":
        return name, np.frombuffer(cast("bytearray", data), _bfloat16_dtype()).reshape(shape)
    return name, np.frombuffer(cast("bytearray", data), _NUMERIC[dtype].newbyteorder("<")).reshape(shape)


def outputs_from_wire(tensors: Iterable[ResultTensor]) -> dict[str, NDArray[Any]]:
    """Turns an answer's tensors into arrays by name, in the order of the answer."""
    return dict(from_wire(tensor) for tensor in tensors)


def inputs_to_wire(inputs: Inputs, signature: Signature | None) -> list[WireTensor]:
    """Turns a caller's inputs into wire tensors, converted to the dtypes of the signature.

    Args:
        inputs: arrays by name; or one array, for a signature with one input; or a data frame, whose columns are taken
            by name; or rows, as dictionaries.
        signature: what the model declares; None sends named arrays with their own element types.

    Raises:
        InvalidInputError: an array cannot be converted, or `name_inputs` refuses the inputs.
    """
    dtypes = {spec.name: spec.dtype for spec in signature.inputs} if signature else {}
    named = name_inputs(inputs, signature)
    return [to_wire(name, value, dtypes.get(name)) for name, value in named.items()]


def _as_array(name: str, value: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"input `{name}` is not a rectangular array: {error}") from error


def _raw_bytes(array: NDArray[Any]) -> Buffer:
    """Returns the elements as one flat run of little-endian bytes, without a copy where they already are."""
    little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    return cast("Buffer", little.reshape(-1).view(np.uint8))


def _cast(name: str, array: NDArray[Any], wanted: str) -> NDArray[Any]:
    """Converts where no value changes its meaning: floats are rounded, integers must fit, nothing is truncated."""
    target = _NUMERIC[wanted]
    if array.dtype == target:
        return array
    if array.dtype == np.object_:
        array = _unbox(name, array, wanted)
    if array.size and array.dtype.kind in "iu" and target.kind in "iu":
        _check_range(name, array, target)
    elif array.size and not np.can_cast(array.dtype, target, "same_kind"):
        raise InvalidInputError(f"input `{name}` has the wrong element type: expected `{wanted}`, got `{array.dtype}`")
    with np.errstate(over="ignore"):  # told in words, below
        converted = array.astype(target)
    if target.kind in "fc":
        _check_finite(name, array, np.isfinite(converted), wanted)
    return converted


def _check_finite(name: str, array: NDArray[Any], stayed: NDArray[np.bool_], wanted: str) -> None:
    """Refuses finite values that are infinite in another element type."""
    if stayed.all():
        return
    lost = np.argwhere(np.isfinite(array) & ~stayed)
    if len(lost):
        place = tuple(lost[0].tolist())
        row = f", in row {place[0]}" if place else ""
        raise InvalidInputError(f"input `{name}` has a value that `{wanted}` cannot hold{row}: {array[place].item()}")


def check_finite(name: str, array: NDArray[Any], wanted: str) -> None:
    """Refuses finite numbers that would be infinite in the element type of the signature; leaves all else to others.

    Raises:
        InvalidInputError: there are such numbers.
    """
    if array.dtype == np.object_:
        items = array.reshape(-1).tolist()
        if all(isinstance(item, int | float) for item in items):
            array = np.asarray(items).reshape(array.shape)
    if array.dtype.kind not in "iuf":
        return
    if wanted == "bfloat16":
        _bfloat16_bits(name, array)
    elif wanted in _NUMERIC and _NUMERIC[wanted].kind == "f":
        _cast(name, array, wanted)


def _unbox(name: str, array: NDArray[Any], wanted: str) -> NDArray[Any]:
    """Gives an array of Python numbers (a data frame's mixed columns, say) the element type that they share."""
    unboxed = np.asarray(array.tolist())
    if unboxed.dtype.kind not in "biufc":
        raise InvalidInputError(f"input `{name}` has elements that are not numbers: expected `{wanted}`")
    return unboxed


def _check_range(name: str, array: NDArray[Any], target: np.dtype[Any]) -> None:
    bounds = np.iinfo(target)
    low, high = int(array.min()), int(array.max())
    if low < bounds.min or high > bounds.max:
        value = low if low < bounds.min else high
        raise InvalidInputError(f"input `{name}` has a value that `{target}` cannot hold: {value}")


def _bfloat16_dtype() -> np.dtype[Any]:
    """The bfloat16 of `ml_dtypes` where that is installed; otherwise the raw bits as unsigned integers."""
    try:
        from ml_dtypes import bfloat16  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
    except ImportError:
        return np.dtype(np.uint16)
    return np.dtype(cast("Any", bfloat16))


def round_to_bfloat16(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Returns numbers as the bfloat16 that `outputs_from_wire` gives: of `ml_dtypes`, or raw bits without it."""
    return _bfloat16_bits(name, array).view(_bfloat16_dtype())


def _bfloat16_bits(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Returns the upper halves of the float32 values, rounded to the nearest even; `uint16` is taken as such bits."""
    if array.dtype == np.uint16 or array.dtype.name == "bfloat16":
        return array.view(np.uint16)
    numbers = np.asarray(_cast(name, array, "float32"), order="C")
    bits = numbers.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    is_nan = (bits & 0x7FFF_FFFF) > 0x7F80_0000
    _check_finite(name, numbers, (rounded & 0x7F80) != 0x7F80, "bfloat16")
    return np.where(is_nan, (bits >> 16) | 0x40, rounded).astype(np.uint16)


def _encode_strings(name: str, array: NDArray[Any]) -> list[bytes]:
    return [_encode_string(name, position, item) for position, item in enumerate(array.reshape(-1).tolist())]


def _encode_string(name: str, position: int, item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if not isinstance(item, str):
        raise InvalidInputError(
            f"input `{name}` has an element that is neither `str` nor `bytes`, at flat index {position}: {item!r}"
        )
    try:
        return item.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"input `{name}` has text that is not Unicode, at flat index {position}") from error


def _decode_strings(name: str, items: list[bytes], shape: tuple[int, ...]) -> NDArray[Any]:
    """Returns objects: `bytes` by the naming rule, otherwise `str` with bad UTF-8 kept as surrogate escapes."""
    array = np.empty(len(items), dtype=object)
    array[:] = items if name.endswith(BYTES_SUFFIX) else [item.decode("utf-8", "surrogateescape") for item in items]
    return array.reshape(shape)
