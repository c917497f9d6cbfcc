"""SavedModels from folder to answer, judged by TensorFlow's own session."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

import turnout
from tests.support.savedmodel import Case, make_models, require_tensorflow
from tests.support.serving_stubs import serving_stubs
from turnout.errors import ExecutionError, InvalidInputError
from turnout.operations.inspection import inspect_path

pytestmark = pytest.mark.timeout(180)
"""TensorFlow takes 8 s to be imported and 10 to make the models, on an idle machine."""

MODELS = ("half_plus_two", "identities", "strings", "table", "kept", "counter", "defaults")
NOT_IN_JSON = {"complex64", "complex128", "string"}
"""Signatures whose values JSON has no form for, such as text that is not UTF-8."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Case]]:
    """A repository, and calls with their answers."""
    require_tensorflow()
    folder = tmp_path_factory.mktemp("savedmodel")
    cases = make_models(folder, *MODELS)
    return folder / "models", cases


@pytest.fixture(scope="module")
def server(made: tuple[Path, list[Case]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[turnout.Server]:
    """All models, served."""
    settings = {"cache_dir": str(tmp_path_factory.mktemp("cache")), "settle_ms": 0, "loops": 1}
    with turnout.Server(made[0], settings=settings) as server:
        server.wait_ready(60)
        yield server


def assert_same(got: NDArray[Any], want: NDArray[Any], what: str) -> None:
    assert got.shape == want.shape, what
    if want.dtype == np.object_:
        texts = [text.encode(errors="surrogateescape") if isinstance(text, str) else text for text in got.ravel()]
        assert texts == want.ravel().tolist(), what
    else:
        assert got.dtype == want.dtype, what
        assert got.tobytes() == want.tobytes(), what


def check(client: turnout.Client, case: Case) -> None:
    what = f"{case.model}, {case.signature}, {case.what}"
    if case.outputs is None:
        with pytest.raises(ExecutionError, match="Incompatible shapes"):
            client.predict(case.model, case.inputs, signature=case.signature)
        return
    got = client.predict(case.model, case.inputs, signature=case.signature)
    assert got.keys() == case.outputs.keys(), what
    for name, want in case.outputs.items():
        assert_same(np.asarray(got[name]), want, what)


def test_grpc_answers_as_tensorflow_does(made: tuple[Path, list[Case]], server: turnout.Server) -> None:
    with turnout.Client(server.grpc_url) as client:
        for case in made[1]:
            check(client, case)


def test_rest_answers_as_tensorflow_does(made: tuple[Path, list[Case]], server: turnout.Server) -> None:
    checked = 0
    with turnout.Client(server.rest_url) as client:
        for case in made[1]:
            # A counter has counted already, and a signature without inputs has no place in a REST request.
            if case.signature not in NOT_IN_JSON and case.inputs and case.model != "counter":
                check(client, case)
                checked += 1
    assert checked > 40


def test_other_shapes_than_those_of_the_signature_are_the_graphs_business(server: turnout.Server) -> None:
    url = f"{server.rest_url}/v1/models/half_plus_two:predict"
    for body, answer in (
        ({"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),
        ({"instances": [[1.0], [2.0]]}, {"predictions": [[2.5], [3.0]]}),
        ({"inputs": 3.0}, {"outputs": 3.5}),
        ({"signature_name": "half_plus_three", "inputs": [[[1.0]]]}, {"outputs": [[[3.5]]]}),
    ):
        assert httpx.post(url, json=body, trust_env=False).json() == answer


def test_inputs_that_a_request_leaves_out_have_their_defaults(server: turnout.Server) -> None:
    stubs = serving_stubs()
    request = stubs.predict_pb2.PredictRequest()
    request.model_spec.name = "defaults"
    request.inputs["x"].dtype = stubs.types_pb2.DT_FLOAT
    request.inputs["x"].tensor_shape.dim.add(size=2)
    request.inputs["x"].float_val.extend([1, 2])
    with grpc.insecure_channel(server.grpc_address) as channel:
        predict = stubs.prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        answer = predict(request, timeout=10)
        assert list(answer.outputs["y"].float_val) == [3, 6]
        assert list(answer.outputs["unit"].string_val) == [b"m", b"s"]
        request.inputs["factor"].CopyFrom(request.inputs.pop("x"))
        with pytest.raises(grpc.RpcError, match=r"alias: x\(feed name: x:0\) not found in request"):
            predict(request, timeout=10)


def test_in_process_answers_as_tensorflow_does(made: tuple[Path, list[Case]]) -> None:
    models = {name: turnout.load(made[0] / name) for name in MODELS}
    try:
        for case in made[1]:
            if case.outputs is None:
                continue
            got = models[case.model].predict(case.inputs, signature=case.signature)
            for name, want in case.outputs.items():
                assert_same(np.asarray(got[name]), want, f"{case.model}, {case.signature}, {case.what}")
    finally:
        for model in models.values():
            model.close()


def test_inspect_says_what_a_folder_is(made: tuple[Path, list[Case]]) -> None:
    inspection = inspect_path(made[0] / "half_plus_two")
    assert (inspection.flavor, inspection.engine, inspection.note) == ("savedmodel", "savedmodel", "")
    assert [signature.name for signature in inspection.signatures] == ["serving_default", "a_sum", "half_plus_three"]
    assert inspection.signatures[0].inputs[0].shape == (None, 1)


def test_push_publishes_the_whole_folder(made: tuple[Path, list[Case]], tmp_path: Path) -> None:
    pushed = turnout.push(made[0] / "table" / "1", "words", repository=tmp_path)
    assert (pushed.manifest.flavor, pushed.manifest.engine) == ("savedmodel", "savedmodel")
    assert {file.name for file in pushed.manifest.files} >= {"saved_model.pb", "assets/words.txt"}
    model = turnout.load(pushed.path)
    try:
        assert model.predict([b"green", b"none"]).value.tolist() == [1, 3]
    finally:
        model.close()


def test_a_push_refuses_another_signature(made: tuple[Path, list[Case]], tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="keeps its own signatures: got `predict`"):
        turnout.push(made[0] / "table" / "1", "words", repository=tmp_path, signature="predict")


def test_the_control_plane_never_imports_tensorflow(made: tuple[Path, list[Case]]) -> None:
    code = (
        "import sys, turnout; model = turnout.load(sys.argv[1]); print(model.predict([[1.0]]).value.tolist());"
        "print('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(made[0] / "half_plus_two")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout == "[[2.5]]\nFalse\n"
