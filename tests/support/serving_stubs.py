"""TensorFlow Serving's own message classes and gRPC stubs, without TensorFlow.

`make setup` puts `tensorflow-serving-api` and the proto-only `tensorflow-protobuf` into `.venv/oracle`. The former is
newer than the latter and wants one file that only TensorFlow ships, `error_codes.proto`; it is made here.
"""

import functools
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool

ORACLE = Path(__file__).parents[2] / ".venv" / "oracle"

# The canonical status codes, in the order of their numbers.
STATUS_CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


@dataclass(frozen=True, slots=True)
class ServingStubs:
    """The generated modules; they carry no types."""

    classification_pb2: Any
    inference_pb2: Any
    input_pb2: Any
    regression_pb2: Any
    predict_pb2: Any
    prediction_log_pb2: Any
    get_model_metadata_pb2: Any
    get_model_status_pb2: Any
    model_pb2: Any
    prediction_service_pb2: Any
    prediction_service_pb2_grpc: Any
    model_service_pb2: Any
    model_service_pb2_grpc: Any
    model_management_pb2: Any
    tensor_pb2: Any
    tensor_shape_pb2: Any
    types_pb2: Any
    example_pb2: Any


@functools.cache
def serving_stubs() -> ServingStubs:
    """The modules, imported once."""
    if not ORACLE.is_dir():
        raise FileNotFoundError(f"the stubs of TensorFlow Serving are not installed (run `make setup`): {ORACLE}")
    # Before TensorFlow itself, where that is installed: importing it would take seconds. Afterwards it is found again.
    sys.path.insert(0, str(ORACLE))
    try:
        return _import_stubs()
    finally:
        sys.path.remove(str(ORACLE))


def _import_stubs() -> ServingStubs:
    _make_error_codes()
    apis = {
        name: importlib.import_module(f"tensorflow_serving.apis.{name}")
        for name in ServingStubs.__slots__
        if name not in {"tensor_pb2", "tensor_shape_pb2", "types_pb2", "example_pb2"}
    }
    framework = {
        name: importlib.import_module(f"tensorflow.core.framework.{name}")
        for name in ("tensor_pb2", "tensor_shape_pb2", "types_pb2")
    }
    example = importlib.import_module("tensorflow.core.example.example_pb2")
    return ServingStubs(**apis, **framework, example_pb2=example)


def _make_error_codes() -> None:
    pool = descriptor_pool.Default()
    codes = descriptor_pb2.FileDescriptorProto(
        name="xla/tsl/protobuf/error_codes.proto", package="tensorflow.error", syntax="proto3"
    )
    enum = codes.enum_type.add(name="Code")
    for number, name in enumerate(STATUS_CODES):
        enum.value.add(name=name, number=number)
    pool.AddSerializedFile(codes.SerializeToString())
    forward = descriptor_pb2.FileDescriptorProto(
        name="tensorflow/core/protobuf/error_codes.proto",
        package="tensorflow.error.dummy",
        syntax="proto3",
        dependency=[codes.name],
        public_dependency=[0],
    )
    pool.AddSerializedFile(forward.SerializeToString())
    module = ModuleType("tensorflow.core.protobuf.error_codes_pb2")
    module.__dict__["xla_dot_tsl_dot_protobuf_dot_error__codes__pb2"] = ModuleType("xla.tsl.protobuf.error_codes_pb2")
    sys.modules[module.__name__] = module
