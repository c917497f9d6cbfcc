"""What every door must do alike."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.doors import Door
from turnout.errors import ExecutionError, InvalidInputError, TurnoutError

# Rows of three, as the models want them: both ends of each type, and something between.
NUMBERS: dict[str, list[Any]] = {
    "bool": [True, False, True],
    "int8": [-128, 127, 0],
    "int16": [-(2**15), 2**15 - 1, 0],
    "int32": [-(2**31), 2**31 - 1, 0],
    "int64": [-(2**63), 2**63 - 1, 0],
    "uint8": [0, 255, 1],
    "uint16": [0, 2**16 - 1, 1],
    "uint32": [0, 2**32 - 1, 1],
    "uint64": [0, 2**64 - 1, 1],
    "float16": [-0.0, 65504.0, 0.1],
    "float32": [-0.0, 3.4028235e38, 1e-45, 0.1, -1.5, 16777217.0],
    "float64": [-0.0, 1.7976931348623157e308, 5e-324, 0.1, -1.5, 9007199254740993.0],
}


def only(prediction: Any) -> NDArray[Any]:
    """The array of the one output."""
    return np.asarray(prediction.value)


def same_bits(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Equal to the last bit, so that -0.0 is not 0.0; any NaN equals any other."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    both_nan = (left != left) & (right != right)
    return bool(np.all(both_nan | (left.view(f"V{left.dtype.itemsize}") == right.view(f"V{right.dtype.itemsize}"))))


@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_number_comes_back_as_it_went(door: Door, dtype: str) -> None:
    sent = np.array(NUMBERS[dtype], dtype=dtype).reshape(-1, 3)
    assert same_bits(only(door.predict(f"identity_{dtype}", sent)), sent)


def test_bfloat16_comes_back_as_it_went(door: Door) -> None:
    sent = np.array([[1.0, -2.5, 3.0e38]], dtype=ml_dtypes.bfloat16)
    got = only(door.predict("identity_bfloat16", {"x": sent}))
    assert got.dtype == sent.dtype
    assert got.astype(np.float32).tolist() == sent.astype(np.float32).tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_and_infinities_come_back(door: Door, dtype: str) -> None:
    sent = np.array([[np.nan, np.inf, -np.inf]], dtype=dtype)
    assert same_bits(only(door.predict(f"identity_{dtype}", sent)), sent)


def test_text_comes_back_as_it_went(door: Door) -> None:
    sent = np.array([[b"plain", "tüte".encode(), b""], [b'quote " back \\ line \n', b"\x00", b" "]], dtype=object)
    got = only(door.predict("identity_string", sent))
    flat = [value.encode() if isinstance(value, str) else value for value in got.reshape(-1)]
    assert flat == sent.reshape(-1).tolist()


@pytest.mark.parametrize("rows", [0, 1, 3, 1000])
def test_any_number_of_rows(door: Door, rows: int) -> None:
    sent = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    assert same_bits(only(door.predict("identity_float32", sent)), sent)


def test_a_scalar_and_rank_eight(door: Door) -> None:
    assert only(door.predict("scalar", {"x": np.float32(3.0)})).shape == ()
    deep = np.arange(256, dtype=np.int32).reshape((2,) * 8)
    assert same_bits(only(door.predict("rank8", {"x": deep})), np.ascontiguousarray(deep.T))


def test_several_outputs_come_by_name(door: Door) -> None:
    prediction = door.predict("two_heads", np.ones((2, 4), dtype=np.float32))
    assert len(prediction) == 2
    assert all(len(array) == 2 for array in prediction.values())


BAD_INPUTS: dict[str, tuple[str, Any]] = {
    "another name": ("mlp", {"nonsense": np.ones((1, 8), np.float32)}),
    "too few columns": ("mlp", {"x": np.ones((1, 7), np.float32)}),
    "too many dimensions": ("mlp", {"x": np.ones((1, 8, 1), np.float32)}),
    "text for numbers": ("mlp", {"x": np.array([["a"] * 8], dtype=object)}),
}

NO_ORDERS: dict[str, tuple[Any, str]] = {
    "an extra column": ({"price": [1.0], "qty": [2], "zip": [3]}, "got `price`, `qty`, `zip`, expected `price`, `qty`"),
    "a column too few": ({"price": [1.0]}, "got `price`, expected `price`, `qty`"),
    "ragged rows": ([{"price": 1.0, "qty": 2}, {"price": 1.0}], "row 1 has other keys than row 0: got `price`"),
    "past float32": ({"price": [1.0, 1e39], "qty": [2, 3]}, r"input `price` .* cannot hold, in row 1: 1e\+39"),
    "boxed, past float32": ({"price": np.array([1e39], object), "qty": [2]}, r"in row 0: 1e\+39"),
    "rows past float32": ([{"price": 1e300, "qty": 1}], r"`float32` cannot hold, in row 0: 1e\+300"),
}


@pytest.mark.parametrize("case", NO_ORDERS)
def test_columns_that_do_not_fit_are_refused_in_the_same_words(door: Door, case: str) -> None:
    inputs, words = NO_ORDERS[case]
    with pytest.raises(InvalidInputError, match=words):
        door.predict("orders", inputs)


def test_rows_are_taken_as_dictionaries(door: Door) -> None:
    prediction = door.predict("orders", [{"price": 1.5, "qty": 2}, {"qty": 1, "price": 16777217}])
    np.testing.assert_array_equal(prediction["total"], np.array([3.0, 16777216.0], np.float32), strict=True)


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_a_request_that_does_not_fit_is_refused_in_words(door: Door, case: str) -> None:
    model, inputs = BAD_INPUTS[case]
    with pytest.raises(InvalidInputError) as caught:
        door.predict(model, inputs)
    assert len(str(caught.value)) > 10


def test_a_fault_of_the_model_touches_its_request_alone(door: Door) -> None:
    with pytest.raises(ExecutionError) as caught:
        door.predict("lookup", np.array([10**6], dtype=np.int64))
    assert "/" not in str(caught.value).split("Gather")[0]
    assert only(door.predict("lookup", np.array([0], dtype=np.int64))).shape[0] == 1


def test_an_unknown_signature_and_version_are_told(door: Door) -> None:
    one = np.ones((1, 8), np.float32)
    with pytest.raises(TurnoutError, match="nonsense"):
        door.predict("mlp", one, signature="nonsense")


def test_all_doors_agree_to_the_last_bit(door: Door, repository: Any) -> None:
    import onnxruntime

    rows = np.sin(np.arange(80, dtype=np.float32)).reshape(10, 8)
    model = repository / "mlp" / "1" / "model.onnx"
    session: Any = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    want = session.run(None, {"x": rows})[0]
    assert same_bits(only(door.predict("mlp", rows)), want)
