"""SavedModels over REST: metadata as protobuf itself writes it, and what JSON has no form for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

import turnout
from tests.support.models import wait_settled
from tests.support.rest import ask
from tests.support.savedmodel import make_models, require_tensorflow
from tests.support.serving_stubs import serving_stubs
from turnout.client import protobuf

pytestmark = pytest.mark.timeout(180)

STUBS = serving_stubs()
MODELS = ("half_plus_two", "identities", "version_one")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SavedModels of both versions of TensorFlow, one of them with a sparse input."""
    require_tensorflow()
    folder = tmp_path_factory.mktemp("graphs")
    make_models(folder, *MODELS)
    return folder / "models"


@pytest.fixture(scope="module")
def server(graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[turnout.Server]:
    """All of them, served."""
    settings = {"cache_dir": str(tmp_path_factory.mktemp("cache")), "settle_ms": 0, "loops": 1}
    with turnout.Server(graphs, settings=settings) as server:
        yield wait_settled(server)


def described(graphs: Path, model: str) -> Any:
    """The signatures that stand in a model's file."""
    saved = protobuf.read_fields((graphs / model / "1" / "saved_model.pb").read_bytes())
    definitions = STUBS.get_model_metadata_pb2.SignatureDefMap()
    for name, message in protobuf.text_map(protobuf.read_fields(protobuf.payload(saved, 2)), 5).items():
        definitions.signature_def[name].ParseFromString(message)
    return definitions


@pytest.mark.parametrize("model", MODELS)
def test_metadata_is_what_protobuf_writes_of_the_file(graphs: Path, server: turnout.Server, model: str) -> None:
    want = described(graphs, model)
    written: Any = json_format.MessageToDict(
        want, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    # The oracle's messages are older than this field.
    signatures: dict[str, Any] = {
        name: {"defaults": {}, **signature} for name, signature in written["signature_def"].items()
    }
    document = ask(server.rest_url, f"/v1/models/{model}/metadata").document
    assert document["model_spec"] == {"name": model, "signature_name": "", "version": "1"}
    assert document["metadata"] == {"signature_def": {"signature_def": signatures}}

    with grpc.insecure_channel(str(server.grpc_address)) as channel:
        request = STUBS.get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        stub = STUBS.prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.GetModelMetadata(request, timeout=10)
    got = STUBS.get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(got)
    assert got == want


def test_what_nobody_can_call_is_shown_and_left_out_by_our_client(graphs: Path, server: turnout.Server) -> None:
    shown = set(described(graphs, "version_one").signature_def)
    assert shown == {"serving_default", "grow", "sparse"}
    assert "__saved_model_init_op" in described(graphs, "half_plus_two").signature_def
    for url in (server.rest_url, server.grpc_url):
        with turnout.Client(url) as client:
            signatures = [signature.name for signature in client.metadata("version_one").signatures]
            assert signatures == ["serving_default", "grow"]
            names = [signature.name for signature in client.metadata("half_plus_two").signatures]
            assert names == ["serving_default", "a_sum", "half_plus_three"]


def test_signatures_that_rest_cannot_call_say_so(server: turnout.Server) -> None:
    none = ask(server.rest_url, "/v1/models/version_one:predict", '{"signature_name": "grow", "inputs": {}}')
    assert none.error == (400, "Failed to get input map for signature: grow")
    path, text = "/v1/models/identities:predict", "Conversion of JSON Value: 1 to type: complex64"
    column = ask(server.rest_url, path, '{"signature_name": "complex64", "inputs": [1]}')
    assert column.error == (501, text)
    row = ask(server.rest_url, path, '{"signature_name": "complex64", "instances": [1]}')
    words = "Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED:"
    assert row.error == (400, f"{words} {text}")


def test_shapes_are_the_graphs_business(server: turnout.Server) -> None:
    path = "/v1/models/half_plus_two:predict"
    for body, answer in (
        ('{"instances": [1.0, 2.0, 5.0]}', b'{"predictions":[2.5,3.0,4.5]}'),
        ('{"instances": [[]]}', b'{"predictions":[[]]}'),
        ('{"inputs": 3}', b'{"outputs":3.5}'),
        ('{"inputs": []}', b'{"outputs":[]}'),
        ('{"inputs": [[]]}', b'{"outputs":[[]]}'),
        ('{"inputs": [[], []]}', b'{"outputs":[[],[]]}'),
    ):
        reply = ask(server.rest_url, path, body)
        assert (reply.status, reply.body) == (200, answer), body
    status, message = ask(
        server.rest_url, path, '{"signature_name": "a_sum", "inputs": {"left": [1, 2], "right": [1, 2, 3]}}'
    ).error
    assert (status, "Incompatible shapes" in message) == (400, True)
