"""What a conversion gives and refuses; the frameworks are real, the faults are made."""

from dataclasses import replace
from functools import cache, partial
from typing import Any, cast

import lightgbm as lightgbm_module
import numpy as np
import onnx as onnx_module
import pandas as pandas_module
import pytest
import xgboost as xgboost_module
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from tests.support.onnx_runner import run_onnx
from turnout.convert import boosted, sklearn_trees
from turnout.convert import lightgbm as lightgbm_reader
from turnout.convert import xgboost as xgboost_reader
from turnout.convert.base import Head, Kind, Subject
from turnout.convert.boosted import Boosted
from turnout.convert.conversion import Converted, convert
from turnout.convert.sampling import generate
from turnout.convert.subjects import subject_of
from turnout.convert.tables import Table, table_of
from turnout.convert.trees import Tree
from turnout.data.samples import as_sample
from turnout.errors import ExecutionError, InvalidInputError, ParityError, UnsupportedError

lightgbm, xgboost, pandas, onnx = (
    cast("Any", module) for module in (lightgbm_module, xgboost_module, pandas_module, onnx_module)
)

pytestmark = pytest.mark.filterwarnings("default")  # the frameworks warn on their own behalf


def data(load: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    return cast("tuple[NDArray[Any], NDArray[Any]]", load(return_X_y=True))


def fit(model: Any, rows: Any, targets: Any) -> Any:
    return model.fit(rows, targets)


def converted(subject: Subject, rows: Any = None, default: str | None = None) -> Converted:
    """Converts and compares on rows, or on generated ones."""
    table = generate(subject.layout, subject.draws) if rows is None else table_of(as_sample(rows), subject.layout)[0]
    return convert(subject, table, run_onnx, default)


@pytest.fixture(scope="module")
def flowers() -> tuple[Any, NDArray[Any]]:
    rows, species = data(load_iris)
    return fit(LogisticRegression(max_iter=500), rows, species), rows


def test_signatures_are_the_methods_with_predict_first(flowers: tuple[Any, NDArray[Any]]):
    model, rows = flowers
    got = converted(subject_of(model), rows)
    assert [signature.name for signature in got.signatures] == [
        "serving_default",
        "predict",
        "predict_proba",
        "decision_function",
    ]
    default = got.signatures[0]
    assert [(spec.name, spec.dtype, spec.shape) for spec in default.inputs] == [("x", "float32", (None, 4))]
    assert [(spec.name, spec.dtype, spec.shape) for spec in default.outputs] == [("y", "int64", (None,))]
    assert [spec.name for signature in got.signatures[2:] for spec in signature.outputs] == ["probabilities", "scores"]
    assert (got.rows, [head.rows_off for head in got.heads], got.notes) == (150, [0, 0, 0], ())


def test_declared_shapes_are_what_is_answered(flowers: tuple[Any, NDArray[Any]]):
    model, rows = flowers
    got = converted(subject_of(model), rows)
    answers = run_onnx(got.model, {"x": rows[:5].astype(np.float32)})
    for signature in got.signatures:
        (spec,) = signature.outputs
        assert spec.shape is not None
        assert answers[spec.tensor].shape == (5, *spec.shape[1:])
        assert answers[spec.tensor].dtype.name == spec.dtype
    declared = onnx.load_from_string(got.model).graph.output
    shapes = [[each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim] for value in declared]
    assert shapes == [["batch"], ["batch", 3], ["batch", 3]]


def test_no_rows_are_an_answer_of_no_rows(flowers: tuple[Any, NDArray[Any]]):
    got = converted(subject_of(flowers[0]), flowers[1])
    answers = run_onnx(got.model, {"x": np.zeros((0, 4), dtype=np.float32)})
    assert [answer.shape for answer in answers.values()] == [(0,), (0, 3), (0, 3)]


def test_another_method_can_be_the_default(flowers: tuple[Any, NDArray[Any]]):
    got = converted(subject_of(flowers[0]), flowers[1], "predict_proba")
    assert got.signatures[0].outputs == got.signatures[1].outputs
    assert [signature.name for signature in got.signatures[:3]] == ["serving_default", "predict_proba", "predict"]
    with pytest.raises(InvalidInputError, match=r"no such method.*`transform`") as caught:
        converted(subject_of(flowers[0]), flowers[1], "transform")
    assert caught.value.hint == "It has `predict`, `predict_proba`, `decision_function`."


def test_columns_may_be_called_as_outputs_and_inputs_are():
    rows, targets = data(load_iris)
    frame = pandas.DataFrame(rows, columns=["x", "y", "probabilities", "turnout"])
    model = fit(xgboost.XGBClassifier(n_estimators=3), frame, targets)
    got = converted(subject_of(model), frame)
    assert [spec.name for spec in got.signatures[0].inputs] == list(frame.columns)
    assert [spec.shape for spec in got.signatures[0].inputs] == [(None,)] * 4
    assert [(spec.name, spec.tensor) for spec in got.signatures[0].outputs] == [("y", "output/y")]
    answers = run_onnx(got.model, {name: frame[name].to_numpy(np.float32) for name in frame.columns})
    assert answers["output/y"].tolist() == model.predict(frame).tolist()


def test_what_is_left_of_an_unfaithful_extra_is_told(flowers: tuple[Any, NDArray[Any]]):
    subject = subject_of(flowers[0])
    scores = subject.heads[2].answer

    def negated(table: Table) -> NDArray[Any]:
        return -scores(table)

    heads = (*subject.heads[:2], replace(subject.heads[2], answer=negated))
    got = converted(replace(subject, heads=heads), flowers[1])
    assert [signature.name for signature in got.signatures] == ["serving_default", "predict", "predict_proba"]
    assert got.notes == ("left out: `decision_function` (answers differently)",)
    with pytest.raises(ParityError):  # but not where it is what was asked for
        converted(replace(subject, heads=heads), flowers[1], "decision_function")


def test_a_model_that_fails_where_its_original_answers_is_refused(flowers: tuple[Any, NDArray[Any]]):
    subject = subject_of(flowers[0])

    def fail(model: bytes, inputs: Any) -> Any:
        raise ExecutionError("unknown category")

    with pytest.raises(ParityError, match="fails where the original answers: unknown category"):
        convert(subject, table_of(flowers[1], subject.layout)[0], fail)


def test_a_refusal_shows_the_worst_row():
    rows, species = data(load_iris)
    honest = subject_of(fit(LogisticRegression(max_iter=500), rows, species))
    other = subject_of(fit(LogisticRegression(max_iter=500), rows, np.roll(species, 7)))
    with pytest.raises(ParityError, match=r"`predict` of the converted model differs in \d+ of 150 rows") as caught:
        converted(replace(honest, write=other.write), rows)
    assert set(caught.value.context["inputs"]) == {"x0", "x1", "x2", "x3"}
    assert caught.value.context["inputs"]["x0"] == rows[caught.value.context["row"], 0]
    assert caught.value.context["column"] is None


@cache
def forest() -> tuple[Any, Boosted]:
    model = fit(RandomForestClassifier(5, max_depth=5, random_state=0), *data(load_breast_cancer))
    return model, cast("Boosted", sklearn_trees.read(model))


@cache
def histogram() -> tuple[Any, Boosted]:
    model = fit(HistGradientBoostingClassifier(max_iter=5), *data(load_breast_cancer))
    return model, cast("Boosted", sklearn_trees.read(model))


@cache
def extreme() -> tuple[Any, Boosted]:
    model = fit(xgboost.XGBClassifier(n_estimators=5), *data(load_breast_cancer))
    return model, xgboost_reader.read_wrapper(model)


@cache
def light() -> tuple[Any, Boosted]:
    model = fit(lightgbm.LGBMClassifier(n_estimators=5, verbose=-1), *data(load_breast_cancer))
    return model, lightgbm_reader.read_wrapper(model)


TREES = {"forest": forest, "histogram boosting": histogram, "XGBoost": extreme, "LightGBM": light}


def next_threshold(tree: Tree) -> Tree:
    assert tree.wire_threshold is not None
    return replace(tree, wire_threshold=np.nextafter(tree.wire_threshold, np.float32(np.inf)))


def last_threshold(tree: Tree) -> Tree:
    assert tree.wire_threshold is not None
    return replace(tree, wire_threshold=np.nextafter(tree.wire_threshold, np.float32(-np.inf)))


def other_missing(tree: Tree) -> Tree:
    return replace(tree, missing_left=~tree.missing_left)


@pytest.mark.parametrize("fault", [next_threshold, last_threshold, other_missing])
@pytest.mark.parametrize("name", TREES)
def test_generated_rows_show_faults_of_one_step(name: str, fault: Any):
    model, read = TREES[name]()
    subject = subject_of(model)
    faulty = replace(read, ensemble=replace(read.ensemble, trees=tuple(fault(tree) for tree in read.ensemble.trees)))
    assert converted(subject).rows > 512
    with pytest.raises(ParityError) as caught:
        converted(replace(subject, write=partial(boosted.write, faulty)))
    assert caught.value.context["column"] is None, "no column is to blame for a faulty converter"


@pytest.mark.parametrize("name", TREES)
def test_generated_rows_show_the_other_comparison(name: str):
    model, read = TREES[name]()
    other = "<=" if read.ensemble.comparison == "<" else "<"
    faulty = replace(read, ensemble=replace(read.ensemble, comparison=other))
    with pytest.raises(ParityError):
        converted(replace(subject_of(model), write=partial(boosted.write, faulty)))


@pytest.mark.parametrize("given", ["sample", "generated"])
@pytest.mark.parametrize("maker", [lightgbm.LGBMRegressor, HistGradientBoostingClassifier])
def test_the_column_that_float32_cannot_hold_is_named(maker: Any, given: str):
    rng = np.random.default_rng(0)
    opened_at = 1_700_000_000 + rng.integers(0, 100_000, 3000)
    frame = pandas.DataFrame({"amount": np.round(rng.normal(size=3000), 2), "opened_at": opened_at})
    targets = (opened_at % 50_000 > 20_000) ^ (frame["amount"].to_numpy() > 0)
    options = {"verbose": -1} if maker is lightgbm.LGBMRegressor else {"max_iter": 20}
    subject = subject_of(fit(maker(**options), frame, targets.astype(int)))
    with pytest.raises(ParityError, match="float32 cannot hold the column `opened_at`: 1") as caught:
        converted(subject, frame if given == "sample" else None)
    assert caught.value.context["column"] == "opened_at"
    assert caught.value.hint is not None
    assert "`opened_at`" in caught.value.hint


def test_what_is_not_fitted_or_no_model_is_told():
    with pytest.raises(UnsupportedError) as caught:
        subject_of(LogisticRegression())
    assert caught.value.hint is not None
    assert "fitted" in caught.value.hint
    with pytest.raises(UnsupportedError, match="XGBClassifier"):
        subject_of(xgboost.XGBClassifier())


def test_a_framework_that_refuses_the_rows_is_quoted(flowers: tuple[Any, NDArray[Any]]):
    subject = subject_of(flowers[0])
    with pytest.raises(InvalidInputError, match=r"`predict` of the framework refuses the sample: .*NaN"):
        converted(subject, np.full((2, 4), np.nan))


def test_labels_need_no_scores_to_be_compared(flowers: tuple[Any, NDArray[Any]]):
    subject = subject_of(flowers[0])
    labels = Head("predict", Kind.LABELS, subject.heads[0].answer)
    got = converted(replace(subject, heads=(labels,), gap=None), flowers[1])
    assert [signature.name for signature in got.signatures] == ["serving_default", "predict"]
