"""What is known of columns before trees, with scikit-learn's own transformers."""

from typing import Any, cast

import numpy as np
import pandas as pandas_module
import pytest
from sklearn import pipeline as pipeline_module
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from turnout.convert.columns import text_columns, transformed_columns, used_columns
from turnout.convert.memory import remember
from turnout.convert.ranges import UNKNOWN

pandas, pipelines = cast("Any", pandas_module), cast("Any", pipeline_module)
make_pipeline, FeatureUnion = pipelines.make_pipeline, pipelines.FeatureUnion
ROWS = np.random.default_rng(0).normal(100.0, 10.0, (50, 3))
TARGETS = (ROWS[:, 0] > 100).astype(int)


def fit(transformer: Any, rows: Any = ROWS) -> Any:
    return transformer.fit(rows, TARGETS[: len(rows)])


SCALERS = [StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler(), SimpleImputer(), FunctionTransformer()]


@pytest.mark.parametrize(
    "transformer",
    [*SCALERS, make_pipeline(*SCALERS), SelectKBest(k=2), make_pipeline(SelectKBest(k=2), MinMaxScaler())],
    ids=lambda each: type(each).__name__,
)
def test_operations_are_done_again_bit_by_bit(transformer: Any):
    want = np.asarray(fit(transformer).transform(ROWS))
    columns = transformed_columns(transformer, 3, None)
    assert columns is not None
    assert len(columns.sources) == want.shape[1]
    for index, source in enumerate(columns.sources):
        assert source is not None
        np.testing.assert_array_equal(source.apply(ROWS[:, source.column]), want[:, index])
        np.testing.assert_allclose(source.undo(want[:, index]), ROWS[:, source.column], rtol=1e-12)


def test_imputers_say_what_missing_values_become():
    rows = np.where(ROWS > 110, np.nan, ROWS)
    pipeline = fit(make_pipeline(SimpleImputer(), StandardScaler()), rows)
    columns = transformed_columns(pipeline, 3, None)
    assert columns is not None
    filled = pipeline.transform(np.full((1, 3), np.nan))[0]
    assert [source and source.fill for source in columns.sources] == filled.tolist()


@pytest.mark.parametrize("transformer", [PCA(2), make_pipeline(StandardScaler(), PCA(2)), MinMaxScaler(clip=True)])
def test_what_mixes_columns_is_not_undone(transformer: Any):
    assert transformed_columns(fit(transformer), 3, None) is None


def test_an_imputer_with_an_indicator_is_not_undone():
    rows = np.where(ROWS > 110, np.nan, ROWS)
    assert transformed_columns(fit(SimpleImputer(add_indicator=True), rows), 3, None) is None


FRAME = pandas.DataFrame({"a": ROWS[:, 0], "city": ["Rome", "Köln"] * 25, "b": ROWS[:, 1], "c": ROWS[:, 2]})


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (["b", "a"], ["a", "b"]),
        ([2, 0], ["a", "b"]),
        (np.array([True, False, True, False]), ["a", "b"]),
        (slice(0, 3, 2), ["a", "b"]),
        (slice("b", "c"), ["b", "c"]),
        (slice(2, None), ["b", "c"]),
    ],
)
def test_columns_may_be_chosen_in_many_ways(choice: Any, expected: list[str]):
    transformer = fit(ColumnTransformer([("n", StandardScaler(), choice)]), FRAME)
    names = used_columns(transformer, list(FRAME.columns))
    assert names == expected
    columns = transformed_columns(transformer, 2, names)
    assert columns is not None
    want = transformer.transform(FRAME)
    for index, source in enumerate(columns.sources):
        assert source is not None
        np.testing.assert_array_equal(source.apply(FRAME[names[source.column]].to_numpy()), want[:, index])


def test_text_is_told_from_numbers_by_what_encoders_have_learnt():
    frame = FRAME.assign(code=[1, 2] * 25)
    parts = [("c", make_pipeline(OneHotEncoder()), ["city", "code"]), ("n", StandardScaler(), ["a"])]
    transformer = fit(ColumnTransformer(cast("Any", parts)), frame)
    names = used_columns(transformer, list(frame.columns))
    assert names == ["a", "city", "code"]
    assert text_columns(transformer, names) == ["city"]
    assert text_columns(fit(FeatureUnion([("x", transformer)]), frame), names) == ["city"]
    assert text_columns(fit(OrdinalEncoder(), FRAME[["city"]]), ["city"]) == ["city"]
    columns = transformed_columns(transformer, 3, names)
    assert columns is not None
    assert columns.sources[:4] == (None,) * 4
    assert columns.sources[4] is not None
    assert columns.ranges[1].categories == ("Köln", "Rome")
    assert columns.ranges[2].categories == (1, 2)


def test_ranges_are_remembered_from_the_first_step_that_knows():
    pipeline = fit(make_pipeline(StandardScaler(), PCA(2)))
    memory = remember(pipeline, 3, None)
    for index, each in enumerate(memory.ranges):
        assert each.low < ROWS[:, index].mean() < each.high
        assert each.high - each.low < 100
    assert remember(object(), 2, None).ranges == (UNKNOWN, UNKNOWN)
