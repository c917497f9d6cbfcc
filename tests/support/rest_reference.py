"""What the REST door must make of a predict request: written to be read, not to be fast.

It follows TensorFlow Serving's contract, with Turnout's stated differences: integers out of range are refused, floats
are rounded once from their text, and 16-bit floats and `uint16` are taken.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf, prod
from typing import Any, Literal, TypeAlias, cast

import ml_dtypes
import numpy as np

MAX_RANK = 8
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS: Mapping[str, Any] = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
}
Dims: TypeAlias = tuple[int, ...]


class RefusedError(Exception):
    """The request is refused.

    Attributes:
        syntax: whether it is no JSON; None where a number is too big, which may be found out before or after.
    """

    def __init__(self, what: str, *, syntax: bool | None = False) -> None:
        super().__init__(what)
        self.syntax = syntax


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Members:
    """An object, with the keys that came twice."""

    pairs: list[tuple[str, Any]]

    def get(self, key: str) -> Any:
        """Returns the first value of a key."""
        return next((value for name, value in self.pairs if name == key), None)

    def names(self) -> list[str]:
        """Returns the keys in their order."""
        return [name for name, _ in self.pairs]


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a signature.

    Attributes:
        shape: the dimensions that are checked, None for one that varies; None where any shape is taken.
    """

    dtype: str
    shape: tuple[int | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a request says: the tensors by name, each a shape and its elements in row-major order."""

    form: Literal["rows", "columns"]
    signature: str
    tensors: dict[str, tuple[Dims, list[Any]]]


def judge(
    body: bytes, signatures: Mapping[str, Mapping[str, Input]], *, strict: bool = False
) -> Request | RefusedError:
    """Returns what a request says, or why it is refused."""
    try:
        return read_request(body, signatures, strict=strict)
    except RefusedError as error:
        return error


def read_request(body: bytes, signatures: Mapping[str, Mapping[str, Input]], *, strict: bool = False) -> Request:
    """Reads a request for a model with these signatures, the default one first.

    Raises:
        RefusedError: it is refused.
    """
    document = parse(body, strict=strict)
    if not isinstance(document, Members):
        raise RefusedError("Is not object")
    known = ("instances", "inputs", "signature_name")
    if strict and (len(set(document.names())) < len(document.pairs) or set(document.names()) - set(known)):
        raise RefusedError("unknown or repeated key")
    name = document.get("signature_name")
    if "signature_name" in document.names() and not isinstance(name, str):
        raise RefusedError("signature_name is no text")
    signature = name or next(iter(signatures))
    if signature not in signatures:
        raise RefusedError(f"no signature {signature}")
    inputs = signatures[signature]
    has_rows, has_columns = (key in document.names() for key in ("instances", "inputs"))
    if has_rows == has_columns:
        raise RefusedError("neither or both")
    if has_rows:
        return Request("rows", signature, _fitted(_rows(document.get("instances"), inputs), inputs))
    return Request("columns", signature, _fitted(_columns(document.get("inputs"), inputs, strict=strict), inputs))


def parse(body: bytes, *, strict: bool) -> Any:
    """Reads the first JSON value by Python's own parser, helped over the number words that it does not know."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape").lstrip(" \t\n\r")
    text = re.sub(r'("(?:[^"\\]|\\.)*(?:"|$))|(-?)(NaN|Infinity|Inf)', _known_words, text, flags=re.DOTALL)
    decoder = json.JSONDecoder(
        object_pairs_hook=Members,
        parse_constant=Number,
        parse_float=_number,
        parse_int=_number,
    )
    try:
        value, end = decoder.raw_decode(text)
    except ValueError as error:
        raise RefusedError(str(error), syntax=True) from error
    if strict and text[end:].strip(" \t\n\r"):
        raise RefusedError("text behind the document", syntax=True)
    if any(_has_half_a_pair(string) for string in re.findall(r'"(?:[^"\\]|\\.)*"', text[:end], flags=re.DOTALL)):
        raise RefusedError("half of a surrogate pair", syntax=True)
    return value


def _known_words(found: re.Match[str]) -> str:
    string, sign, word = found.groups()
    return string or {"NaN": "NaN"}.get(word, f"{sign}Infinity")


def _has_half_a_pair(string: str) -> bool:
    escapes = re.sub(r"\\[^u]", "", string)
    escapes = re.sub(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..", "", escapes)
    return re.search(r"\\u[dD][89a-fA-F]", escapes) is not None


def _number(text: str) -> Number:
    """Refuses what is far too big for a double, by the rule of TensorFlow Serving's parser."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    power = int(exponent or 0) - len(fraction)
    infinite = abs(float(text)) == inf
    if infinite and not (1 <= power <= 308 and len(whole + fraction) <= 308):
        raise RefusedError(f"too big: {text}", syntax=None)
    return Number(text)


def _rows(value: Any, inputs: Mapping[str, Input]) -> dict[str, tuple[Dims, list[Any]]]:
    if not isinstance(value, list) or not value:
        raise RefusedError("instances is no list, or empty")
    elements = cast("list[Any]", value)
    if not _is_plain(elements[0]):
        rows = [_row_of_object(element, inputs) for element in elements]
    elif len(inputs) == 1:
        rows = [{name: element for name in inputs} for element in elements if _refuse_object(element)]
    else:
        raise RefusedError("several inputs need objects")
    tensors: dict[str, tuple[Dims, list[Any]]] = {}
    for name, spec in inputs.items():
        read = [_tensor(row[name], spec.dtype) for row in rows]
        if len({shape for shape, _ in read}) > 1:
            raise RefusedError("rows of different shapes")
        tensors[name] = ((len(rows), *read[0][0]), [element for _, values in read for element in values])
    return tensors


def _is_plain(element: Any) -> bool:
    return not isinstance(element, Members) or _base64_text(element) is not None


def _refuse_object(element: Any) -> bool:
    if not _is_plain(element):
        raise RefusedError("an object among plain rows")
    return True


def _row_of_object(element: Any, inputs: Mapping[str, Input]) -> dict[str, Any]:
    if _is_plain(element):
        raise RefusedError("a plain row among objects")
    if sorted(element.names()) != sorted(inputs):
        raise RefusedError("other keys than the inputs")
    return dict(element.pairs)


def _columns(value: Any, inputs: Mapping[str, Input], *, strict: bool) -> dict[str, tuple[Dims, list[Any]]]:
    if _is_plain(value):
        if len(inputs) != 1:
            raise RefusedError("several inputs need an object")
        return {name: _tensor(value, spec.dtype) for name, spec in inputs.items()}
    keys: list[str] = value.names()
    if set(inputs) - set(keys) or (strict and sorted(keys) != sorted(inputs)):
        raise RefusedError("other keys than the inputs")
    return {name: _tensor(value.get(name), spec.dtype) for name, spec in inputs.items()}


def _tensor(value: Any, dtype: str) -> tuple[Dims, list[Any]]:
    """The first element of each list says how long the others of its level must be."""
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        parts = cast("list[Any]", first)
        shape.append(len(parts))
        first = parts[0] if parts else None
        if len(shape) > MAX_RANK:
            raise RefusedError("too many levels")
    elements: list[Any] = [value]
    for size in shape:
        if any(not isinstance(element, list) or len(cast("list[Any]", element)) != size for element in elements):
            raise RefusedError("ragged")
        elements = [part for element in elements for part in element]
    return tuple(shape), [_element(element, dtype) for element in elements]


def _element(value: Any, dtype: str) -> Any:
    if isinstance(value, Number) and dtype in FLOATS:
        return nearest(value.text, FLOATS[dtype])
    if isinstance(value, Number) and dtype in INTEGERS and re.fullmatch(r"-?[0-9]{1,30}", value.text):
        limits = np.iinfo(dtype)
        if limits.min <= int(value.text) <= limits.max:
            return int(value.text)
    if isinstance(value, bool) and dtype == "bool":
        return value
    if isinstance(value, str) and dtype == "string":
        return value.encode(errors="surrogateescape")
    if isinstance(value, Members) and dtype == "string":
        return _decoded(_base64_text(value))
    raise RefusedError(f"{value!r} for {dtype}")


def _base64_text(value: Members) -> str | None:
    encoded = value.get("b64")
    return encoded if len(value.pairs) == 1 and isinstance(encoded, str) else None


def _decoded(text: str | None) -> bytes:
    """White space anywhere, no or all padding, `.` as padding, and any bits behind the last byte."""
    encoded = re.sub(r"[ \t-\r]", "", "=" if text is None else text)
    digits = encoded.rstrip("=.")
    padding = len(encoded) - len(digits)
    if len(digits) % 4 == 1 or padding not in (0, -len(digits) % 4) or not re.fullmatch(r"[A-Za-z0-9+/]*", digits):
        raise RefusedError("no base64")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4))
    except binascii.Error as error:
        raise RefusedError("no base64") from error


def nearest(text: str, kind: Any) -> Any:
    """Returns the float that is nearest to a decimal number; of two that are equally near, the even one."""
    if text in ("NaN", "Infinity", "-Infinity"):
        return kind(float(text))
    exact = Fraction(text)
    limit = float(cast("Any", ml_dtypes.finfo(kind)).max)
    largest, bits = Fraction(limit), np.dtype(f"u{np.dtype(kind).itemsize}")
    step = largest - Fraction(float(np.array(np.array(limit, kind).view(bits) - 1, bits).view(kind)))
    if abs(exact) >= largest + step / 2:
        return kind(inf if exact > 0 else -inf)
    guess = np.array(min(abs(float(exact)), limit), kind).view(bits)
    around = [np.array(int(guess) + offset, bits) for offset in (-1, 0, 1) if int(guess) + offset >= 0]
    finite = [pattern for pattern in around if np.isfinite(pattern.view(kind))]
    best = min(finite, key=lambda bits: (abs(Fraction(float(bits.view(kind))) - abs(exact)), int(bits) & 1))
    value = best.view(kind)[()]
    return -value if text.startswith("-") else value


def _fitted(
    tensors: dict[str, tuple[Dims, list[Any]]], inputs: Mapping[str, Input]
) -> dict[str, tuple[Dims, list[Any]]]:
    """Where the engine checks shapes, `[N]` becomes `[N, 1]` and `[0]` takes the signature's other dimensions."""
    fitted: dict[str, tuple[Dims, list[Any]]] = {}
    for name, (shape, values) in tensors.items():
        dims = inputs[name].shape
        if dims is not None and len(shape) == 1 < len(dims):
            rest = tuple(dim or 0 for dim in dims[1:])
            shape = (*shape, *rest) if shape == (0,) or set(rest) == {1} else shape
        if dims is not None and not _agree(shape, dims):
            raise RefusedError(f"{shape} for {dims}")
        fitted[name] = (shape, values)
    return fitted


def _agree(shape: Dims, dims: tuple[int | None, ...]) -> bool:
    return len(shape) == len(dims) and all(want in (None, got) for got, want in zip(shape, dims, strict=True))


def nested(shape: Dims, values: list[Any], write: Callable[[Any], Any] = lambda value: value) -> Any:
    """Returns a tensor as nested lists."""
    if not shape:
        return write(values[0])
    size = prod(shape[1:])
    return [nested(shape[1:], values[row * size : (row + 1) * size], write) for row in range(shape[0])]
