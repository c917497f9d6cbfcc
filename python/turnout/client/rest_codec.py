"""Calls as REST requests in TensorFlow Serving's shape."""

import base64
import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnout.client.exchange import Answer, Exchange, Unread
from turnout.client.records import ModelMetadata, ModelSummary, VersionStatus
from turnout.client.wire_names import DTYPE_BY_NAME, default_first, make_signature
from turnout.data.arrays import BYTES_SUFFIX, check_finite, dtype_name, round_to_bfloat16
from turnout.data.inputs import Inputs, name_inputs
from turnout.data.prediction import Prediction
from turnout.errors import InternalError, InvalidInputError, UnsupportedError
from turnout.types import Signature, TensorSpec

VERSION_HEADER = "x-turnout-model-version"


class RestCodec:
    """See `turnout.client.exchange.Codec`."""

    def predict(
        self, metadata: ModelMetadata, version: int | None, signature: Signature, inputs: Inputs
    ) -> Exchange[Prediction | Unread]:
        """Asks in column form, so that inputs of fixed dimensions need not share the first one."""
        dtypes = {spec.name: spec.dtype for spec in signature.inputs}
        named = name_inputs(inputs, signature)
        columns = {name: _to_json(name, value, dtypes[name]) for name, value in named.items()}
        document = {"signature_name": signature.name, "inputs": columns}

        def read(answer: Answer) -> Prediction | Unread:
            unread = Unread(answer, int(answer.headers.get(VERSION_HEADER, metadata.version)))
            return unread if unread.version != metadata.version else self.read(unread, metadata, signature)

        body = json.dumps(document, separators=(",", ":")).encode()
        return Exchange(f"{_model_path(metadata.model, version)}:predict", read, body, "POST")

    def read(self, unread: Unread, metadata: ModelMetadata, signature: Signature) -> Prediction:
        """Gives the columns of an answer the names and element types that the signature declares."""
        outputs = _read_outputs(_document(unread.answer), signature)
        return Prediction(metadata.model, unread.version, outputs)

    def status(self, model: str, version: int | None) -> Exchange[tuple[VersionStatus, ...]]:
        """Asks for the states of a model's versions."""

        def read(answer: Answer) -> tuple[VersionStatus, ...]:
            return tuple(_read_status(entry) for entry in _document(answer)["model_version_status"])

        return Exchange(_model_path(model, version), read)

    def metadata(self, model: str, version: int | None) -> Exchange[ModelMetadata]:
        """Asks for the signatures of a version."""

        def read(answer: Answer) -> ModelMetadata:
            document = _document(answer)
            records = document["metadata"]["signature_def"]["signature_def"]
            signatures = {name: _read_signature(name, record) for name, record in records.items()}
            return ModelMetadata(model, int(document["model_spec"]["version"]), default_first(signatures))

        return Exchange(f"{_model_path(model, version)}/metadata", read)

    def models(self) -> Exchange[tuple[ModelSummary, ...]]:
        """Asks for all models."""

        def read(answer: Answer) -> tuple[ModelSummary, ...]:
            return tuple(_read_summary(entry) for entry in _document(answer)["models"])

        return Exchange("/v1/models", read)

    def ready(self) -> Exchange[bool]:
        """Asks `/readyz`."""
        return Exchange("/readyz", _answered)

    def live(self) -> Exchange[bool]:
        """Asks `/livez`."""
        return Exchange("/livez", _answered)


def _answered(_answer: Answer) -> bool:
    return True


def _model_path(model: str, version: int | None) -> str:
    path = f"/v1/models/{quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except ValueError as error:
        raise InternalError(f"the server's answer is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InternalError("the server's answer is not a JSON object")
    return cast("dict[str, Any]", document)


def _to_json(name: str, value: ArrayLike, dtype: str) -> Any:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidInputError(f"input `{name}` is not a rectangular array: {error}") from error
    found = dtype_name(array)
    if found is None or array.dtype.kind == "c":
        raise UnsupportedError(
            f"input `{name}` has an element type that JSON cannot carry: `{array.dtype}`",
            hint="Use a `grpc://` address.",
        )
    check_finite(name, array, dtype)
    if found == "string":
        return _nest(name, array)
    return array.astype(np.float32).tolist() if found == "bfloat16" else array.tolist()


def _text_to_json(name: str, item: Any) -> Any:
    if isinstance(item, bytes):
        return {"b64": base64.b64encode(item).decode("ascii")}
    if isinstance(item, str | int | float | bool):
        return item
    raise InvalidInputError(f"input `{name}` has an element that JSON cannot carry: {item!r}")


def _nest(name: str, array: NDArray[Any]) -> Any:
    flat = np.empty(array.size, dtype=object)
    flat[:] = [_text_to_json(name, item) for item in array.reshape(-1).tolist()]
    return flat.reshape(array.shape).tolist()


def _read_outputs(document: Mapping[str, Any], signature: Signature) -> dict[str, NDArray[Any]]:
    columns = document["outputs"]
    if len(signature.outputs) == 1:
        columns = {signature.outputs[0].name: columns}
    return {spec.name: _read_output(spec, columns[spec.name]) for spec in signature.outputs}


def _read_output(spec: TensorSpec, column: Any) -> NDArray[Any]:
    if spec.dtype == "string":
        return _read_strings(spec, column)
    if spec.dtype == "bfloat16":
        return _restore_empty(round_to_bfloat16(spec.name, np.array(column, dtype=np.float32)), spec)
    return _restore_empty(np.array(column, dtype=spec.dtype), spec)


def _read_strings(spec: TensorSpec, column: Any) -> NDArray[Any]:
    array = _restore_empty(np.array(column, dtype=object), spec)
    if spec.name.endswith(BYTES_SUFFIX):
        decoded = np.empty(array.size, dtype=object)
        decoded[:] = [base64.b64decode(item["b64"]) for item in array.reshape(-1).tolist()]
        array = decoded.reshape(array.shape)
    return array


def _restore_empty(array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """JSON loses the inner dimensions of an empty array; the signature knows how many there are, and the fixed ones."""
    if array.size or spec.shape is None or array.ndim >= len(spec.shape):
        return array
    inner = [dimension or 0 for dimension in spec.shape[array.ndim :]]
    return array.reshape((*array.shape, *inner))


def _read_summary(entry: Mapping[str, Any]) -> ModelSummary:
    versions = tuple(
        VersionStatus(version["version"], version["state"], version["error_code"], version["error_message"])
        for version in entry["versions"]
    )
    return ModelSummary(entry["name"], entry["default_version"], entry["labels"], versions, entry["problem"])


def _read_status(entry: Mapping[str, Any]) -> VersionStatus:
    status: Mapping[str, str] = entry.get("status", {})
    code = status.get("error_code", "OK")
    return VersionStatus(
        version=int(entry["version"]),
        state=entry["state"],
        error_code="" if code == "OK" else code,
        error_message=status.get("error_message", ""),
    )


def _read_signature(name: str, record: Mapping[str, Any]) -> Signature | None:
    inputs = {key: _read_spec(key, spec) for key, spec in record.get("inputs", {}).items()}
    outputs = {key: _read_spec(key, spec) for key, spec in record.get("outputs", {}).items()}
    return make_signature(name, inputs, outputs)


def _read_spec(name: str, record: Mapping[str, Any]) -> TensorSpec | None:
    """Reads a dense tensor of a known type; the metadata has others as well, which are never sent."""
    dtype = DTYPE_BY_NAME.get(record["dtype"])
    if dtype is None or "coo_sparse" in record or "composite_tensor" in record:
        return None
    shape = record.get("tensor_shape", {})
    dimensions = [int(dimension["size"]) for dimension in shape.get("dim", ())]
    known = None if shape.get("unknown_rank") else tuple(None if size < 0 else size for size in dimensions)
    return TensorSpec(name, record.get("name", name), dtype, known)
