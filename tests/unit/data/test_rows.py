from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from turnout.data.prediction import Prediction
from turnout.data.rows import answer_rows, arrange_rows, split_rows
from turnout.data.samples import Sample
from turnout.errors import InvalidInputError
from turnout.types import Signature, TensorSpec


def signature(**inputs: tuple[int | None, ...] | None) -> Signature:
    specs = tuple(TensorSpec(name, name, "float32", shape) for name, shape in inputs.items())
    return Signature("serving_default", specs, ())


MATRIX = signature(x=(None, 2))
COLUMNS = signature(a=(None,), b=(None,))
TEXT = np.array(["1", "x", "3"], dtype=object)
ROWS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.mark.parametrize(
    ("sample", "wanted", "expected"),
    [
        pytest.param(ROWS, MATRIX, {"x": ROWS}, id="a matrix is the only input"),
        pytest.param(ROWS, COLUMNS, {"a": ROWS[:, 0], "b": ROWS[:, 1]}, id="columns of a matrix go by position"),
        pytest.param({"c": ROWS[:, 0], "d": ROWS[:, 1]}, MATRIX, {"x": ROWS}, id="all columns are the matrix"),
        pytest.param({"c": ROWS, "x": ROWS}, MATRIX, {"x": ROWS}, id="other columns are left out"),
    ],
)
def test_rows_are_named_as_the_signature_does(
    sample: Sample, wanted: Signature, expected: dict[str, NDArray[Any]]
) -> None:
    arranged = arrange_rows(sample, wanted)
    assert list(arranged) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(arranged[name], array)


@pytest.mark.parametrize(
    ("sample", "wanted", "message"),
    [
        (ROWS[:, :1], COLUMNS, r"expected a column for each of `a`, `b`, got shape \[3, 1\]"),
        ({"a": ROWS[:, 0]}, COLUMNS, "lack columns that the model needs: `b`; got `a`"),
        ({"c": ROWS[:, 0]}, MATRIX, "lack columns that the model needs: `x`; got `c`"),
        (ROWS[:0], MATRIX, "there are no rows"),
        ({"a": ROWS[:, 0], "b": TEXT}, COLUMNS, "the column `b` has a value that is no number, in row 2 of 3: 'x'"),
        ({"c": ROWS[:, 0], "d": TEXT}, MATRIX, "the column `d` has a value that is no number, in row 2 of 3: 'x'"),
        (np.stack([ROWS[:, 0], TEXT], axis=1), MATRIX, "the column `1` has a value that is no number, in row 2 of 3"),
        (np.stack([ROWS[:, 0], TEXT], axis=1), COLUMNS, "the column `b` has a value that is no number, in row 2 of 3"),
        ({"a": ROWS[:, 0], "b": np.array(["1", "2", "3"])}, COLUMNS, "no number, in row 1 of 3: '1'"),
        ({"a": ROWS[:, 0], "b": np.array([1.0, 2.0, 1e39])}, COLUMNS, r"`b` .* cannot hold, in row 2: 1e\+39"),
    ],
)
def test_rows_that_do_not_fit_are_refused(sample: Sample, wanted: Signature, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        arrange_rows(sample, wanted)


def test_pieces_keep_the_order_and_lose_nothing() -> None:
    pieces = list(split_rows({"x": ROWS}, 2))
    assert [len(piece["x"]) for piece in pieces] == [2, 1]
    np.testing.assert_array_equal(np.concatenate([piece["x"] for piece in pieces]), ROWS)


def test_answers_are_rows_where_the_outputs_share_them() -> None:
    outputs = {"label": np.array(["a", b"b"], object), "score": np.array([[0.5], [1.0]])}
    prediction = Prediction("m", 1, outputs)
    assert list(answer_rows(prediction)) == [{"label": "a", "score": [0.5]}, {"label": "b", "score": [1.0]}]


def test_numbers_are_as_short_as_they_can_be() -> None:
    outputs = {"y": np.array([0.1, np.inf], np.float32)}
    assert list(answer_rows(Prediction("m", 1, outputs))) == [{"y": 0.1}, {"y": float("inf")}]


def test_answers_without_rows_are_one_record() -> None:
    outputs = {"total": np.array(3.0), "z": np.array([1j], np.complex64)}
    assert list(answer_rows(Prediction("m", 1, outputs))) == [{"total": 3.0, "z": ["1j"]}]
