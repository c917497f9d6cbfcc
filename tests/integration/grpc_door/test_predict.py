"""TensorFlow Serving's own message classes and stubs as the client."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

import turnout
from tests.support.models import FLOWERS, LABELS, add_version, wait_settled
from tests.support.serving_stubs import serving_stubs

STUBS = serving_stubs()
TYPES = STUBS.types_pb2


def tensor(data_type: int, shape: tuple[int, ...], **fields: Any) -> Any:
    """A `TensorProto` with the given fields."""
    proto = STUBS.tensor_pb2.TensorProto(dtype=data_type, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def request(model: str = "iris", **inputs: Any) -> Any:
    """A `PredictRequest` of the given tensors."""
    message = STUBS.predict_pb2.PredictRequest()
    message.model_spec.name = model
    for name, proto in inputs.items():
        message.inputs[name].CopyFrom(proto)
    return message


def flowers() -> Any:
    """Three rows in the typed field that most clients use."""
    return tensor(TYPES.DT_FLOAT, (3, 4), float_val=[value for row in FLOWERS for value in row])


@pytest.fixture
def predict(channel: Any) -> Any:
    """The method of the generated stub."""
    return STUBS.prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict


def failure(call: Any, *arguments: Any, **options: Any) -> Any:
    """The error of a call that has to fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value


def test_answers_with_typed_fields_and_the_version(predict: Any) -> None:
    response = predict(request(x=flowers()), timeout=10)
    assert list(response.outputs["label"].int64_val) == LABELS
    probabilities = response.outputs["probabilities"]
    assert len(probabilities.float_val) == 9
    assert [dim.size for dim in probabilities.tensor_shape.dim] == [3, 3]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("iris", 2, "serving_default")


def test_answers_by_version_and_with_the_outputs_asked_for(predict: Any) -> None:
    message = request(x=flowers())
    message.model_spec.version.value = 1
    message.output_filter.append("label")
    response = predict(message, timeout=10)
    assert list(response.outputs) == ["label"]
    assert response.model_spec.version.value == 1


def test_numbers_come_as_tensor_content_where_that_is_set(tmp_path: Path) -> None:
    add_version(tmp_path / "models", "iris", 1)
    settings = {"cache_dir": str(tmp_path / "cache"), "settle_ms": 0, "loops": 1, "grpc_tensor_content": True}
    with turnout.Server(tmp_path / "models", settings=settings) as server:
        wait_settled(server)
        assert server.grpc_address is not None
        with grpc.insecure_channel(server.grpc_address) as channel:
            predict = STUBS.prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            label = predict(request(x=flowers()), timeout=10).outputs["label"]
        assert np.frombuffer(label.tensor_content, "<i8").tolist() == LABELS
        assert not label.int64_val
        with turnout.Client(server.grpc_url) as client:
            assert client.predict("iris", FLOWERS)["label"].tolist() == LABELS


def test_tensor_content_and_typed_values_are_the_same(predict: Any) -> None:
    content = tensor(TYPES.DT_FLOAT, (3, 4), tensor_content=np.array(FLOWERS, np.float32).tobytes())
    assert predict(request(x=content), timeout=10) == predict(request(x=flowers()), timeout=10)


def test_one_value_fills_a_shape(predict: Any) -> None:
    response = predict(request("float32", x=tensor(TYPES.DT_FLOAT, (2, 3), float_val=[1.5])), timeout=10)
    assert list(response.outputs["y"].float_val) == [1.5] * 6


def test_eight_megabytes_come_and_go(predict: Any) -> None:
    values = np.random.default_rng(1).normal(size=(700_000, 3)).astype(np.float32)
    sent = tensor(TYPES.DT_FLOAT, values.shape, tensor_content=values.tobytes())
    got = predict(request("float32", x=sent), timeout=20).outputs["y"]
    assert np.array_equal(np.array(got.float_val, np.float32).reshape(values.shape), values)


def test_a_compressed_request_is_taken(predict: Any) -> None:
    response = predict(request(x=flowers()), timeout=10, compression=grpc.Compression.Gzip)
    assert list(response.outputs["label"].int64_val) == LABELS


def test_another_compression_is_refused_in_words(predict: Any) -> None:
    error = failure(predict, request(x=flowers()), timeout=10, compression=grpc.Compression.Deflate)
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_request_over_the_limit_is_refused_in_words(predict: Any) -> None:
    large = tensor(TYPES.DT_FLOAT, (17 << 20, 1), tensor_content=bytes(68 << 20))
    error = failure(predict, request("float32", x=large), timeout=20)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "`max_body_bytes`" in error.details()


def test_faults_have_the_texts_that_clients_match_on(predict: Any) -> None:
    unknown_signature = request(x=flowers())
    unknown_signature.model_spec.signature_name = "other"
    unknown_label = request(x=flowers())
    unknown_label.model_spec.version_label = "stable"
    code = grpc.StatusCode
    cases = [
        (request("nobody", x=flowers()), code.NOT_FOUND, "Servable not found for request: Latest(nobody)"),
        (unknown_signature, code.FAILED_PRECONDITION, 'Serving signature key "other" not found.'),
        (unknown_label, code.INVALID_ARGUMENT, "Unrecognized servable version label: stable"),
        (STUBS.predict_pb2.PredictRequest(), code.INVALID_ARGUMENT, "Missing ModelSpec"),
        (request(z=flowers()), code.INVALID_ARGUMENT, "Signature input alias: x(feed name: x) not found in request"),
        (request(), code.INVALID_ARGUMENT, "input size does not match signature: 0!=1 len({}) != len({x})."),
        (request(x=tensor(0, ())), code.INVALID_ARGUMENT, "tensor parsing error: x"),
        (request(x=tensor(TYPES.DT_FLOAT, (1 << 60,), float_val=[1])), code.RESOURCE_EXHAUSTED, "the tensors are over"),
    ]
    for message, expected, text in cases:
        error = failure(predict, message, timeout=10)
        assert (error.code(), error.details()[: len(text)]) == (expected, text)


def test_an_error_carries_its_code_and_the_request_id(predict: Any) -> None:
    error = failure(predict, request("nobody"), timeout=10, metadata=(("x-request-id", "mine-1"),))
    metadata = dict(error.trailing_metadata())
    assert (metadata["x-turnout-code"], metadata["x-request-id"]) == ("model_not_found", "mine-1")


def test_a_deadline_that_cannot_be_met_is_exceeded(predict: Any) -> None:
    large = tensor(TYPES.DT_FLOAT, (1 << 20, 3), tensor_content=bytes(12 << 20))
    error = failure(predict, request("float32", x=large), timeout=0.002)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert list(predict(request(x=flowers()), timeout=10).outputs["label"].int64_val) == LABELS


def test_cancelled_calls_leave_the_connection_whole(predict: Any) -> None:
    calls = [predict.future(request(x=flowers()), timeout=10) for _ in range(100)]
    for call in calls[::2]:
        call.cancel()
    assert all(list(call.result().outputs["label"].int64_val) == LABELS for call in calls[1::2])
    assert list(predict(request(x=flowers()), timeout=10).outputs["label"].int64_val) == LABELS


def test_status_lists_versions_the_newest_first(channel: Any) -> None:
    message = STUBS.get_model_status_pb2.GetModelStatusRequest()
    message.model_spec.name = "iris"
    stub = STUBS.model_service_pb2_grpc.ModelServiceStub(channel)
    versions = stub.GetModelStatus(message, timeout=10).model_version_status
    assert [(status.version, status.state) for status in versions] == [(2, 30), (1, 30)]


def test_metadata_holds_the_signatures(channel: Any) -> None:
    module = STUBS.get_model_metadata_pb2
    message = module.GetModelMetadataRequest(metadata_field=["signature_def"])
    message.model_spec.name = "iris"
    stub = STUBS.prediction_service_pb2_grpc.PredictionServiceStub(channel)
    response = stub.GetModelMetadata(message, timeout=10)
    definitions = module.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(definitions)
    signature = definitions.signature_def["serving_default"]
    assert signature.inputs["x"].dtype == TYPES.DT_FLOAT
    assert [dim.size for dim in signature.inputs["x"].tensor_shape.dim] == [-1, 4]
    assert response.model_spec.version.value == 2
