"""Metadata of servers that describe more than a client can call, as TensorFlow Serving's do."""

import json
from typing import Any

from turnout.client import protobuf
from turnout.client.exchange import Answer
from turnout.client.grpc_codec import GrpcCodec
from turnout.client.records import ModelMetadata
from turnout.client.rest_codec import RestCodec


def info(dtype: str, number: int, name: str, **more: Any) -> tuple[dict[str, Any], bytes]:
    """A `TensorInfo` in both forms; `more` are parts instead of a name."""
    shape = protobuf.write_bytes(3, protobuf.write_integer(3, 1))
    place = b"".join(protobuf.write_bytes(4, b"") for _ in more) or protobuf.write_bytes(1, name.encode())
    record: dict[str, Any] = {
        "dtype": dtype,
        "tensor_shape": {"dim": [], "unknown_rank": True},
        **(more or {"name": name}),
    }
    return record, place + protobuf.write_integer(2, number) + shape


Infos = dict[str, tuple[dict[str, Any], bytes]]

SIGNATURES: dict[str, tuple[Infos, Infos]] = {
    "__saved_model_init_op": ({}, {"__saved_model_init_op": info("DT_INVALID", 0, "NoOp")}),
    "sparse": ({"s": info("DT_FLOAT", 1, "", coo_sparse={})}, {"y": info("DT_FLOAT", 1, "y:0")}),
    "resource": ({"r": info("DT_RESOURCE", 20, "r:0")}, {}),
    "grow": ({}, {"weight": info("DT_FLOAT_REF", 101, "w:0")}),
    "serving_default": ({"x": info("DT_INT64", 9, "x:0")}, {"y": info("DT_STRING", 7, "y:0")}),
}


def entry(number: int, name: str, value: bytes) -> bytes:
    """An entry of a map, in the field of that number."""
    return protobuf.write_bytes(number, protobuf.write_bytes(1, name.encode()) + protobuf.write_bytes(2, value))


def rest_metadata() -> ModelMetadata:
    """What the client reads over REST."""
    records = {
        name: {"inputs": {key: record for key, (record, _) in inputs.items()},
               "outputs": {key: record for key, (record, _) in outputs.items()}}
        for name, (inputs, outputs) in SIGNATURES.items()
    }  # fmt: skip
    document = {"model_spec": {"version": "3"}, "metadata": {"signature_def": {"signature_def": records}}}
    return RestCodec().metadata("m", None).read(Answer(json.dumps(document).encode()))


def grpc_metadata() -> ModelMetadata:
    """What the client reads over gRPC."""
    definitions = b""
    for name, (inputs, outputs) in SIGNATURES.items():
        sent = b"".join(entry(1, key, message) for key, (_, message) in inputs.items())
        read = b"".join(entry(2, key, message) for key, (_, message) in outputs.items())
        definitions += entry(1, name, sent + read)
    any_message = protobuf.write_bytes(2, definitions)
    metadata = protobuf.write_bytes(1, b"signature_def") + protobuf.write_bytes(2, any_message)
    version = protobuf.write_bytes(2, protobuf.write_integer(1, 3))
    answer = protobuf.write_bytes(1, version) + protobuf.write_bytes(2, metadata)
    return GrpcCodec().metadata("m", None).read(Answer(answer))


def test_signatures_that_cannot_be_called_are_left_out() -> None:
    for metadata in (rest_metadata(), grpc_metadata()):
        assert [signature.name for signature in metadata.signatures] == ["serving_default", "grow"]
        default, grow = metadata.signatures
        assert (default.inputs[0].dtype, default.outputs[0].tensor) == ("int64", "y:0")
        assert grow.outputs[0].dtype == "float32"
