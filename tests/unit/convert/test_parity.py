from typing import Any

import numpy as np
import pytest

from turnout.convert.base import Kind
from turnout.convert.parity import compare, scale_of

LABELS, PROBABILITIES, VALUES = Kind.LABELS, Kind.PROBABILITIES, Kind.VALUES


@pytest.mark.parametrize(
    ("kind", "expected", "got", "off"),
    [
        pytest.param(PROBABILITIES, [0.5, 0.5], [0.5, 0.50009], [], id="probabilities may differ by a ten-thousandth"),
        pytest.param(PROBABILITIES, [0.5, 0.5], [0.5, 0.50011], [1], id="and by no more"),
        pytest.param(PROBABILITIES, [[0.1, 0.9]], [[0.2, 0.9]], [0], id="in any class"),
        pytest.param(VALUES, [150.0, 151.0], [150.014, 151.0], [], id="values are judged by their magnitude"),
        pytest.param(VALUES, [150.0, 151.0], [150.016, 151.0], [0], id="values beyond it are not"),
        pytest.param(VALUES, [0.0, 150.0, 150.0], [0.014, 150.0, 150.0], [], id="a zero by that of the others"),
        pytest.param(VALUES, [0.0, 150.0, 150.0], [0.016, 150.0, 150.0], [0], id="a zero beyond it is not"),
        pytest.param(VALUES, [1e9, 1.0, 1.0], [1e9, 1.0, 1.1], [2], id="one huge row excuses no other"),
        pytest.param(VALUES, [[1.0, 1e6]] * 2, [[1.1, 1e6]] * 2, [0, 1], id="one huge column excuses no other"),
        pytest.param(VALUES, [np.nan, np.inf], [np.nan, np.inf], [], id="what is no number may be equal"),
        pytest.param(VALUES, [np.nan, np.inf, 1.0], [1.0, -np.inf, np.nan], [0, 1, 2], id="and must be"),
        pytest.param(VALUES, [0.0, 0.0], [0.0, 1e-9], [1], id="all zeros must be zeros"),
        pytest.param(VALUES, [1.0, 2.0], [[1.0], [2.0]], [0, 1], id="another shape is wrong in every row"),
        pytest.param(LABELS, ["a", "b"], ["a", "b"], [], id="labels are equal"),
        pytest.param(LABELS, ["a", "b"], ["a", "c"], [1], id="or are not"),
        pytest.param(LABELS, [[1, 2], [3, 4]], [[1, 2], [3, 5]], [1], id="in any target"),
    ],
)
def test_every_row_is_judged(kind: Kind, expected: Any, got: Any, off: list[int]):
    verdict = compare(kind, np.array(expected), np.array(got))
    assert np.flatnonzero(verdict.off).tolist() == off
    assert verdict.passed == (not off)
    assert verdict.rows == len(expected)


def test_labels_may_differ_where_the_best_two_are_level():
    expected, got = np.array([0, 1, 1]), np.array([0, 0, 0])
    verdict = compare(LABELS, expected, got, gap=np.array([0.5, 0.99e-4, 1.01e-4]))
    assert verdict.off.tolist() == [False, False, True]
    assert (verdict.tied, verdict.worst_row) == (1, 2)


def test_the_worst_row_is_the_one_furthest_beyond_its_tolerance():
    expected = np.array([1000.0, 10.0, 10.0])
    verdict = compare(VALUES, expected, expected + np.array([1.0, 0.9, 0.0]))
    assert verdict.worst_row == 1
    assert verdict.max_difference == pytest.approx(1.0)


def test_text_of_any_array_is_compared():
    expected = np.array(["benign", "malignant"])
    assert compare(LABELS, expected, expected.astype(object)).passed


def test_the_scale_is_the_usual_magnitude_of_a_column():
    values = np.array([[1.0, -200.0, 0.0, 1e-12], [3.0, 100.0, 0.0, 1e-12], [2.0, 300.0, 0.0, 1e-12]])
    scale = scale_of(values)
    assert scale[:2].tolist() == [2.0, 200.0]
    # What is next to nothing is judged by what float32 leaves beside the others.
    assert (scale[2:] == 1e-3 * np.median([1.0, 2.0, 3.0, 100.0, 200.0, 300.0, 1e-12, 1e-12, 1e-12])).all()
