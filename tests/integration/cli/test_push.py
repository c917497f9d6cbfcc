import json
import pickle
import time
from pathlib import Path
from typing import Any, cast

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import turnout
from tests.support.command import check_recording, run
from tests.support.models import FLOWERS, IRIS, LABELS
from tests.support.process import ServeProcess

FILTERS = {
    r"/\S*/(models|iris\.onnx)": r"FOLDER/\1",
    r"[\d.]+ (B|KiB)\)": "SIZE)",
    r"[\d.]+ µs": "N µs",
    r"\d\.\de-\d+": "DIFFERENCE",
}


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    features, species = cast("tuple[Any, Any]", load_iris(return_X_y=True))
    model = cast("Any", LogisticRegression(max_iter=1000)).fit(features, species)
    path = tmp_path / "flowers.pkl"
    path.write_bytes(pickle.dumps(model))
    return path


def wait_for_version(client: turnout.Client, version: int) -> turnout.Prediction:
    """Asks until a version answers; every answer on the way must be one."""
    for _ in range(400):
        answer = client.predict("iris", FLOWERS)
        if answer.version == version:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"version {version} does not answer")


def test_an_onnx_file_becomes_a_version(tmp_path: Path) -> None:
    check_recording("push_onnx", run(["push", IRIS, "--repository", "models"], tmp_path), FILTERS)
    outcome = run(["push", IRIS, "--repository", "models", "--json", "--metric", "accuracy=0.97"], tmp_path)
    record = json.loads(outcome.stdout)
    assert (record["model"], record["version"]) == ("iris", 2)
    assert record["manifest"]["metrics"] == {"accuracy": 0.97}


def test_a_pickle_needs_trust(pickled: Path, tmp_path: Path) -> None:
    check_recording("push_untrusted", run(["push", pickled.name, "--repository", "models"], tmp_path), FILTERS)
    assert not any((tmp_path / "models").rglob("model.onnx"))


def test_a_trusted_pickle_is_converted_and_compared(pickled: Path, tmp_path: Path) -> None:
    outcome = run(["push", pickled.name, "--repository", "models", "--trust"], tmp_path)
    check_recording("push_converted", outcome, FILTERS)


def test_what_was_pushed_is_served(pickled: Path, tmp_path: Path) -> None:
    run(["push", pickled.name, "--repository", "models", "--trust", "--name", "iris"], tmp_path)
    with ServeProcess(tmp_path, tmp_path / "models") as server:
        server.wait_ready()
        with turnout.Client(server.rest_url) as client:
            assert client.predict("iris", FLOWERS).value.tolist() == LABELS
            run(["push", IRIS, "--repository", "models"], tmp_path)
            assert wait_for_version(client, 2)["label"].tolist() == LABELS
        server.signal()
        assert server.wait() == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("push_no_file", ["absent.onnx", "--repository", "models"]),
        ("push_no_repository", ["bad.onnx"]),
        ("push_no_model", ["bad.onnx", "--repository", "models"]),
        ("push_bad_name", ["bad.onnx", "--repository", "models", "--name", "a/b"]),
        ("push_bad_metric", ["bad.onnx", "--repository", "models", "--metric", "accuracy"]),
    ],
)
def test_says_what_is_wrong(name: str, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("not a model")
    check_recording(name, run(["push", *arguments], tmp_path), FILTERS)
