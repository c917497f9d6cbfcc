"""TensorFlow Lite models from file to answer, judged by LiteRT's own interpreter."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

import turnout
from tests.support.command import COMMAND
from tests.support.savedmodel import Case, make_models, require, require_tensorflow
from turnout.errors import InvalidInputError, LoadFailedError, UnsupportedError
from turnout.operations.inspection import inspect_path

pytestmark = pytest.mark.timeout(180)
"""TensorFlow takes 8 s to be imported and 10 to make the models, on an idle machine."""

MODELS = ("mlp", "identities", "images", "plain", "aliases", "control", "masked", "flex")
REFUSED = "flex"
NOT_IN_JSON = {"complex64"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Case]]:
    """A repository, and calls with their answers."""
    require_tensorflow()
    require("ai_edge_litert", "ai-edge-litert")
    folder = tmp_path_factory.mktemp("tflite")
    cases = make_models(folder, *MODELS, kind="tflite")
    return folder / "models", cases


@pytest.fixture(scope="module")
def server(made: tuple[Path, list[Case]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[turnout.Server]:
    """All models, served."""
    settings = {"cache_dir": str(tmp_path_factory.mktemp("cache")), "settle_ms": 0, "loops": 1}
    with turnout.Server(made[0], settings=settings) as server:
        server.wait_ready(60)
        yield server


def assert_same(got: NDArray[Any], want: NDArray[Any], what: str) -> None:
    assert got.dtype == want.dtype, what
    assert got.shape == want.shape, what
    # The interpreter of the wheel is built apart from the library, with the same kernels.
    assert got.tobytes() == want.tobytes(), what


def check(client: turnout.Client, case: Case) -> None:
    assert case.outputs is not None
    got = client.predict(case.model, case.inputs, signature=case.signature)
    assert got.keys() == case.outputs.keys()
    for name, want in case.outputs.items():
        assert_same(np.asarray(got[name]), want, f"{case.model}, {case.signature}, {case.what}")


def test_grpc_answers_as_the_interpreter_does(made: tuple[Path, list[Case]], server: turnout.Server) -> None:
    with turnout.Client(server.grpc_url) as client:
        for case in made[1]:
            check(client, case)


def test_rest_answers_as_the_interpreter_does(made: tuple[Path, list[Case]], server: turnout.Server) -> None:
    checked = 0
    with turnout.Client(server.rest_url) as client:
        for case in made[1]:
            # JSON has no form for scalars among rows, nor for complex numbers.
            if case.signature not in NOT_IN_JSON and case.model != "control":
                check(client, case)
                checked += 1
    assert checked > 20


def test_clients_at_one_time_each_get_their_own_answer(made: tuple[Path, list[Case]], server: turnout.Server) -> None:
    cases = [case for case in made[1] if case.model in ("mlp", "images")] * 8
    with turnout.Client(server.grpc_url) as client, ThreadPoolExecutor(8) as threads:
        list(threads.map(partial(check, client), cases))


def test_a_model_that_cannot_run_says_why_and_holds_back_nobody(server: turnout.Server) -> None:
    status = httpx.get(f"{server.rest_url}/v1/models/{REFUSED}", trust_env=False).json()["model_version_status"][0]
    assert status["state"] == "END"
    assert "`FlexMatrixDeterminant`, `FlexMatrixInverse`" in status["status"]["error_message"]
    answer = httpx.post(f"{server.rest_url}/v1/models/mlp:predict", json={"instances": [[0.5] * 8]}, trust_env=False)
    assert answer.status_code == 200


def test_what_does_not_fit_is_refused_without_harm(server: turnout.Server) -> None:
    url = f"{server.rest_url}/v1/models"
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("images", {"inputs": np.zeros((2, 8, 8, 3), int).tolist()}, "expected [1, 8, 8, 3]"),
        ("mlp", {"inputs": [[1.0]]}, "expected [?, 8]"),
        ("mlp", {"inputs": []}, "no empty tensors"),
    )
    for model, body, words in cases:
        answer = httpx.post(f"{url}/{model}:predict", json=body, trust_env=False)
        assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.text
    good = httpx.post(f"{url}/mlp:predict", json={"instances": [[1.0] * 8]}, trust_env=False)
    assert good.status_code == 200


def test_inspect_says_what_a_file_is(made: tuple[Path, list[Case]]) -> None:
    inspection = inspect_path(made[0] / "mlp" / "1" / "model.tflite")
    assert (inspection.flavor, inspection.engine, inspection.form) == ("tflite", "tflite", "TensorFlow Lite")
    assert [signature.name for signature in inspection.signatures] == ["serving_default", "a_logits"]
    assert inspection.signatures[0].inputs[0].shape == (None, 8)
    with pytest.raises(UnsupportedError, match="FlexMatrixInverse"):
        inspect_path(made[0] / REFUSED)


def test_push_publishes_the_file_and_predict_asks_it(made: tuple[Path, list[Case]], tmp_path: Path) -> None:
    file = tmp_path / "any name.bin"
    shutil.copy(made[0] / "mlp" / "1" / "model.tflite", file)
    pushed = turnout.push(file, "mlp", repository=tmp_path / "models")
    assert (pushed.manifest.flavor, pushed.manifest.engine) == ("tflite", "tflite")
    assert pushed.manifest.entry == "model.tflite"
    case = next(case for case in made[1] if (case.model, case.signature) == ("mlp", "a_logits"))
    assert case.outputs is not None
    with turnout.load(pushed.path) as model:
        got = model.predict(case.inputs, signature="a_logits")
    assert_same(np.asarray(got["z"]), case.outputs["z"], "pushed")
    rows = tmp_path / "rows.npy"
    np.save(rows, case.inputs["x"])
    command = [*COMMAND, "predict", pushed.path, "--input", rows, "--signature", "a_logits"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, len(answer.stdout.splitlines())) == (0, 5), answer.stderr
    with pytest.raises(InvalidInputError, match="keeps its own signatures"):
        turnout.push(file, "mlp", repository=tmp_path / "models", signature="predict")


@pytest.mark.parametrize("cut", [0, 3, 8, 100, -1])
def test_a_file_that_is_cut_off_is_refused(made: tuple[Path, list[Case]], tmp_path: Path, cut: int) -> None:
    whole = (made[0] / "mlp" / "1" / "model.tflite").read_bytes()
    (tmp_path / "model.tflite").write_bytes(whole[:cut])
    with turnout.load(tmp_path / "model.tflite") as model, pytest.raises(LoadFailedError):
        model.warm()


def test_a_tflite_file_beside_a_savedmodel_is_served_where_it_is_preferred(
    made: tuple[Path, list[Case]], tmp_path: Path
) -> None:
    make_models(tmp_path, "half_plus_two")
    shutil.copy(made[0] / "mlp" / "1" / "model.tflite", tmp_path / "models" / "half_plus_two" / "1")
    for prefer, signature in ((False, "half_plus_three"), (True, "a_logits")):
        settings = {"cache_dir": str(tmp_path / "cache"), "settle_ms": 0, "prefer_tflite": prefer}
        with turnout.Server(tmp_path / "models", settings=settings) as server:
            server.wait_ready(60)
            with turnout.Client(server.rest_url) as client:
                names = {each.name for each in client.metadata("half_plus_two").signatures}
        assert signature in names


def test_neither_tensorflow_nor_litert_is_imported(made: tuple[Path, list[Case]]) -> None:
    code = (
        "import sys, turnout; model = turnout.load(sys.argv[1]); model.warm();"
        "print([name for name in ('tensorflow', 'ai_edge_litert') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(made[0] / "mlp")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
