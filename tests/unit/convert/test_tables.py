import sys
from typing import Any

import numpy as np
import pytest

from turnout.convert.tables import Layout, table_of
from turnout.errors import InvalidInputError, RuntimeMissingError

MATRIX = Layout.matrix(2)
NAMED = Layout.by_name(["age", "city name"], {"city name": "string"})
ROWS = np.array([[1, 2], [3, 4], [5, 6]])
COLUMNS = {"age": np.array([30, 40]), "city name": np.array(["Köln", "Rome"], dtype=object)}


def test_a_matrix_keeps_its_type_for_the_framework_and_is_float32_on_the_wire():
    table, unused = table_of(ROWS, MATRIX)
    assert table.matrix().dtype == np.int64
    np.testing.assert_array_equal(table.matrix(), ROWS)
    wire = table.wire()
    assert list(wire) == ["x"]
    assert wire["x"].dtype == np.float32
    assert (len(table), unused) == (3, ())


def test_columns_go_by_name_and_others_are_reported():
    table, unused = table_of({"target": np.array([0, 1]), **COLUMNS}, NAMED)
    wire = table.wire()
    assert [wire[name].dtype.kind for name in ("age", "city name")] == ["f", "U"]
    assert unused == ("target",)
    assert table.describe(1) == {"age": 40, "city name": "Rome"}


@pytest.mark.parametrize(
    ("sample", "layout"),
    [
        pytest.param({"a": ROWS[:, 0], "b": ROWS[:, 1]}, MATRIX, id="columns in order are a matrix"),
        pytest.param({"x": ROWS}, MATRIX, id="the one input by its name"),
        pytest.param(ROWS, Layout.by_name(["a", "b"]), id="a matrix goes by position"),
        pytest.param({"a_b": ROWS[:, 0], "c": ROWS[:, 1]}, Layout.by_name(["a_b", "c"]), id="by name"),
        pytest.param({"a b": ROWS[:, 0], "c": ROWS[:, 1]}, Layout.by_name(["a_b", "c"]), id="as LightGBM renames"),
    ],
)
def test_rows_are_arranged(sample: Any, layout: Layout):
    table, _ = table_of(sample, layout)
    np.testing.assert_array_equal(table.matrix(), ROWS)


@pytest.mark.parametrize(
    ("sample", "layout", "message"),
    [
        (ROWS[:, :1], MATRIX, r"expected \[rows, 2\], got \[3, 1\]"),
        (ROWS[0], MATRIX, r"expected \[rows, 2\], got \[2\]"),
        ({"a": ROWS[:, 0]}, MATRIX, "expected 2 columns, got 1"),
        ({"age": np.array([1])}, NAMED, "lacks columns of the model: `city name`"),
        ({**COLUMNS, "age": np.array(["old", "young"])}, NAMED, "`age` is not numeric: got, for example, .*old"),
        ({**COLUMNS, "age": np.zeros((2, 2))}, NAMED, r"`age` holds no scalars: got shape \[2, 2\]"),
        (np.zeros((0, 2)), MATRIX, "no rows"),
    ],
)
def test_what_does_not_fit_is_said(sample: Any, layout: Layout, message: str):
    with pytest.raises(InvalidInputError, match=message):
        table_of(sample, layout)


def test_columns_of_python_numbers_become_numbers():
    table, _ = table_of({"age": np.array([1, None], dtype=object), "city name": COLUMNS["city name"]}, NAMED)
    assert table.values[0].dtype == np.float64
    assert np.isnan(table.values[0][1])


def test_rows_can_be_taken_and_columns_replaced():
    table, _ = table_of(ROWS, MATRIX)
    some = table.take(np.array([2, 0])).with_column(0, np.array([7, 8]))
    assert some.matrix().tolist() == [[7, 6], [8, 2]]


def test_a_missing_pandas_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(RuntimeMissingError) as caught:
        table_of(COLUMNS, NAMED)[0].frame()
    assert caught.value.hint == "pip install pandas"
