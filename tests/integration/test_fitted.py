from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import turnout
from turnout.errors import FlavorUnknownError

FEATURES, SPECIES = cast("tuple[Any, Any]", load_iris(return_X_y=True))


@pytest.fixture(scope="module")
def fitted() -> Any:
    return cast("Any", LogisticRegression(max_iter=1000)).fit(FEATURES, SPECIES)


@pytest.fixture(autouse=True)
def temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_fitted_model_is_loaded_and_leaves_nothing_behind(fitted: Any, temporary_folder: Path) -> None:
    with turnout.load(fitted, sample=FEATURES) as model:
        np.testing.assert_array_equal(model.predict(FEATURES).value, fitted.predict(FEATURES))
        probabilities = model.predict(FEATURES, signature="predict_proba").value
        np.testing.assert_allclose(probabilities, fitted.predict_proba(FEATURES), atol=1e-4)
    assert list(temporary_folder.iterdir()) == []


def test_a_fitted_model_is_served_and_leaves_nothing_behind(
    fitted: Any, temporary_folder: Path, tmp_path: Path
) -> None:
    settings = {"cache_dir": str(tmp_path / "cache"), "loops": 1}
    with turnout.Server(fitted, name="flowers", settings=settings) as server:
        server.wait_ready(20)
        for url in (server.rest_url, server.grpc_url):
            with turnout.Client(url) as client:
                answer = client.predict("flowers", FEATURES[:10])
                np.testing.assert_array_equal(answer.value, fitted.predict(FEATURES[:10]))
    assert list(temporary_folder.iterdir()) == []


def test_what_cannot_be_converted_is_refused_and_leaves_nothing_behind(temporary_folder: Path) -> None:
    with pytest.raises(FlavorUnknownError, match=r"no flavor recognises an object of this class: `builtins\.dict`"):
        turnout.load({"not": "a model"})
    with pytest.raises(FlavorUnknownError):
        turnout.Server(object())
    assert list(temporary_folder.iterdir()) == []
