"""What Classify, Regress and MultiInference refuse, and in which words."""

from typing import Any

import grpc
import httpx
import pytest

import turnout
from tests.integration.examples.conftest import FLOWERS, HALVES
from tests.integration.examples.test_answers import CLASSIFY, REGRESS, call, post, results_of, tasks
from tests.support.examples import STUBS, Case, Features, put_input, request

pytestmark = pytest.mark.timeout(180)

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
PARSE_FAULT = "Name: <unknown>, Feature: petals (data type: float) is required but could not be found."


@pytest.fixture
def stub(channel: Any) -> Any:
    """The generated stub."""
    return STUBS.prediction_service_pb2_grpc.PredictionServiceStub(channel)


def failure(method: Any, message: Any) -> tuple[grpc.StatusCode, str]:
    """The status of a call that has to fail, and its text."""
    with pytest.raises(grpc.RpcError) as caught:
        method(message, timeout=20)
    error: Any = caught.value
    return error.code(), error.details()


def unfit(signature: str, method: str = "classify") -> Case:
    """A good request to a signature that cannot answer it."""
    return Case("unfit", signature, method, FLOWERS)


REFUSED: list[tuple[Case, str]] = [
    (unfit(""), "Expected one or two output Tensors, found 3"),
    (unfit("two_inputs"), "Expected one input Tensor."),
    (unfit("two_inputs", "regress"), "Expected one input Tensor."),
    (unfit("another_name"), "No classification inputs found in SignatureDef: "),
    (unfit("another_value", "regress"), "No regression inputs found in SignatureDef: "),
    (
        unfit("no_classes"),
        'Expected classification signature outputs to contain at least one of "classes" or "scores".',
    ),
    (unfit("no_classes", "regress"), "No regression outputs found in SignatureDef: "),
    (unfit("other_widths", "regress"), "Expected one output Tensor."),
    (unfit("vector_scores"), "Expected Tensor shape: [batch_size num_classes] but got [3]"),
    (unfit("double_scores"), "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
    (unfit("float_classes"), "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
    (unfit("one_row"), "Expected scores output batch size of 3. Got: 1"),
    (unfit("other_widths"), "Tensors class and score should match in dim_size(1). Got 2 vs. 3"),
    (unfit("wide_outputs", "regress"), "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but"),
    (unfit("one_output", "regress"), "Input batch size did not match output batch size: 3 vs. 1"),
    (unfit("integers", "regress"), "Expected output Tensor of DT_FLOAT.  Got: DT_INT64"),
    (unfit("float_input"), "Expects arg[0] to be float but string is provided"),
    (unfit("nothing"), "No signature was found with the name: nothing"),
    (unfit("nothing", "regress"), "No signature was found with the name: nothing"),
    (Case("flowers", "", "classify", [{"age": [1]}]), PARSE_FAULT),
    (Case("flowers", "", "classify", [{"petals": [1.0]}]), "Name: <unknown>, Key: petals, Index: 0.  Number of float"),
    (
        Case("flowers", "", "classify", [{"petals": [1, 2]}]),
        "Name: <unknown>, Key: petals, Index: 0.  Data types don't",
    ),
    (
        Case("plain_value", "", "classify", [{"petals": [1.0, 2.0], "age": []}]),
        "feature `age` of example 0 has the wrong",
    ),
    (
        Case("plain_scores", "", "classify", [{"petals": [1, 2]}]),
        "feature `petals` of example 0 has the wrong kind: got ",
    ),
    (Case("plain_scores", "", "classify", [{"age": [1]}]), "example 0 has no feature `petals`: expected `petals`"),
    (Case("plain_scores", "", "regress", HALVES), "Expected output Tensor shape to be either [batch_size] or"),
    (
        Case("uint8", "", "classify", [{"x": [1, 256, 3]}]),
        "feature `x` of example 0 has a value out of the range of uint8: 256",
    ),
    (
        Case("int64", "", "classify", [{"x": [1]}]),
        "feature `x` of example 0 has the wrong number of values: got 1, expected 3",
    ),
    (
        Case("bool", "", "classify", [{"x": [1, 0, 1]}, {"x": [1, 2, 0]}]),
        "feature `x` of example 1 has a value out of the range of bool",
    ),
]


def test_both_doors_refuse_in_the_same_words(stub: Any, server: turnout.Server) -> None:
    for case, text in REFUSED:
        method = stub.Classify if case.method == "classify" else stub.Regress
        status, details = failure(method, request(case))
        assert (status, details[: len(text)]) == (INVALID, text), case
        answer = post(server, case)
        assert (answer.status_code, answer.json()["error"][: len(text)]) == (400, text), case


def test_models_versions_and_labels_are_looked_up_as_by_predict(stub: Any, server: turnout.Server) -> None:
    message = request(Case("nobody", "", "classify", HALVES))
    assert failure(stub.Classify, message) == (NOT_FOUND, "Servable not found for request: Latest(nobody)")
    message.model_spec.name = "flowers"
    message.model_spec.version.value = 50
    assert failure(stub.Classify, message) == (NOT_FOUND, "Servable not found for request: Specific(flowers, 50)")
    message.model_spec.version_label = "best"
    assert failure(stub.Classify, message) == (INVALID, "Unrecognized servable version label: best")
    message.ClearField("model_spec")
    assert failure(stub.Classify, message) == (INVALID, "Missing ModelSpec")
    for where, status in (("", 404), ("/versions/50", 404), ("/labels/best", 400)):
        model = "flowers" if where else "nobody"
        assert post(server, Case(model, "", "regress", HALVES), where).status_code == status


def test_an_empty_input_is_refused(stub: Any) -> None:
    message = STUBS.classification_pb2.ClassificationRequest()
    message.model_spec.name = "flowers"
    for arm in (None, "example_list", "example_list_with_context"):
        if arm is not None:
            getattr(message.input, arm).SetInParent()
        assert failure(stub.Classify, message) == (INVALID, "Input is empty."), arm
    message.model_spec.name = "plain_scores"
    assert failure(stub.Classify, message) == (INVALID, "Input is empty.")


def test_a_label_that_is_not_utf_8_is_refused_by_grpc_alone(stub: Any, server: turnout.Server) -> None:
    case = unfit("not_utf_8")
    assert failure(stub.Classify, request(case)) == (INVALID, "the label of a class is not UTF-8: `\\xff`")
    assert post(server, case).content == b'{"results":[[["\xff",0.0]],[["\xff",0.0]],[["\xff",0.0]]]}'


def test_multi_inference_refuses_what_one_call_cannot_answer(stub: Any) -> None:
    unimplemented = grpc.StatusCode.UNIMPLEMENTED
    classify, regress = ("flowers", "", CLASSIFY), ("flowers", "vector", REGRESS)
    cases = [
        ((), INVALID, "ModelSpec has no name specified."),
        ((("", "", CLASSIFY),), INVALID, "ModelSpec has no name specified."),
        ((classify, ("", "vector", REGRESS)), INVALID, "Found ModelSpec with an empty model name."),
        (
            (classify, ("exported", "regress", REGRESS)),
            INVALID,
            "All ModelSpecs in a MultiInferenceRequest must access",
        ),
        ((classify, regress, regress), INVALID, "Duplicate evaluation of signature: vector"),
        (
            (classify, ("flowers", "serving_default", REGRESS)),
            INVALID,
            "Duplicate evaluation of signature: serving_def",
        ),
        ((classify, ("flowers", "none", REGRESS)), INVALID, "Requested signature not found in model graph: none"),
        ((("flowers", "", "predict"),), unimplemented, "Unsupported signature method_name: predict"),
        (
            (("flowers", "", "tensorflow/serving/predict"),),
            unimplemented,
            "Unsupported signature method_name: tensorflow/",
        ),
        ((classify, ("flowers", "scores", REGRESS)), INVALID, "No regression outputs found in SignatureDef: "),
        ((("nobody", "", CLASSIFY),), NOT_FOUND, "Servable not found for request: Latest(nobody)"),
        (
            (("exported", "", CLASSIFY), ("exported", "regress", REGRESS)),
            INVALID,
            "Input tensor must be the same for all Signatures.",
        ),
    ]
    for parts, status, text in cases:
        message = tasks(*parts)
        put_input(message.input, Case("", "", "", FLOWERS))
        code, details = failure(stub.MultiInference, message)
        assert (code, details[: len(text)]) == (status, text), parts
    assert failure(stub.MultiInference, tasks(classify)) == (INVALID, "Input is empty.")


def test_bytes_that_are_no_example_are_the_graphs_business_or_named(channel: Any) -> None:
    """The messages are made by hand: the generated ones cannot hold them."""
    classify = channel.unary_unary("/tensorflow.serving.PredictionService/Classify")
    broken = bytes([10, 255])
    raw = bytes([10, len(broken)]) + broken
    spec = {
        "flowers": "Could not parse example input, value: ",
        "plain_scores": "example 0 is not a `tensorflow.Example`",
    }
    for model, text in spec.items():
        name = model.encode()
        head = bytes([10, len(name) + 2, 10, len(name)]) + name
        message = head + bytes([18, len(raw) + 2, 10, len(raw)]) + raw
        code, details = failure(classify, message)
        assert code == INVALID
        assert text in details


def test_a_context_for_many_examples_is_bounded(stub: Any, server: turnout.Server) -> None:
    """A short request that would unfold to gigabytes."""
    context: Features = {"petals": [1.0, 2.0], "color": [b"x" * 100_000]}
    nothing: list[Features] = [{}] * 1_000
    case = Case("flowers", "", "classify", nothing, context)
    code, details = failure(stub.Classify, request(case))
    assert (code, details[:31]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "the Examples with their context")
    answer = post(server, case)
    assert answer.status_code == 413, answer.text
    # Where Turnout parses, what the signature does not ask for is not unfolded.
    plain = Case("plain_scores", "", "classify", nothing, context)
    assert len(results_of(call(stub, plain))) == 1_000


DOCUMENTS: list[tuple[str, str]] = [
    ("", "JSON Parse error: The document is empty"),
    ("{", "JSON Parse error: Missing a name for object member. at offset: 1"),
    ("[]", "JSON Value: [] Is not object"),
    ("{}", "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
    ('{"examples": {}}', """JSON Value: {"examples": {}} Expecting 'examples' value to be an list/array"""),
    ('{"examples": []}', """JSON Value: {"examples": []} 'examples' value is an empty array"""),
    ('{"examples": [[1]]}', "Example must be JSON object but got JSON Array"),
    ('{"examples": [1]}', "Example must be JSON object but got JSON Number"),
    ('{"examples": [{}], "context": "x"}', "Example must be JSON object but got JSON String"),
    ('{"examples": [{"a": [10, 10.0]}]}', "Unexpected element type in feature: a expecting type: int64"),
    ('{"examples": [{"a": [1.5, "x"]}]}', "Unexpected element type in feature: a expecting type: float"),
    ('{"examples": [{"a": ["x", true]}]}', "Unexpected element type in feature: a expecting type: bytes"),
    ('{"examples": [{"a": [[1]]}]}', "Feature: a has element with unexpected JSON type: Array"),
    ('{"examples": [{"a": null}]}', "Feature: a has element with unexpected JSON type: Null"),
    ('{"examples": [{"a": {"c": 1}}]}', "Feature: a has element with unexpected JSON type: Object"),
    ('{"examples": [{"a": {"b64": "***"}}]}', "Unable to base64 decode"),
    ('{"examples": [{"a": 9223372036854775808}]}', "Feature: a has uint64 element. Only int64 is supported."),
    ('{"signature_name": 1, "examples": []}', """JSON Value: {"signature_name": 1, "examples": []} not formatted"""),
]


def test_documents_are_refused_in_words_before_the_model_is_looked_up(server: turnout.Server) -> None:
    for verb in ("classify", "regress"):
        for model in ("flowers", "nobody"):
            url = f"{server.rest_url}/v1/models/{model}:{verb}"
            for text, want in DOCUMENTS:
                answer = httpx.post(url, content=text, trust_env=False)
                assert (answer.status_code, answer.json()["error"][: len(want)]) == (400, want), text


def test_a_bomb_of_brackets_is_refused(server: turnout.Server) -> None:
    url = f"{server.rest_url}/v1/models/flowers:classify"
    for text in ('{"examples": ' + "[" * 500_000, '{"examples": [{"a": ' + '{"b":' * 200_000):
        assert httpx.post(url, content=text, trust_env=False).status_code == 400
    assert post(server, Case("flowers", "", "classify", FLOWERS)).status_code == 200
