"""Classify, Regress and MultiInference on models of scikit-learn, judged by scikit-learn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import turnout
from tests.integration.examples.test_answers import CLASSIFY, call, results_of, tasks
from tests.support.examples import STUBS, Case, Features, put_input
from tests.support.models import wait_settled

pytestmark = pytest.mark.timeout(180)
"""Two conversions with their checks."""

COLORS = np.array(["red", "green", "blue"])
ROWS = np.random.default_rng(3).normal(size=(60, 3)).astype(np.float32)
EXAMPLES: list[Features] = [{"x": [float(value) for value in row]} for row in ROWS[:5]]


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    """A classifier of texts, and a regression."""
    classifier: Any = LogisticRegression()
    regression: Any = LinearRegression()
    return classifier.fit(ROWS, COLORS[ROWS.argmax(axis=1)]), regression.fit(ROWS, ROWS @ [1.0, -2.0, 0.5])


@pytest.fixture(scope="module")
def stub(models: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Both, pushed and served."""
    repository: Path = tmp_path_factory.mktemp("repository")
    for name, model in zip(("colors", "numbers"), models, strict=True):
        turnout.push(model, name, repository=repository)
    settings = {"cache_dir": str(tmp_path_factory.mktemp("cache")), "settle_ms": 0, "loops": 1}
    with turnout.Server(repository, settings=settings) as server:
        assert wait_settled(server).grpc_address is not None
        with grpc.insecure_channel(server.grpc_address or "") as channel:
            yield STUBS.prediction_service_pb2_grpc.PredictionServiceStub(channel)


def test_each_method_of_a_classifier_is_a_signature(models: tuple[Any, Any], stub: Any) -> None:
    labels = results_of(call(stub, Case("colors", "", "classify", EXAMPLES)))
    assert [row[0][0] for row in labels] == models[0].predict(ROWS[:5]).tolist()
    scores = results_of(call(stub, Case("colors", "predict_proba", "classify", EXAMPLES)))
    got = np.array([[score for _, score in row] for row in scores])
    assert np.allclose(got, models[0].predict_proba(ROWS[:5]), rtol=0, atol=1e-5)


def test_a_regression_answers_with_values(models: tuple[Any, Any], stub: Any) -> None:
    values = results_of(call(stub, Case("numbers", "", "regress", EXAMPLES)))
    assert np.allclose(values, models[1].predict(ROWS[:5]), rtol=0, atol=1e-4)


def test_several_methods_are_answered_at_once(stub: Any) -> None:
    message = tasks(("colors", "predict_proba", CLASSIFY), ("colors", "", CLASSIFY))
    put_input(message.input, Case("colors", "", "classify", EXAMPLES))
    got = [results_of(result.classification_result) for result in stub.MultiInference(message, timeout=20).results]
    alone = [results_of(call(stub, Case("colors", name, "classify", EXAMPLES))) for name in ("predict_proba", "")]
    assert got == alone
