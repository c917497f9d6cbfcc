import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.convert.base import Draws
from turnout.convert.ranges import Range
from turnout.convert.sampling import DRAWN_ROWS, MAX_SPLITS, generate
from turnout.convert.tables import Layout
from turnout.convert.trees import LEAF, Tree

THRESHOLD = 13.05
"""A decimal: float32's is greater than float64's."""


def tree_of(*splits: tuple[int, float, int, int]) -> Tree:
    """A tree of (feature, threshold, left, right); numbers beyond the splits are leaves."""
    count = 1 + max(max(left, right) for _, _, left, right in splits)
    padded = [*splits, *[(0, 0.0, LEAF, LEAF)] * (count - len(splits))]
    feature, threshold, left, right = (np.array(values) for values in zip(*padded, strict=True))
    return Tree(feature, threshold.astype(np.float64), left, right, np.zeros(count, bool), np.zeros((count, 1)))


STUMP = tree_of((0, THRESHOLD, 1, 2))
ONE = (Range(0.0, 100.0),)


def test_rows_lie_at_the_threshold_and_beside_it():
    column = generate(Layout.matrix(1), Draws(ONE, (STUMP,))).values[0]
    assert column.dtype == np.float64
    single = np.float32(THRESHOLD)
    for wanted in (THRESHOLD, np.nextafter(single, np.float32(0)), np.nextafter(single, np.float32(99)), 13.0, 14.0):
        assert wanted in column
    assert ((column > THRESHOLD) & (column.astype(np.float32) == single)).sum() == 0, (
        "the wire could not tell them apart"
    )


def test_rows_behind_arithmetic_keep_clear_of_thresholds():
    column = generate(Layout.matrix(1), Draws(ONE, (STUMP,), exact=False)).values[0]
    assert np.abs(column - THRESHOLD).min() > 1e-5 * THRESHOLD
    assert (column < THRESHOLD).any()
    assert (column > THRESHOLD).any()


def test_rows_reach_deep_splits():
    # The second split lies below 10 of the first column, the third between 2 and 10 of it.
    tree = tree_of((0, 10.0, 1, 4), (1, 5.0, 2, 3), (0, 2.0, 5, 6))
    rows = generate(Layout.matrix(2), Draws((Range(0.0, 1000.0), Range(0.0, 1000.0)), (tree,))).matrix()
    at_second = rows[rows[:, 1] == 5.0]
    assert len(at_second)
    assert (at_second[:, 0] <= 10.0).all()
    at_third = rows[rows[:, 0] == 2.0]
    assert (at_third[:, 1] <= 5.0).any()


def test_categories_are_drawn_from_what_the_model_knows():
    layout = Layout.by_name(["city", "code"], {"city": "string"})
    draws = Draws((Range(categories=("Köln", "Rome")), Range(categories=(1.0, 2.0, 5.0))))
    city, code = generate(layout, draws).values
    assert set(city.tolist()) == {"Köln", "Rome"}
    assert set(code.tolist()) == {1.0, 2.0, 5.0}


@pytest.mark.parametrize("missing", [False, True])
def test_missing_values_are_drawn_where_the_framework_takes_them(missing: bool):
    rows = generate(Layout.matrix(1), Draws(ONE, missing=missing)).matrix()
    assert np.isnan(rows).any() == missing
    assert len(rows) == DRAWN_ROWS * (1 + missing)


def test_the_same_model_gets_the_same_rows():
    first, second = (generate(Layout.matrix(1), Draws(ONE, (STUMP,))) for _ in range(2))
    np.testing.assert_array_equal(first.matrix(), second.matrix())


def test_the_number_of_rows_is_bounded():
    many = tuple(tree_of((0, float(index), 1, 2)) for index in range(MAX_SPLITS + 500))
    assert len(generate(Layout.matrix(1), Draws(ONE, many))) <= DRAWN_ROWS + 8 * MAX_SPLITS


def test_whole_numbers_that_float32_cannot_hold_are_among_the_rows():
    column = generate(Layout.matrix(1), Draws((Range(1.7e9, 1.8e9),), (tree_of((0, 1.75e9 + 40.5, 1, 2)),))).values[0]
    beside = column[np.abs(column - (1.75e9 + 40.5)) < 1]
    assert {1.75e9 + 40, 1.75e9 + 41} <= set(beside.tolist())


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5, unique=True))
def test_any_thresholds_give_finite_rows(thresholds: list[float]):
    trees = tuple(tree_of((0, threshold, 1, 2)) for threshold in thresholds)
    assert np.isfinite(generate(Layout.matrix(1), Draws(ONE, trees)).matrix()).all()


def test_infinite_thresholds_are_no_place_for_rows():
    tree = tree_of((0, np.inf, 1, 4), (0, 3.0, 2, 3))
    assert np.isfinite(generate(Layout.matrix(1), Draws(ONE, (tree,))).matrix()).all()
