from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.convert.columns import Source
from turnout.convert.folding import fold, fold_nothing, shortest_decimals, wire_thresholds
from turnout.convert.trees import LEAF, Ensemble, Tree

PLAIN = Source(0)


def scaled(mean: float, deviation: float) -> Source:
    return Source(0, ((np.subtract, mean), (np.divide, deviation)), deviation, mean)


def decides_left(value: float, threshold: float, source: Source, comparison: str, *, single: bool) -> bool:
    """What the framework does with a value of the column."""
    transformed = source.apply(np.array([value]))[0]
    compared = float(np.float32(transformed)) if single else float(transformed)
    return compared < threshold if comparison == "<" else compared <= threshold


def goes_left(value: float, wire: float, comparison: str) -> bool:
    """What ONNX does with it, after its trip over the wire."""
    return float(np.float32(value)) < wire if comparison == "<" else float(np.float32(value)) <= wire


decimals = st.decimals(-10_000, 10_000, places=3).map(float)


@given(decimals, decimals, st.sampled_from(["<", "<="]), st.booleans())
def test_decimals_go_the_frameworks_way_at_thresholds_between_decimals(
    value: float, other: float, comparison: Literal["<", "<="], single: bool
):
    threshold = (value + other) / 2
    threshold = float(np.float32(threshold)) if single and comparison == "<" else threshold
    wire = float(wire_thresholds(np.array([threshold]), PLAIN, comparison, single=single)[0])
    for each in (value, other, round(threshold, 3)):
        want = decides_left(each, threshold, PLAIN, comparison, single=single)
        assert goes_left(each, wire, comparison) == want


@given(decimals, decimals, decimals, st.integers(1, 10_000), st.booleans())
def test_scaled_decimals_go_the_frameworks_way(value: float, other: float, mean: float, thousandths: int, single: bool):
    source = scaled(mean, thousandths / 1000)
    low, high = source.apply(np.array([value])), source.apply(np.array([other]))
    if single:
        low, high = low.astype(np.float32).astype(np.float64), high.astype(np.float32).astype(np.float64)
    threshold = float((low + high)[0] / 2)
    wire = float(wire_thresholds(np.array([threshold]), source, "<=", single=single)[0])
    for each in (value, other):
        assert goes_left(each, wire, "<=") == decides_left(each, threshold, source, "<=", single=single)


@given(st.floats(-1e6, 1e6, allow_subnormal=False))
def test_a_value_that_is_the_threshold_goes_left(threshold: float):
    # Histogram boosting takes values of the training data, in full precision, for thresholds.
    wire = float(wire_thresholds(np.array([threshold]), PLAIN, "<=", single=False)[0])
    decimal = float(shortest_decimals(np.array([threshold], dtype=np.float32))[0])
    if abs(decimal - threshold) > 1e-12 * abs(threshold):
        assert goes_left(threshold, wire, "<=")


@given(st.floats(-(2.0**100), 2.0**100), st.floats(-(2.0**100), 2.0**100, width=32))
def test_forests_are_exact_for_every_float32(threshold: float, value: float):
    wire = float(wire_thresholds(np.array([threshold]), PLAIN, "<=", single=True)[0])
    assert goes_left(value, wire, "<=") == (value <= threshold)


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_thresholds_of_xgboost_stay_as_they_are(threshold: float):
    assert wire_thresholds(np.array([threshold]), PLAIN, "<", single=True)[0] == np.float32(threshold)


def stump(feature: int = 0, threshold: float = 1.0, categories: dict[int, tuple[float, ...]] | None = None) -> Tree:
    return Tree(
        feature=np.array([feature, 0, 0]),
        threshold=np.array([threshold, 0.0, 0.0]),
        left=np.array([1, LEAF, LEAF]),
        right=np.array([2, LEAF, LEAF]),
        missing_left=np.array([False, False, False]),
        leaf=np.array([[0.0], [-1.0], [1.0]]),
        categories=categories or {},
    )


def ensemble(*trees: Tree) -> Ensemble:
    return Ensemble(trees, 1, np.zeros(1), "<=")


def test_a_scaled_threshold_is_one_of_the_column():
    folded = fold(ensemble(stump(1, 1.0)), [Source(0), Source(3, ((np.multiply, 0.5), (np.add, 2.0)), 2.0, -4.0)], 4)
    assert folded is not None
    tree = folded.trees[0]
    assert (tree.feature[0], tree.threshold[0]) == (3, -2.0)
    assert tree.wire_threshold is not None
    assert tree.wire_threshold[0] == np.float32(-2.0)


@pytest.mark.parametrize(("fill", "left"), [(0.5, True), (1.0, True), (1.5, False)])
def test_an_imputer_says_where_missing_values_go(fill: float, left: bool):
    folded = fold(ensemble(stump()), [Source(0, fill=fill)], 1)
    assert folded is not None
    assert folded.trees[0].missing_left[0] == left


def test_what_has_no_source_stays_behind_the_columns():
    folded = fold(ensemble(stump(0), stump(1)), [Source(1), None], 5)
    assert folded is not None
    assert [int(tree.feature[0]) for tree in folded.trees] == [1, 6]


def test_what_cannot_be_folded_is_left_to_others():
    assert fold(ensemble(stump()), [Source(0, ((np.multiply, -1.0),), -1.0)], 1) is None
    assert fold(ensemble(stump(categories={0: (1.0, 2.0)})), [Source(0, fill=1.0)], 1) is None
    assert fold(ensemble(stump(categories={0: (1.0, 2.0)})), [Source(0)], 1) is not None


def test_sources_follow_each_other():
    imputed = Source(2, fill=3.0)
    both = imputed.then(Source(0, ((np.subtract, 1.0), (np.divide, 2.0)), 2.0, 1.0))
    assert both.column == 2
    assert both.fill == 1.0
    assert both.apply(np.array([5.0])).tolist() == [2.0]
    assert both.undo(np.array([2.0])).tolist() == [5.0]


def test_nothing_to_fold_leaves_the_framework_s_thresholds():
    tree = fold_nothing(ensemble(stump(0, 13.05)), 1).trees[0]
    assert tree.threshold[0] == 13.05
    assert tree.wire_threshold is not None
    assert tree.wire_threshold[0] == np.float32(13.05)
