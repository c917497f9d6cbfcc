"""Calls as gRPC messages of `tensorflow.serving` and `grpc.health.v1`."""

from turnout import _dataplane
from turnout.client import protobuf
from turnout.client.exchange import Answer, Exchange, Unread
from turnout.client.records import ModelMetadata, ModelSummary, VersionStatus
from turnout.client.wire_names import DTYPE_BY_NUMBER, STATUS_NAMES, VERSION_STATES, default_first, make_signature
from turnout.data.arrays import inputs_to_wire, outputs_from_wire
from turnout.data.inputs import Inputs
from turnout.data.prediction import Prediction
from turnout.errors import InternalError, UnsupportedError
from turnout.types import Signature, TensorSpec

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = 1


class GrpcCodec:
    """See `turnout.client.exchange.Codec`."""

    def predict(
        self, metadata: ModelMetadata, version: int | None, signature: Signature, inputs: Inputs
    ) -> Exchange[Prediction | Unread]:
        """Asks for a prediction; the answer carries its own names, types and version."""
        tensors = inputs_to_wire(inputs, signature)
        body = _dataplane.encode_predict_request(metadata.model, version, signature.name, tensors)
        return Exchange(_PREDICT, lambda answer: _read_prediction(metadata.model, answer), body)

    def read(self, unread: Unread, metadata: ModelMetadata, signature: Signature) -> Prediction:
        """Reads an answer; its own names and types are enough."""
        return _read_prediction(metadata.model, unread.answer)

    def status(self, model: str, version: int | None) -> Exchange[tuple[VersionStatus, ...]]:
        """Asks for the states of a model's versions."""

        def read(answer: Answer) -> tuple[VersionStatus, ...]:
            fields = protobuf.read_fields(answer.body)
            return tuple(_read_status(entry) for entry in protobuf.payloads(fields, 1))

        return Exchange(_STATUS, read, protobuf.write_bytes(1, _model_spec(model, version)))

    def metadata(self, model: str, version: int | None) -> Exchange[ModelMetadata]:
        """Asks for the signatures of a version."""
        request = protobuf.write_bytes(1, _model_spec(model, version)) + protobuf.write_bytes(2, b"signature_def")
        return Exchange(_METADATA, lambda answer: _read_metadata(model, answer), request)

    def models(self) -> Exchange[tuple[ModelSummary, ...]]:
        """TensorFlow Serving's gRPC interface has no list of models.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError("gRPC has no list of models", hint="Use an `http://` address.")

    def ready(self) -> Exchange[bool]:
        """Asks the health service about the whole server."""
        return Exchange(_HEALTH, lambda answer: _health(answer) == _SERVING)

    def live(self) -> Exchange[bool]:
        """Asks the health service; any answer is a sign of life."""
        return Exchange(_HEALTH, lambda answer: _health(answer) >= 0)


def _read_prediction(model: str, answer: Answer) -> Prediction:
    version, outputs = _dataplane.decode_predict_response(answer.body)
    return Prediction(model, version, outputs_from_wire(outputs))


def _health(answer: Answer) -> int:
    return protobuf.integer(protobuf.read_fields(answer.body), 1)


def _model_spec(model: str, version: int | None) -> bytes:
    spec = protobuf.write_bytes(1, model.encode())
    if version is None:
        return spec
    return spec + protobuf.write_bytes(2, protobuf.write_integer(1, version))


def _read_status(entry: bytes) -> VersionStatus:
    fields = protobuf.read_fields(entry)
    status = protobuf.read_fields(protobuf.payload(fields, 3))
    code = protobuf.integer(status, 1)
    return VersionStatus(
        version=protobuf.integer(fields, 1),
        state=VERSION_STATES.get(protobuf.integer(fields, 2), "UNKNOWN"),
        error_code=STATUS_NAMES[code] if 0 < code < len(STATUS_NAMES) else "",
        error_message=protobuf.text(status, 2),
    )


def _read_metadata(model: str, answer: Answer) -> ModelMetadata:
    fields = protobuf.read_fields(answer.body)
    spec = protobuf.read_fields(protobuf.payload(fields, 1))
    version = protobuf.integer(protobuf.read_fields(protobuf.payload(spec, 2)), 1)
    wrapped = protobuf.text_map(fields, 2).get("signature_def")
    if wrapped is None:
        raise InternalError("the server's metadata has no `signature_def`")
    definitions = protobuf.read_fields(protobuf.payload(protobuf.read_fields(wrapped), 2))
    signatures = {name: _read_signature(name, data) for name, data in protobuf.text_map(definitions, 1).items()}
    return ModelMetadata(model, version, default_first(signatures))


def _read_signature(name: str, data: bytes) -> Signature | None:
    fields = protobuf.read_fields(data)
    inputs, outputs = protobuf.text_map(fields, 1), protobuf.text_map(fields, 2)
    return make_signature(
        name,
        {key: _read_spec(key, spec) for key, spec in inputs.items()},
        {key: _read_spec(key, spec) for key, spec in outputs.items()},
    )


def _read_spec(name: str, data: bytes) -> TensorSpec | None:
    """Reads a dense tensor of a known type; the metadata has others as well, which are never sent."""
    fields = protobuf.read_fields(data)
    dtype = DTYPE_BY_NUMBER.get(protobuf.integer(fields, 2))
    if dtype is None or protobuf.payloads(fields, 4) or protobuf.payloads(fields, 5):
        return None
    shape = protobuf.read_fields(protobuf.payload(fields, 3))
    sizes = [protobuf.integer(protobuf.read_fields(dimension), 1) for dimension in protobuf.payloads(shape, 2)]
    known = None if protobuf.integer(shape, 3) else tuple(None if size < 0 else size for size in sizes)
    return TensorSpec(name, protobuf.text(fields, 1) or name, dtype, known)
