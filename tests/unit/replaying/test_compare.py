from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from turnout.replaying.compare import Tolerance, find_difference

TOLERANCE = Tolerance(relative=1e-3, absolute=1e-6)
NAN, INF = float("nan"), float("inf")


def array(values: Any, dtype: Any = np.float32) -> NDArray[Any]:
    return np.asarray(values, dtype)


@pytest.mark.parametrize(
    ("recorded", "answered", "difference"),
    [
        (array([1.0, -2.0]), array([1.0009, -2.001]), None),
        (array([1.0, 2.0, 3.0]), array([1.0, 2.1, 3.2]), "2 of 3 values differ, worst: expected 3.0, got 3.2"),
        (array([0.0]), array([5e-7]), None),
        (array([0.0]), array([2.0**-17]), "1 of 1 values differ, worst: expected 0.0, got 7.62939453125e-06"),
        (array([NAN, INF, -INF]), array([NAN, INF, -INF]), None),
        (array([NAN, 9.0]), array([1.0, 1.0]), "2 of 2 values differ, worst: expected nan, got 1.0"),
        (array([INF, 9.0]), array([-INF, 1.0]), "2 of 2 values differ, worst: expected inf, got -inf"),
        (array([[1.0]]), array([1.0]), "expected shape [1, 1], got [1]"),
        (array(2.5), array(3.5), "1 of 1 values differ, worst: expected 2.5, got 3.5"),
        (array([]), array([]), None),
        (array([1.0]), array([1.0], np.float64), None),
        (array([1.0], ml_dtypes.bfloat16), array([1.0], ml_dtypes.bfloat16), None),
        (
            array([1.0], ml_dtypes.bfloat16),
            array([2.0], ml_dtypes.bfloat16),
            "1 of 1 values differ, worst: expected 1.0",
        ),
        (array([1 + 2j], np.complex64), array([1 + 2j], np.complex64), None),
        (array([1 + 2j], np.complex64), array([1 - 2j], np.complex64), "1 of 1 values differ, worst: expected (1+2j)"),
        (array([1, 2], np.int64), array([1, 2], np.int32), None),
        (
            array([1, 5000], np.int64),
            array([1, 5001], np.int64),
            "1 of 2 values differ, first: expected 5000, got 5001",
        ),
        (array([1], np.int64), array([1.0]), "expected elements of int64, got float32"),
        (
            array([True, False], bool),
            array([True, True], bool),
            "1 of 2 values differ, first: expected False, got True",
        ),
        (
            array(["a", "b"], np.object_),
            array(["a", "c"], np.object_),
            "1 of 2 values differ, first: expected 'b', got 'c'",
        ),
        (array([b"a"], np.object_), array([b"a"], np.object_), None),
    ],
)
def test_values(recorded: NDArray[Any], answered: NDArray[Any], difference: str | None):
    found = find_difference({"y": recorded}, {"y": answered}, TOLERANCE)
    if difference is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(f"output `y`: {difference}")


def test_every_recorded_output_has_to_be_there_and_others_do_not_matter():
    one = array([1.0])
    assert find_difference({"a": one}, {"a": one, "b": one}, TOLERANCE) is None
    assert find_difference({"a": one, "b": one}, {"a": one}, TOLERANCE) == "output `b` is not in the answer"
    assert find_difference({}, {"a": one}, TOLERANCE) is None
