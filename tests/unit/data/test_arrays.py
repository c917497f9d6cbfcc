from typing import Any, cast

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Buffer

from turnout.data.arrays import from_wire, inputs_to_wire, to_wire
from turnout.errors import InvalidInputError
from turnout.types import Signature, TensorSpec, WireTensor


def answer_of(tensor: WireTensor) -> NDArray[Any]:
    """Reads a tensor back as if a server had sent it."""
    name, dtype, shape, data = tensor
    payload: Any = data if isinstance(data, list) else bytearray(cast("Buffer", data))
    return from_wire((name, dtype, shape, payload))[1]


def raw(tensor: WireTensor) -> bytes:
    return bytes(cast("Buffer", tensor[3]))


def signature(*specs: tuple[str, str]) -> Signature:
    return Signature("serving_default", tuple(TensorSpec(name, name, dtype, None) for name, dtype in specs), ())


CONVERSIONS = [
    pytest.param(np.float64(1.5), "float32", np.float32(1.5), id="a double becomes a float"),
    pytest.param(np.array([1, 2]), "float32", np.array([1, 2], "f4"), id="integers become floats"),
    pytest.param([True, False], "bool", np.array([True, False]), id="booleans"),
    pytest.param([1, 255], "uint8", np.array([1, 255], "u1"), id="integers that fit"),
    pytest.param(np.array([2**40]), "uint64", np.array([2**40], "u8"), id="signed to unsigned that fits"),
    pytest.param([2**24 + 1], "float32", np.array([2**24], "f4"), id="integers are rounded to floats"),
    pytest.param([np.inf, -np.inf], "float32", np.array([np.inf, -np.inf], "f4"), id="infinities stay"),
    pytest.param([], "int64", np.array([], "i8"), id="an empty list has no type of its own"),
    pytest.param(np.array([1.5, 2], object), "float32", np.array([1.5, 2], "f4"), id="boxed numbers"),
    pytest.param(np.array([1, 2], ">i4"), "int32", np.array([1, 2], "i4"), id="big-endian"),
    pytest.param(np.arange(6.0).reshape(2, 3).T, "float64", np.arange(6.0).reshape(2, 3).T, id="not contiguous"),
    pytest.param(np.float16(1.5), "float16", np.float16(1.5), id="a scalar keeps rank 0"),
]


@pytest.mark.parametrize(("value", "dtype", "expected"), CONVERSIONS)
def test_values_are_converted_where_none_changes(value: ArrayLike, dtype: str, expected: NDArray[Any]) -> None:
    tensor = to_wire("x", value, dtype)
    assert tensor[1] == dtype
    assert tensor[2] == np.shape(expected)
    np.testing.assert_array_equal(answer_of(tensor), expected, strict=True)


REFUSALS = [
    pytest.param([1.5], "int64", "wrong element type: expected `int64`, got `float64`", id="floats to integers"),
    pytest.param([1, 256], "uint8", "a value that `uint8` cannot hold: 256", id="too large"),
    pytest.param([-1], "uint64", "a value that `uint64` cannot hold: -1", id="negative"),
    pytest.param([1], "bool", "wrong element type: expected `bool`", id="integers to booleans"),
    pytest.param(["a"], "float32", "wrong element type: expected `float32`", id="text to numbers"),
    pytest.param(["a", None], "string", "neither `str` nor `bytes`, at flat index 1: None", id="missing text"),
    pytest.param([1], "string", "neither `str` nor `bytes`, at flat index 0: 1", id="numbers to text"),
    pytest.param(["\udcff\ud800"], "string", "not Unicode, at flat index 0", id="half a surrogate pair"),
    pytest.param(np.array([None, 1.0], object), "float32", "elements that are not numbers", id="missing number"),
    pytest.param([[1], [1, 2]], "float32", "not a rectangular array", id="ragged"),
    pytest.param([1.0, 1e39], "float32", r"a value that `float32` cannot hold, in row 1: 1e\+39", id="past float32"),
    pytest.param([[1], [70_000]], "float16", "`float16` cannot hold, in row 1: 70000", id="integers past float16"),
    pytest.param(1e300, "float32", r"`float32` cannot hold: 1e\+300", id="a scalar past float32"),
    pytest.param(np.array([0, 1e39], object), "float32", r"in row 1: 1e\+39", id="boxed numbers past float32"),
    pytest.param([3.4e38], "bfloat16", r"`bfloat16` cannot hold, in row 0: 3\.39", id="rounded past bfloat16"),
    pytest.param(np.array(["2020"], "M8[s]"), None, "element type that cannot be sent: got `datetime64", id="dates"),
]


@pytest.mark.parametrize(("value", "dtype", "message"), REFUSALS)
def test_values_that_would_change_are_refused(value: ArrayLike, dtype: str | None, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        to_wire("x", value, dtype)


def test_text_and_bytes_are_told_apart_by_the_name_of_the_output() -> None:
    items = ["é".encode(), b"\xff"]
    assert from_wire(("label", "string", (2,), items))[1].tolist() == ["é", "\udcff"]
    assert from_wire(("label_bytes", "string", (2,), items))[1].tolist() == items


def test_text_that_was_not_unicode_goes_back_unharmed() -> None:
    array = from_wire(("label", "string", (1, 1), [b"\xff"]))[1]
    assert to_wire("x", array)[3] == [b"\xff"]


@pytest.mark.parametrize("kind", ["U", "S", "O", "T"])
def test_every_kind_of_text_array(kind: str) -> None:
    dtype = np.dtypes.StringDType() if kind == "T" else np.dtype(kind)
    array = np.array([["a", "bc"]]).astype(dtype)
    assert to_wire("x", array)[1:] == ("string", (1, 2), [b"a", b"bc"])


def test_bfloat16_rounds_to_the_nearest_even_as_ml_dtypes_does() -> None:
    values = np.array([1.0, 1.00390625, 1.01171875, -2.5, 3e38, np.inf, -np.inf, 0.0, 1e-40, 65504.1], "f4")
    bits = np.frombuffer(raw(to_wire("x", values, "bfloat16")), np.uint16)
    np.testing.assert_array_equal(bits, values.astype(ml_dtypes.bfloat16).view(np.uint16))


def test_bfloat16_keeps_not_a_number() -> None:
    bits = np.frombuffer(raw(to_wire("x", np.array([np.nan, -np.nan], "f4"), "bfloat16")), np.uint16)
    assert np.isnan(bits.view(ml_dtypes.bfloat16).astype("f4")).all()


def test_bfloat16_is_taken_as_raw_bits_too() -> None:
    array = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    assert to_wire("x", array)[1] == "bfloat16"
    assert raw(to_wire("x", array.view(np.uint16), "bfloat16")) == array.tobytes()
    np.testing.assert_array_equal(answer_of(to_wire("x", array)), array, strict=True)


def test_answers_may_be_written_to() -> None:
    array = from_wire(("y", "float32", (2,), bytearray(8)))[1]
    array[0] = 1.0
    assert array.tolist() == [1.0, 0.0]


def test_a_bare_array_is_the_only_input() -> None:
    (tensor,) = inputs_to_wire([[1.0]], signature(("x", "float32")))
    assert tensor[:3] == ("x", "float32", (1, 1))


def test_a_bare_array_for_several_inputs_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="one array was given, but the signature has 2 inputs: `a`, `b`"):
        inputs_to_wire([1.0], signature(("a", "float32"), ("b", "float32")))


def test_without_a_signature_names_and_types_stay() -> None:
    (tensor,) = inputs_to_wire({"z": [1.0]}, None)
    assert tensor[:2] == ("z", "float64")


class Frame:
    """A data frame as far as the conversion looks at one."""

    columns = ("a", "b")

    def __getitem__(self, column: str) -> "Column":
        return Column(["u", "v"] if column == "a" else [1.0, 2.0])


class Column:
    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def to_numpy(self) -> NDArray[Any]:
        return np.array(self._values)


def test_the_columns_of_a_data_frame_are_the_inputs() -> None:
    frame: Any = Frame()
    text, number = inputs_to_wire(frame, signature(("a", "string"), ("b", "float32")))
    assert text == ("a", "string", (2,), [b"u", b"v"])
    assert number[:3] == ("b", "float32", (2,))
