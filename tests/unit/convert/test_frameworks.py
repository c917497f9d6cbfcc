"""Real models of the three frameworks, small ones: each answers as its original does, on its data and on drawn rows."""

from collections.abc import Callable
from typing import Any, cast

import lightgbm as lightgbm_module
import numpy as np
import pandas as pandas_module
import pytest
import xgboost as xgboost_module
from numpy.typing import NDArray
from sklearn import pipeline as pipeline_module
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeRegressor

from tests.support.onnx_runner import run_onnx
from turnout.convert.base import Subject
from turnout.convert.conversion import Converted, convert
from turnout.convert.sampling import generate
from turnout.convert.subjects import subject_of
from turnout.convert.tables import table_of
from turnout.data.samples import as_sample
from turnout.errors import ParityError, UnsupportedError

lightgbm, xgboost, pandas = (cast("Any", module) for module in (lightgbm_module, xgboost_module, pandas_module))
make_pipeline = cast("Any", pipeline_module).make_pipeline

pytestmark = pytest.mark.filterwarnings("default")  # the frameworks warn on their own behalf

Rows = Any
Maker = Callable[[], tuple[Any, Rows]]


def data(load: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    return cast("tuple[NDArray[Any], NDArray[Any]]", load(return_X_y=True))


def fitted(model: Any, load: Any, change: Callable[[Any], Any] | None = None) -> Maker:
    """Makes a fitted model and its rows when it is called; `change` makes other targets of the data's own."""

    def make() -> tuple[Any, Rows]:
        rows, targets = data(load)
        return model.fit(rows, targets if change is None else change(targets)), rows

    return make


def with_gaps() -> tuple[NDArray[Any], NDArray[Any]]:
    rows, targets = data(load_wine)
    return np.where(np.random.default_rng(0).random(rows.shape) < 0.1, np.nan, rows), targets


def people() -> tuple[Any, NDArray[Any]]:
    """A data frame as people have them: numbers, text, codes, and columns that the model drops."""
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "note": rng.choice(["a", "b"], 300),
            "age": rng.integers(18, 90, 300),
            "income": np.round(rng.lognormal(10, 1, 300), 2),
            "y": rng.normal(size=300),
            "city name": rng.choice(["Köln", "Paris", "Rome"], 300),
            "code": rng.choice([1, 2, 5], 300),
        }
    )
    return frame, (frame["age"] + frame["income"] / 1000 + (frame["city name"] == "Rome") * 20 > 70).to_numpy(int)


def tabular(model: Any, encoder: Any = None) -> Maker:
    """A pipeline as tutorials have it: numbers imputed and scaled, text encoded, everything else dropped."""

    def make() -> tuple[Any, Rows]:
        frame, targets = people()
        numbers = make_pipeline(SimpleImputer(), StandardScaler())
        parts = [("n", numbers, ["age", "income", "y"]), ("c", encoder or OneHotEncoder(), ["city name", "code"])]
        return make_pipeline(ColumnTransformer(cast("Any", parts)), model).fit(frame, targets), frame

    return make


def named(model: Any) -> Maker:
    def make() -> tuple[Any, Rows]:
        frame, targets = people()
        return model.fit(frame[["age", "income", "y"]], targets), frame

    return make


def booster(objective: str, load: Any, **parameters: Any) -> Maker:
    def make() -> tuple[Any, Rows]:
        rows, targets = data(load)
        matrix = xgboost.DMatrix(rows, targets)
        return xgboost.train({"objective": objective, "max_depth": 3, **parameters}, matrix, 5), rows

    return make


def light_booster(objective: str, load: Any, **parameters: Any) -> Maker:
    def make() -> tuple[Any, Rows]:
        rows, targets = data(load)
        options = {"objective": objective, "verbose": -1, "num_leaves": 7, **parameters}
        return lightgbm.train(options, lightgbm.Dataset(rows, targets), 5), rows

    return make


def categorical(make_model: Callable[[], Any], **fit: Any) -> Maker:
    def make() -> tuple[Any, Rows]:
        rows = np.random.default_rng(0).integers(0, 9, (600, 3)).astype(float)
        targets = (np.isin(rows[:, 0], [1, 5, 7]) ^ (rows[:, 1] > 4)).astype(int)
        return make_model().fit(rows, targets, **fit), rows

    return make


def stopped_early(model: Any) -> Maker:
    def make() -> tuple[Any, Rows]:
        rows, targets = data(load_breast_cancer)
        held_out = [(rows[400:], targets[400:])]
        if hasattr(model, "get_booster"):
            return model.fit(rows[:400], targets[:400], eval_set=held_out, verbose=False), rows
        stop = lightgbm.early_stopping(2, verbose=False)
        return model.fit(
            rows[:400], targets[:400], eval_X=(rows[400:],), eval_y=(targets[400:],), callbacks=[stop]
        ), rows

    return make


def text(targets: Any) -> Any:
    return np.where(targets > 0, "good", "bad")


CANCER, DIABETES, DIGITS, WINE = load_breast_cancer, load_diabetes, load_digits, load_wine
SCALED = StandardScaler
XGB, LGBM = xgboost, lightgbm
FEW = {"n_estimators": 5}
QUIET = {**FEW, "verbose": -1, "num_leaves": 7}
LABELS = ["predict", "predict_proba"]
SCORED = [*LABELS, "decision_function"]

MODELS: dict[str, tuple[Maker, list[str]]] = {
    "logistic regression": (fitted(make_pipeline(SCALED(), LogisticRegression()), CANCER), SCORED),
    "logistic regression, digits": (fitted(LogisticRegression(max_iter=3000), DIGITS), SCORED),
    "text labels": (fitted(make_pipeline(SCALED(), LogisticRegression()), CANCER, text), SCORED),
    "labels of small integers": (fitted(GaussianNB(), WINE, lambda y: y.astype(np.int8) - 1), LABELS),
    "labels of truth": (fitted(RandomForestClassifier(5, random_state=0), WINE, lambda y: y > 0), LABELS),
    "forest": (fitted(RandomForestClassifier(5, random_state=0), CANCER), LABELS),
    "forest of numbers": (fitted(RandomForestRegressor(5, random_state=0), DIABETES), ["predict"]),
    "scaled forest": (fitted(make_pipeline(SCALED(), RandomForestClassifier(5, random_state=0)), CANCER), LABELS),
    "tree of several targets": (
        fitted(DecisionTreeRegressor(max_depth=4), DIABETES, lambda y: np.stack([y, -1000 * y], axis=1)),
        ["predict"],
    ),
    "histogram boosting": (fitted(HistGradientBoostingClassifier(max_iter=5), CANCER), SCORED),
    "scaled histogram boosting": (
        fitted(make_pipeline(SCALED(), HistGradientBoostingClassifier(max_iter=5)), CANCER),
        SCORED,
    ),
    "histogram boosting of counts": (
        fitted(HistGradientBoostingRegressor(max_iter=5, loss="poisson"), DIABETES),
        ["predict"],
    ),
    "gradient boosting": (fitted(GradientBoostingClassifier(n_estimators=5), WINE), SCORED),
    "network": (fitted(make_pipeline(SCALED(), MLPClassifier((8,), max_iter=50, random_state=0)), WINE), LABELS),
    "support vectors": (fitted(make_pipeline(SCALED(), SVC()), CANCER), ["predict", "decision_function"]),
    "linear support vectors": (fitted(make_pipeline(SCALED(), LinearSVC()), WINE), ["predict", "decision_function"]),
    "stochastic descent": (
        fitted(make_pipeline(SCALED(), SGDClassifier(random_state=0)), WINE),
        ["predict", "decision_function"],
    ),
    "neighbours": (fitted(make_pipeline(SCALED(), KNeighborsClassifier()), WINE), LABELS),
    "linear regression": (fitted(LinearRegression(), DIABETES), ["predict"]),
    "ridge of several targets": (
        fitted(Ridge(), DIABETES, lambda y: np.stack([y, -1000 * y], axis=1)),
        ["predict"],
    ),
    "search": (fitted(GridSearchCV(make_pipeline(SCALED(), Ridge()), {"ridge__alpha": [1, 2]}), DIABETES), ["predict"]),
    "clusters": (fitted(KMeans(3, random_state=0), WINE), ["predict", "transform"]),
    "components": (fitted(PCA(2), WINE), ["transform"]),
    "scaler": (fitted(SCALED(), WINE), ["transform"]),
    "tabular": (tabular(LogisticRegression()), SCORED),
    "tabular, histogram boosting": (tabular(HistGradientBoostingClassifier(max_iter=5), OrdinalEncoder()), SCORED),
    "tabular, XGBoost": (tabular(XGB.XGBClassifier(**FEW)), LABELS),
    "named columns": (named(make_pipeline(SCALED(), LogisticRegression())), SCORED),
    "named columns, forest": (named(RandomForestClassifier(5, random_state=0)), LABELS),
    "XGBoost": (fitted(XGB.XGBClassifier(**FEW), CANCER), LABELS),
    "XGBoost, digits": (fitted(XGB.XGBClassifier(**FEW), DIGITS), LABELS),
    "XGBoost, stopped early": (
        stopped_early(XGB.XGBClassifier(n_estimators=50, learning_rate=0.9, early_stopping_rounds=2)),
        LABELS,
    ),
    "XGBoost, zero is missing": (fitted(XGB.XGBClassifier(**FEW, missing=0.0), DIGITS), LABELS),
    "XGBoost, categories": (
        categorical(lambda: XGB.XGBClassifier(**FEW, enable_categorical=True, feature_types=["c", "c", "q"])),
        LABELS,
    ),
    "XGBoost, named columns": (named(XGB.XGBClassifier(**FEW)), LABELS),
    "XGBoost, scaled": (fitted(make_pipeline(MinMaxScaler(), XGB.XGBClassifier(**FEW)), CANCER), LABELS),
    "XGBoost regressor": (fitted(XGB.XGBRegressor(**FEW), DIABETES), ["predict"]),
    "XGBoost, DART": (fitted(XGB.XGBRegressor(**FEW, booster="dart", rate_drop=0.5), DIABETES), ["predict"]),
    "XGBoost, several targets": (
        fitted(XGB.XGBRegressor(**FEW), DIABETES, lambda y: np.stack([y, -y], axis=1)),
        ["predict"],
    ),
    "XGBoost, trees of several targets": (
        fitted(
            XGB.XGBRegressor(**FEW, multi_strategy="multi_output_tree"), DIABETES, lambda y: np.stack([y, -y], axis=1)
        ),
        ["predict"],
    ),
    "booster of probabilities": (booster("binary:logistic", CANCER), ["predict"]),
    "booster of margins": (booster("binary:logitraw", CANCER), ["predict"]),
    "booster of many probabilities": (booster("multi:softprob", WINE, num_class=3), ["predict"]),
    "booster of labels": (booster("multi:softmax", WINE, num_class=3), ["predict"]),
    "booster of steps": (booster("binary:hinge", CANCER), ["predict"]),
    "booster of counts": (booster("count:poisson", DIABETES), ["predict"]),
    "booster of risks": (booster("survival:cox", DIABETES), ["predict"]),
    "booster of quantiles": (booster("reg:quantileerror", DIABETES, quantile_alpha=[0.1, 0.9]), ["predict"]),
    "LightGBM": (fitted(LGBM.LGBMClassifier(**QUIET), CANCER), SCORED),
    "LightGBM, text labels": (fitted(LGBM.LGBMClassifier(**QUIET), CANCER, text), SCORED),
    "LightGBM, digits": (fitted(LGBM.LGBMClassifier(**QUIET), DIGITS), SCORED),
    "LightGBM, stopped early": (stopped_early(LGBM.LGBMClassifier(**{**QUIET, "n_estimators": 50})), SCORED),
    "LightGBM, zero is missing": (fitted(LGBM.LGBMClassifier(**QUIET, zero_as_missing=True), DIGITS), SCORED),
    "LightGBM, categories": (
        categorical(lambda: LGBM.LGBMClassifier(**QUIET), categorical_feature=[0, 1]),
        SCORED,
    ),
    "LightGBM, named columns": (named(LGBM.LGBMClassifier(**QUIET)), SCORED),
    "LightGBM, scaled": (fitted(make_pipeline(SCALED(), LGBM.LGBMClassifier(**QUIET)), CANCER), SCORED),
    "LightGBM regressor": (fitted(LGBM.LGBMRegressor(**QUIET), DIABETES), ["predict"]),
    "LightGBM, one of each class": (light_booster("multiclassova", WINE, num_class=3), ["predict"]),
    "LightGBM booster": (light_booster("binary", CANCER, sigmoid=2.0), ["predict"]),
    "LightGBM booster of roots": (light_booster("regression", DIABETES, reg_sqrt=True), ["predict"]),
    "LightGBM forest": (
        light_booster("regression", DIABETES, boosting="rf", bagging_freq=1, bagging_fraction=0.5),
        ["predict"],
    ),
}


def check(subject: Subject, rows: Rows | None) -> Converted:
    table = generate(subject.layout, subject.draws) if rows is None else table_of(as_sample(rows), subject.layout)[0]
    return convert(subject, table, run_onnx)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_as_its_original_does(name: str):
    make, methods = MODELS[name]
    model, rows = make()
    subject = subject_of(model)
    for given in (rows, None):
        got = check(subject, given)
        assert [head.method for head in got.heads] == methods, got.notes
        assert [signature.name for signature in got.signatures] == ["serving_default", *methods]
        assert len({spec.name for spec in got.signatures[0].outputs}) == 1


def test_missing_values_go_where_the_framework_sends_them():
    rows, targets = with_gaps()
    for model in (
        RandomForestClassifier(5, random_state=0),
        make_pipeline(SimpleImputer(), SCALED(), XGB.XGBClassifier(**FEW)),
    ):
        subject = subject_of(cast("Any", model).fit(rows, targets))
        assert subject.draws.missing
        for given in (rows, None):
            assert check(subject, given).rows >= 178


def test_columns_that_are_dropped_are_not_asked_for():
    model, _ = tabular(LogisticRegression())()
    specs = subject_of(model).layout.columns
    assert [(column.name, column.dtype) for column in specs] == [
        ("age", "float32"),
        ("income", "float32"),
        ("y", "float32"),
        ("city name", "string"),
        ("code", "float32"),
    ]


def test_a_fault_of_the_converter_is_refused():
    # skl2onnx 1.20 gives twice the score of two classes to the logistic function.
    model, rows = fitted(LinearDiscriminantAnalysis(), CANCER)()
    for given in (rows, None):
        with pytest.raises(ParityError, match=r"`predict_proba` of the converted model differs in \d+ of \d+ rows"):
            check(subject_of(model), given)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (fitted(XGB.XGBRegressor(**FEW, booster="gblinear"), DIABETES), "`gblinear`"),
        (fitted(LGBM.LGBMRegressor(**QUIET, linear_tree=True), DIABETES), "`linear_tree`"),
    ],
)
def test_what_cannot_be_converted_is_named(make: Maker, words: str):
    with pytest.raises(UnsupportedError, match=words):
        subject_of(make()[0])


REVIEWS = pandas.DataFrame({"review": ["good", "bad", "so good"] * 9, "price": range(27), "qty": range(27)})
WORDS = ("words", TfidfVectorizer(), "review")


@pytest.mark.parametrize(
    ("model", "rows", "words"),
    [
        (TfidfVectorizer(), REVIEWS["review"], "got a `TfidfVectorizer`"),
        (make_pipeline(HashingVectorizer(), SGDClassifier()), REVIEWS["review"], "the step `hashingvectorizer` is a"),
        (
            make_pipeline(ColumnTransformer([WORDS, ("n", SCALED(), ["price", "qty"])]), LogisticRegression()),
            REVIEWS,
            "the step `columntransformer.words` is a `TfidfVectorizer`",
        ),
        (
            make_pipeline(FeatureUnion([("count", make_pipeline(CountVectorizer()))]), LogisticRegression()),
            REVIEWS["review"],
            "the step `featureunion.count.countvectorizer` is a `CountVectorizer`",
        ),
    ],
    ids=["alone", "pipeline", "column transformer", "union"],
)
def test_models_of_text_are_told_by_the_step_that_reads_it(model: Any, rows: Any, words: str):
    with pytest.raises(UnsupportedError, match=f"^models of text cannot be converted yet: .*{words}") as caught:
        subject_of(model.fit(rows, [1, 0, 1] * 9))
    assert "features" in (caught.value.hint or "")


def test_an_isolation_forest_has_labels():
    model, rows = fitted(IsolationForest(n_estimators=5, random_state=0), WINE)()
    assert [head.method for head in check(subject_of(model), rows).heads][:1] == ["predict"]


def test_categories_of_data_frames_are_refused():
    frame = pandas.DataFrame({"a": pandas.Categorical(list("xyz") * 40), "b": np.arange(120)})
    targets = [0, 1, 0] * 40
    for model in (XGB.XGBClassifier(**FEW, enable_categorical=True), LGBM.LGBMClassifier(**QUIET)):
        with pytest.raises(UnsupportedError, match="categories cannot be converted"):
            subject_of(model.fit(frame, targets))
