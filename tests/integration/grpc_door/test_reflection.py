"""What the server says of itself: reflection against the real descriptors, and health."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from tests.support.models import FLOWERS, LABELS
from tests.support.serving_stubs import serving_stubs


def untyped(name: str) -> Any:
    """A generated module, which carries no types."""
    return importlib.import_module(name)


health_pb2 = untyped("grpc_health.v1.health_pb2")
health_pb2_grpc = untyped("grpc_health.v1.health_pb2_grpc")
reflection_pb2 = untyped("grpc_reflection.v1alpha.reflection_pb2")
reflection_pb2_grpc = untyped("grpc_reflection.v1alpha.reflection_pb2_grpc")
reflection_client = untyped("grpc_reflection.v1alpha.proto_reflection_descriptor_database")

STUBS = serving_stubs()
SERVICES = {
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}
# Beside TensorFlow's, the modules whose descriptors the tests compare with; importing them puts them into the pool.
WELL_KNOWN = (any_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR)


@pytest.fixture(scope="module")
def database(channel: Any) -> Any:
    """The real client's view of the server."""
    return reflection_client.ProtoReflectionDescriptorDatabase(channel)


@pytest.fixture(scope="module")
def files(database: Any) -> dict[str, Any]:
    """Every file that the server knows, by name."""
    found: dict[str, Any] = {}
    waiting = [database.FindFileContainingSymbol(name).name for name in SERVICES]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = database.FindFileByName(name)
            waiting.extend(found[name].dependency)
    return found


def test_reflection_lists_the_services(database: Any) -> None:
    assert set(database.get_services()) == SERVICES


def test_a_client_predicts_from_reflection_alone(channel: Any, database: Any) -> None:
    pool = descriptor_pool.DescriptorPool(database)
    service: Any = pool.FindServiceByName("tensorflow.serving.PredictionService")
    method = service.FindMethodByName("Predict")
    message_class: Any = message_factory.GetMessageClass(method.input_type)
    message = message_class()
    message.model_spec.name = "iris"
    proto = message.inputs["x"]
    proto.dtype = pool.FindEnumTypeByName("tensorflow.DataType").values_by_name["DT_FLOAT"].number
    for size in (3, 4):
        proto.tensor_shape.dim.add(size=size)
    proto.float_val.extend(value for row in FLOWERS for value in row)
    call = channel.unary_unary(
        f"/{service.full_name}/{method.name}",
        request_serializer=message_class.SerializeToString,
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    assert list(call(message, timeout=10).outputs["label"].int64_val) == LABELS


def real_pool() -> Any:
    """The pool in which generated modules register what they define."""
    return descriptor_pool.Default()


def messages(prefix: str, protos: Any) -> Iterator[tuple[str, Any]]:
    """All message types under `protos`, by full name."""
    for proto in protos:
        name = f"{prefix}.{proto.name}"
        yield name, proto
        yield from messages(name, proto.nested_type)


def enums(file: Any) -> Iterator[tuple[str, Any]]:
    """All enums of a file, by full name."""
    for proto in file.enum_type:
        yield f"{file.package}.{proto.name}", proto
    for name, message in messages(file.package, file.message_type):
        for proto in message.enum_type:
            yield f"{name}.{proto.name}", proto


def field_facts(field: Any, message: Any) -> tuple[Any, ...]:
    """What has to be the same for two sides to understand each other."""
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    return field.number, field.label, field.type, field.type_name, oneof


def as_proto(descriptor: Any, proto: Any) -> Any:
    """The real descriptor in the same form."""
    descriptor.CopyToProto(proto)
    return proto


def is_ours(name: str) -> bool:
    """The packages whose real descriptors the test environment has."""
    return not name.startswith("grpc.reflection.v1.")


def test_fields_are_those_of_the_real_messages(files: dict[str, Any]) -> None:
    compared = 0
    for file in files.values():
        for name, ours in messages(file.package, file.message_type):
            if not is_ours(name):
                continue
            descriptor = real_pool().FindMessageTypeByName(name)
            real = as_proto(descriptor, descriptor_pb2.DescriptorProto())
            facts = {field.name: field_facts(field, real) for field in real.field}
            for field in ours.field:
                assert field_facts(field, ours) == facts[field.name], f"{name}.{field.name}"
                assert field.json_name == descriptor.fields_by_name[field.name].json_name, f"{name}.{field.name}"
                compared += 1
            assert ours.options.map_entry == real.options.map_entry, name
    assert compared > 80


def test_enums_are_those_of_the_real_messages(files: dict[str, Any]) -> None:
    names: set[str] = set()
    for file in files.values():
        for name, ours in enums(file):
            descriptor = real_pool().FindEnumTypeByName(name)
            real = {value.name: value.number for value in descriptor.values}
            assert {value.name: value.number for value in ours.value}.items() <= real.items(), name
            names.add(name)
    assert names == {
        "tensorflow.DataType",
        "tensorflow.error.Code",
        "tensorflow.serving.ModelVersionStatus.State",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
    }


def test_methods_are_those_of_the_real_services(files: dict[str, Any]) -> None:
    for file in files.values():
        for service in file.service:
            name = f"{file.package}.{service.name}"
            if not is_ours(name):
                continue
            descriptor = real_pool().FindServiceByName(name)
            real = as_proto(descriptor, descriptor_pb2.ServiceDescriptorProto())
            facts = {method.name: method for method in real.method}
            for ours in service.method:
                theirs = facts[ours.name]
                assert (ours.input_type, ours.output_type) == (theirs.input_type, theirs.output_type)
                streaming = (ours.client_streaming, ours.server_streaming)
                assert streaming == (theirs.client_streaming, theirs.server_streaming), ours.name


def test_every_method_is_documented(files: dict[str, Any]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "concepts" / "grpc.md").read_text()
    for file in files.values():
        for service in file.service:
            for method in service.method:
                assert f"| `{file.package}.{service.name}/{method.name}` |" in page


def test_both_versions_of_reflection_answer_alike(channel: Any) -> None:
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    older = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([question]), timeout=10)
    newer = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(iter([question]), timeout=10)
    assert list(older) == list(newer)


def test_health_of_the_server_and_of_a_model(channel: Any) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", "iris", "tensorflow.serving.PredictionService"):
        response = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert response.status == health_pb2.HealthCheckResponse.SERVING, name
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=10)
    error: Any = caught.value
    assert error.code() == grpc.StatusCode.NOT_FOUND


def test_health_is_watched(channel: Any) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    serving, unknown = (
        stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=10) for name in ("iris", "nobody")
    )
    assert next(serving).status == health_pb2.HealthCheckResponse.SERVING
    assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    serving.cancel()
    unknown.cancel()
