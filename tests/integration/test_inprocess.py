import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import turnout
from tests.support.models import FLOWERS, IRIS, LABELS, add_version
from turnout.errors import (
    ArtifactInvalidError,
    FlavorUnknownError,
    ForkedError,
    InvalidInputError,
    RepositoryError,
    RuntimeMissingError,
    SignatureNotFoundError,
    UnavailableError,
)
from turnout.repository.pin import Pin, write_pin


def test_answers_arrays_with_arrays() -> None:
    with turnout.load(IRIS) as model:
        prediction = model.predict({"x": np.array(FLOWERS, np.float32)})
        assert prediction["label"].tolist() == LABELS
        assert prediction["label"].dtype == np.int64
        assert prediction["probabilities"].shape == (3, 3)
        assert (prediction.model, prediction.version) == ("iris", 1)


@pytest.mark.parametrize(
    "inputs",
    [FLOWERS, np.array(FLOWERS), {"x": FLOWERS}, np.array(FLOWERS, ">f8"), np.array(FLOWERS).T.copy().T],
    ids=["lists", "doubles", "by name", "big-endian", "not contiguous"],
)
def test_takes_what_numpy_makes_an_array_of(inputs: turnout.Prediction) -> None:
    with turnout.load(IRIS) as model:
        assert model.predict(inputs)["label"].tolist() == LABELS


def test_loads_at_the_first_use(tmp_path: Path) -> None:
    path = tmp_path / "later.onnx"
    path.write_bytes(b"not a model")
    model = turnout.load(path)
    with pytest.raises(ArtifactInvalidError, match="not an ONNX file"):
        model.warm()
    path.write_bytes(IRIS.read_bytes())
    assert model.warm().predict(FLOWERS)["label"].tolist() == LABELS


def test_says_what_it_answers_to() -> None:
    with turnout.load(IRIS) as model:
        (signature,) = model.signatures
        assert [(spec.name, spec.dtype, spec.shape) for spec in signature.inputs] == [("x", "float32", (None, 4))]
        assert [spec.name for spec in signature.outputs] == ["label", "probabilities"]


def test_takes_the_pinned_or_else_the_newest_version(tmp_path: Path) -> None:
    for version in (1, 2, 10):
        folder = add_version(tmp_path, "iris", version)
    assert turnout.load(folder).version == 10
    assert turnout.load(folder, version=2).version == 2
    write_pin(folder, Pin(1, "me", "2026-01-01T00:00:00Z", ""))
    assert turnout.load(folder).version == 1
    assert turnout.load(folder / "2").version == 2


def test_says_which_versions_there_are(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "iris", 3)
    with pytest.raises(RepositoryError, match="model `iris` has no such version: expected one of 3, got 4"):
        turnout.load(folder, version=4)
    with pytest.raises(RepositoryError, match="a folder of models is not one model") as caught:
        turnout.load(tmp_path)
    assert caught.value.hint == f"Choose one of them: `{tmp_path}/NAME`."


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        ({"y": FLOWERS}, {}, InvalidInputError, "expected `x`"),
        ([[1.0]], {}, InvalidInputError, r"got \[1, 1\], expected \[\?, 4\]"),
        ([["a", "b", "c", "d"]], {}, InvalidInputError, "wrong element type: expected `float32`"),
        (FLOWERS, {"signature": "other"}, SignatureNotFoundError, "expected one of `serving_default`, got `other`"),
    ],
)
def test_refuses_in_words(
    inputs: dict[str, list[list[float]]], options: dict[str, str], error: type[Exception], message: str
) -> None:
    with turnout.load(IRIS) as model, pytest.raises(error, match=message):
        model.predict(inputs, signature=options.get("signature"))


def test_threads_get_their_own_answers() -> None:
    rows = [row.astype(np.float32) for row in np.random.default_rng(0).uniform(0, 8, (400, 1, 4))]
    with turnout.load(IRIS) as model, ThreadPoolExecutor(8) as pool:
        alone = [model.predict(row) for row in rows]
        together = list(pool.map(model.predict, rows))
    for left, right in zip(alone, together, strict=True):
        np.testing.assert_array_equal(left["probabilities"], right["probabilities"])


def test_is_closed_for_good() -> None:
    model = turnout.load(IRIS).warm()
    model.close()
    model.close()
    with pytest.raises(UnavailableError, match="the model is closed: `iris`"):
        model.predict(FLOWERS)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_told() -> None:
    model = turnout.load(IRIS).warm()
    child = os.fork()
    if child == 0:
        try:
            model.predict(FLOWERS)
        except ForkedError:
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert model.predict(FLOWERS)["label"].tolist() == LABELS


def test_a_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(RuntimeMissingError) as caught:
        turnout.load(IRIS).warm()
    assert caught.value.hint == "pip install 'turnout[onnx]'"


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FlavorUnknownError, match="no flavor recognises the file"):
        turnout.load(tmp_path / "notes.txt").warm()
