"""The one place where numpy arrays become wire tensors and back.

A wire tensor is `(name, dtype, shape, data)`: little-endian, C-contiguous bytes, or a list of `bytes` for `string`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Buffer

from turnout.errors import InvalidInputError
from turnout.types import DTYPES, ResultTensor, Signature, WireTensor

Inputs: TypeAlias = Mapping[str, ArrayLike] | ArrayLike
"""Arrays by input name, or the one array of a signature with one input."""

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

    Names and shapes are not judged here: that is the server's work, and its message is the same for every door.

    Args:
        inputs: arrays by name; or one array, for a signature with one input; or a data frame, whose columns are taken
            by name where the signature has an input for each.
        signature: what the model declares; None sends named arrays with their own element types.

    Raises:
        InvalidInputError: an array cannot be converted, or a bare array was given to a signature of several inputs.
    """
    dtypes = {spec.name: spec.dtype for spec in signature.inputs} if signature else {}
    named = name_inputs(inputs, tuple(dtypes))
    return [to_wire(name, value, dtypes.get(name)) for name, value in named.items()]


def name_inputs(inputs: Inputs, names: Sequence[str]) -> Mapping[str, ArrayLike]:
    """Gives a bare array, or the columns of a data frame, the names that the signature has for them.

    Raises:
        InvalidInputError: a bare array was given to a signature of several inputs.
    """
    if isinstance(inputs, Mapping):
        return inputs
    if len(names) == 1:
        return {names[0]: inputs}
    columns = getattr(inputs, "columns", None)
    if columns is not None and names:
        frame = cast("Any", inputs)
        return {str(column): frame[column].to_numpy() for column in columns}
    listed = ", ".join(f"`{name}`" for name in names) or "unknown"
    raise InvalidInputError(
        f"one array was given, but the signature has {len(names)} inputs: {listed}",
        hint="Pass a dictionary of arrays by input name.",
    )


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
    """Converts where no value changes its meaning: floats may lose digits, integers must fit, nothing is truncated."""
    target = _NUMERIC[wanted]
    if array.dtype == target:
        return array
    if array.dtype == np.object_:
        array = _unbox(name, array, wanted)
    if array.size and array.dtype.kind in "iu" and target.kind in "iu":
        _check_range(name, array, target)
    elif array.size and not np.can_cast(array.dtype, target, "same_kind"):
        raise InvalidInputError(f"input `{name}` has the wrong element type: expected `{wanted}`, got `{array.dtype}`")
    return array.astype(target)


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
    bits = np.asarray(_cast(name, array, "float32"), order="C").view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    is_nan = (bits & 0x7FFF_FFFF) > 0x7F80_0000
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
