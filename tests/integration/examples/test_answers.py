"""Classify, Regress and MultiInference by TensorFlow Serving's stubs and by REST, judged by TensorFlow's session."""

import re
from typing import Any

import httpx
import numpy as np
import pytest

import turnout
from tests.integration.examples.conftest import FLOWERS, HALVES, SHARED, Judged
from tests.support.examples import STUBS, Case, body, put_input, request

pytestmark = pytest.mark.timeout(180)
"""TensorFlow takes 8 s to be imported and some more to make the models, on an idle machine."""

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture
def stub(channel: Any) -> Any:
    """The generated stub."""
    return STUBS.prediction_service_pb2_grpc.PredictionServiceStub(channel)


def call(stub: Any, case: Case) -> Any:
    """Sends a case to its method."""
    method = stub.Classify if case.method == "classify" else stub.Regress
    return method(request(case), timeout=20)


def post(server: turnout.Server, case: Case, where: str = "") -> httpx.Response:
    """Sends a case to its method by REST."""
    url = f"{server.rest_url}/v1/models/{case.model}{where}:{case.method}"
    return httpx.post(url, json=body(case), trust_env=False)


def expected(case: Case, answer: dict[str, Any]) -> list[Any]:
    """What an answer holds: classes as pairs, the label empty or the score 0 where the model has none."""
    if case.method == "regress":
        return np.asarray(answer["outputs"], np.float32).ravel().tolist()
    table = np.asarray(answer.get("scores", answer.get("classes")))
    labels = answer.get("classes", np.full(table.shape, "").tolist())
    scores = answer.get("scores", np.zeros(table.shape).tolist())
    return [[list(pair) for pair in zip(*row, strict=True)] for row in zip(labels, scores, strict=True)]


def results_of(response: Any) -> list[Any]:
    """The same of a message."""
    result = getattr(response, "result", response)
    if hasattr(result, "regressions"):
        return [regression.value for regression in result.regressions]
    return [[[each.label, each.score] for each in row.classes] for row in result.classifications]


def as_floats(results: list[Any]) -> list[Any]:
    """With scores as 32-bit floats, which REST writes as their shortest text."""

    return [float(np.float32(row)) if isinstance(row, float) else [as_float(pair) for pair in row] for row in results]


def as_float(pair: list[Any]) -> list[Any]:
    """A label and its score."""
    return [pair[0], float(np.float32(pair[1]))]


def test_grpc_answers_as_tensorflow_does(judged: Judged, stub: Any) -> None:
    for case, answer in judged.cases:
        response = call(stub, case)
        assert results_of(response) == expected(case, answer), case
        spec = response.model_spec
        assert (spec.name, spec.version.value) == (case.model, 1)
        assert spec.signature_name == (case.signature or "serving_default")


def test_rest_answers_as_tensorflow_does(judged: Judged, server: turnout.Server) -> None:
    for case, answer in judged.cases:
        response = post(server, case, "/versions/1")
        assert response.headers["x-turnout-model-version"] == "1"
        assert as_floats(response.json()["results"]) == as_floats(expected(case, answer)), case


def test_turnout_parses_for_an_engine_that_cannot(judged: Judged, stub: Any, server: turnout.Server) -> None:
    """The same arithmetic in ONNX, where TensorFlow's parser is not, on the same Examples."""
    for case, answer in judged.cases[2:3] + judged.cases[7:8]:
        lacking = [{"age": [3], **features} for features in case.examples] if case.context is None else case.examples
        model = "plain_scores" if case.method == "classify" else "plain_value"
        plain = Case(model, "", case.method, lacking, case.context)
        want = answer["scores"] if case.method == "classify" else answer["outputs"]
        for results in (results_of(call(stub, plain)), post(server, plain).json()["results"]):
            assert np.allclose([best_first(each) for each in results], want, rtol=0, atol=1e-6), case


def best_first(result: Any) -> Any:
    """A value, or the scores of the classes in the order in which TensorFlow's model has them."""
    return result if isinstance(result, float) else sorted((pair[1] for pair in result), reverse=True)


def test_rows_and_labels_of_converted_classifiers(stub: Any, server: turnout.Server) -> None:
    """`label` is the model's choice, and `probabilities` are of all classes: these are numbered."""
    rows = [{"x": [5.1, 3.5, 1.4, 0.2]}, {"x": [6.3, 3.3, 6.0, 2.5]}]
    case = Case("iris", "", "classify", rows)
    results = results_of(call(stub, case))
    assert [[label for label, _ in row] for row in results] == [["0", "1", "2"]] * 2
    best = [max(row, key=lambda pair: pair[1])[0] for row in results]
    assert best == ["0", "2"]
    columns = {"inputs": {"x": [row["x"] for row in rows]}}
    predicted = httpx.post(f"{server.rest_url}/v1/models/iris:predict", json=columns, trust_env=False).json()
    scores = [[score for _, score in row] for row in results]
    assert np.array_equal(np.array(scores, np.float32), np.array(predicted["outputs"]["probabilities"], np.float32))
    assert as_floats(post(server, case).json()["results"]) == results


def test_every_kind_of_feature_reaches_the_inputs(stub: Any, server: turnout.Server) -> None:
    """Models that give back what they get: numbers and texts are labels, floats are scores."""
    kinds: list[tuple[tuple[str, ...], list[Any], list[Any]]] = [
        (("float16", "float64"), [0.5, -2.0, 1e4], [["", 0.5], ["", -2.0], ["", 1e4]]),
        (("int8", "int64"), [-128, 0, 127], [["-128", 0.0], ["0", 0.0], ["127", 0.0]]),
        (("uint8", "uint64"), [1, 2, 255], [["1", 0.0], ["2", 0.0], ["255", 0.0]]),
        (("bool",), [1, 0, 1], [["1", 0.0], ["0", 0.0], ["1", 0.0]]),
        (("string",), [b"a", b"", "é".encode()], [["a", 0.0], ["", 0.0], ["é", 0.0]]),
    ]
    for models, values, wanted in kinds:
        for model in models:
            case = Case(model, "", "classify", [{"x": values}, {"x": values[::-1]}])
            numbered = [[str(at), pair[1]] for at, pair in enumerate(wanted)] if model.startswith("float") else wanted
            backwards = [[str(at), pair[1]] for at, pair in enumerate(wanted[::-1])]
            both = [numbered, backwards if model.startswith("float") else wanted[::-1]]
            assert results_of(call(stub, case)) == both, model
            assert post(server, case).json()["results"] == both, model


def tasks(*parts: tuple[str, str, str]) -> Any:
    """A MultiInference request of models, signatures and methods."""
    message = STUBS.inference_pb2.MultiInferenceRequest()
    for model, signature, method in parts:
        task = message.tasks.add(method_name=method)
        task.model_spec.name = model
        task.model_spec.signature_name = signature
    return message


def test_multi_inference_answers_as_tensorflow_does(judged: Judged, stub: Any) -> None:
    message = tasks(("flowers", "", CLASSIFY), ("flowers", "vector", REGRESS), ("flowers", "scores", CLASSIFY))
    put_input(message.input, judged.cases[0][0])
    got = stub.MultiInference(message, timeout=20).results
    wanted = [judged.cases[0], judged.cases[6], judged.cases[2]]
    assert [result.model_spec.signature_name for result in got] == ["serving_default", "vector", "scores"]
    for result, (case, answer) in zip(got, wanted, strict=True):
        arm = result.WhichOneof("result")
        assert arm == ("regression_result" if case.method == "regress" else "classification_result")
        assert results_of(getattr(result, arm)) == expected(case, answer)
        assert (result.model_spec.name, result.model_spec.version.value) == ("flowers", 1)


def test_multi_inference_runs_the_graph_once(stub: Any) -> None:
    """A counter of the graph goes on by one each call: two runs would give two numbers."""
    message = tasks(("counted", "", CLASSIFY), ("counted", "value", REGRESS))
    put_input(message.input, Case("counted", "", "classify", HALVES, SHARED))
    before = 0.0
    for _ in range(3):
        first, second = stub.MultiInference(message, timeout=20).results
        step = before + 1.0
        assert results_of(first.classification_result) == [[["", step]], [["", step]]]
        assert results_of(second.regression_result) == [step, step]
        before = step


def test_predict_takes_the_same_signatures_with_strings(judged: Judged, stub: Any) -> None:
    case, answer = judged.cases[0]
    message = STUBS.predict_pb2.PredictRequest()
    message.model_spec.name = "flowers"
    tensor = message.inputs["inputs"]
    tensor.dtype = STUBS.types_pb2.DT_STRING
    tensor.tensor_shape.dim.add(size=len(case.examples))
    examples = request(case).input.example_list.examples
    tensor.string_val.extend(each.SerializeToString() for each in examples)
    outputs = stub.Predict(message, timeout=20).outputs
    assert list(outputs["scores"].float_val) == np.ravel(answer["scores"]).tolist()


def test_calls_are_counted_under_their_signature(stub: Any, server: turnout.Server) -> None:
    def count(door: str) -> int:
        page = httpx.get(f"{server.rest_url}/metrics", trust_env=False).text
        labels = f'model="flowers",version="1",signature="column",door="{door}",code="ok"'
        found = re.search(rf"turnout_requests_total{{{labels}}} (\d+)", page)
        return int(found[1]) if found else 0

    before = count("grpc"), count("rest")
    case = Case("flowers", "column", "regress", FLOWERS)
    call(stub, case)
    post(server, case)
    assert (count("grpc"), count("rest")) == (before[0] + 1, before[1] + 1)
