"""Real models of three frameworks, pushed and asked: every signature gives the framework's own answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import lightgbm as lightgbm_module
import numpy as np
import pytest
import xgboost as xgboost_module
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import turnout

# The frameworks' own types are partly unknown.
lightgbm: Any = lightgbm_module
xgboost: Any = xgboost_module
support_vectors: Any = SVC

Rows = NDArray[Any]
Maker = Callable[[], tuple[Any, Rows]]


def data(load: Callable[..., Any]) -> tuple[Rows, Rows]:
    """Features and targets of a data set that comes with scikit-learn."""
    return cast("tuple[Rows, Rows]", load(return_X_y=True))


def fitted(model: Any, load: Callable[..., Any]) -> tuple[Any, Rows]:
    """A model that has learnt a data set, and the rows."""
    rows, targets = data(load)
    return model.fit(rows, targets), rows


def scaled(model: Any) -> Any:
    """The model behind a scaler."""
    return Pipeline([("scale", StandardScaler()), ("fit", model)])


def species() -> tuple[Any, Rows]:
    """A classifier whose labels are text."""
    rows, targets = data(load_iris)
    names = np.array(["setosa", "versicolor", "virginica"])[targets]
    return cast("Any", LogisticRegression(max_iter=500)).fit(rows, names), rows


CLASSIFIERS: dict[str, Maker] = {
    "logistic regression": lambda: fitted(
        Pipeline([("scale", StandardScaler()), ("fit", LogisticRegression())]), load_breast_cancer
    ),
    "text labels": species,
    "forest": lambda: fitted(RandomForestClassifier(20, random_state=0), load_breast_cancer),
    "histogram boosting": lambda: fitted(HistGradientBoostingClassifier(max_iter=20), load_breast_cancer),
    "perceptron": lambda: fitted(MLPClassifier((16,), max_iter=60, random_state=0), load_digits),
    "XGBoost, two classes": lambda: fitted(xgboost.XGBClassifier(n_estimators=20), load_breast_cancer),
    "XGBoost, three classes": lambda: fitted(xgboost.XGBClassifier(n_estimators=10), load_iris),
    "LightGBM": lambda: fitted(lightgbm.LGBMClassifier(n_estimators=20, verbose=-1), load_breast_cancer),
}
REGRESSORS: dict[str, Maker] = {
    "linear regression": lambda: fitted(LinearRegression(), load_diabetes),
    "XGBoost": lambda: fitted(xgboost.XGBRegressor(n_estimators=30), load_diabetes),
    "LightGBM": lambda: fitted(lightgbm.LGBMRegressor(n_estimators=30, verbose=-1), load_diabetes),
}


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default")  # the frameworks warn on their own behalf
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_gives_its_labels_and_probabilities(name: str, tmp_path: Path) -> None:
    model, rows = CLASSIFIERS[name]()
    pushed = turnout.push(model, "m", repository=tmp_path, sample=rows)
    with turnout.load(pushed.path) as served:
        assert served.signatures[0].name == "serving_default"
        assert [str(label) for label in served.predict(rows).value] == [str(label) for label in model.predict(rows)]
        got = served.predict(rows, signature="predict_proba").value
    assert np.abs(got - model.predict_proba(rows)).max() <= 1e-4
    assert pushed.manifest.parity is not None
    assert pushed.manifest.parity["rows"] == len(rows)


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_gives_one_number_a_row(name: str, tmp_path: Path) -> None:
    model, rows = REGRESSORS[name]()
    pushed = turnout.push(model, "m", repository=tmp_path)
    assert pushed.manifest.sample == "generated"
    with turnout.load(pushed.path) as served:
        got = served.predict(rows).value
    want = model.predict(rows)
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default")
def test_a_support_vector_machine_has_labels_and_scores(tmp_path: Path) -> None:
    model, rows = fitted(support_vectors(gamma=0.001), load_digits)
    pushed = turnout.push(model, "m", repository=tmp_path, sample=rows[:300])
    with turnout.load(pushed.path) as served:
        assert served.predict(rows[:300]).value.tolist() == model.predict(rows[:300]).tolist()
        assert "predict_proba" not in {signature.name for signature in served.signatures}


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default")
def test_files_of_the_frameworks_are_taken_as_they_say_themselves(tmp_path: Path) -> None:
    rows, targets = data(load_breast_cancer)
    wrapper = xgboost.XGBClassifier(n_estimators=10).fit(rows, targets)
    wrapper.save_model(tmp_path / "wrapper.json")
    booster = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(rows, targets).booster_
    booster.save_model(tmp_path / "booster.txt")
    answers: dict[str, Rows] = {}
    for file in ("wrapper.json", "booster.txt"):
        pushed = turnout.push(tmp_path / file, file.partition(".")[0], repository=tmp_path / "models")
        with turnout.load(pushed.path) as served:
            answers[file] = served.predict(rows).value
    assert answers["wrapper.json"].tolist() == wrapper.predict(rows).tolist()
    assert np.abs(answers["booster.txt"] - cast("Rows", booster.predict(rows))).max() <= 1e-4


@pytest.mark.filterwarnings("default")
def test_another_signature_can_be_the_default(tmp_path: Path) -> None:
    model, rows = CLASSIFIERS["logistic regression"]()
    pushed = turnout.push(model, "m", repository=tmp_path, sample=rows, signature="predict_proba")
    with turnout.load(pushed.path) as served:
        assert np.abs(served.predict(rows).value - model.predict_proba(rows)).max() <= 1e-4
