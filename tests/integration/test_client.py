import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import turnout
from tests.support.models import FLOWERS, LABELS, add_version, wait_settled
from turnout.client.retry import RetryPolicy
from turnout.errors import (
    ConfigError,
    DeadlineExceededError,
    ForkedError,
    InvalidInputError,
    ModelNotFoundError,
    SignatureNotFoundError,
    TurnoutError,
    UnavailableError,
    UnsupportedError,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[turnout.Server]:
    repository = tmp_path_factory.mktemp("repository")
    add_version(repository, "iris", 1)
    add_version(repository, "iris", 2)
    settings = {"cache_dir": str(tmp_path_factory.mktemp("cache")), "settle_ms": 0, "loops": 1}
    with turnout.Server(repository, settings=settings, model_settings={"policy": "all"}) as server:
        yield wait_settled(server)


@pytest.fixture(params=["REST", "gRPC"])
def url(request: pytest.FixtureRequest, server: turnout.Server) -> str:
    return server.rest_url if request.param == "REST" else server.grpc_url


@pytest.fixture
def client(url: str) -> Iterator[turnout.Client]:
    with turnout.Client(url) as client:
        yield client


@pytest.mark.parametrize("inputs", [FLOWERS, np.array(FLOWERS), {"x": FLOWERS}], ids=["lists", "doubles", "by name"])
def test_predicts(client: turnout.Client, inputs: list[list[float]]) -> None:
    prediction = client.predict("iris", inputs)
    assert (prediction.model, prediction.version) == ("iris", 2)
    np.testing.assert_array_equal(prediction["label"], np.array(LABELS, np.int64), strict=True)
    assert (prediction["probabilities"].dtype, prediction["probabilities"].shape) == (np.float32, (3, 3))


def test_a_deadline_without_time_is_refused(url: str, client: turnout.Client) -> None:
    for cls in (turnout.Client, turnout.AsyncClient):
        with pytest.raises(ConfigError, match="expected at least 1, got 0"):
            cls(url, timeout_ms=0)
    with pytest.raises(ConfigError, match="expected at least 1, got -1"):
        client.predict("iris", FLOWERS, timeout_ms=-1)


def test_predicts_by_the_version_that_was_asked_for(client: turnout.Client) -> None:
    assert client.predict("iris", FLOWERS, version=1).version == 1


def test_both_doors_and_the_process_itself_answer_alike(server: turnout.Server, tmp_path: Path) -> None:
    rows = np.random.default_rng(1).uniform(0, 8, (50, 4)).astype(np.float32)
    folder = add_version(tmp_path, "iris", 1)
    with (
        turnout.Client(server.rest_url) as rest,
        turnout.Client(server.grpc_url) as grpc,
        turnout.load(folder) as here,
    ):
        answers = [rest.predict("iris", rows), grpc.predict("iris", rows), here.predict(rows)]
    for name in ("label", "probabilities"):
        np.testing.assert_array_equal(answers[0][name], answers[2][name], strict=True)
        np.testing.assert_array_equal(answers[1][name], answers[2][name], strict=True)


def test_describes_models(client: turnout.Client) -> None:
    metadata = client.metadata("iris")
    assert (metadata.model, metadata.version) == ("iris", 2)
    signature = metadata.signature()
    assert signature.name == "serving_default"
    assert [(spec.name, spec.dtype, spec.shape) for spec in signature.inputs] == [("x", "float32", (None, 4))]
    assert {spec.name: spec.dtype for spec in signature.outputs} == {"label": "int64", "probabilities": "float32"}
    assert client.metadata("iris", version=1).version == 1


def test_says_what_is_loaded(client: turnout.Client) -> None:
    assert [(status.version, status.state) for status in client.status("iris")] == [(2, "AVAILABLE"), (1, "AVAILABLE")]
    (one,) = client.status("iris", version=1)
    assert (one.version, one.error_code, one.error_message) == (1, "", "")


def test_is_ready_and_live(client: turnout.Client) -> None:
    assert client.ready()
    assert client.live()


def test_lists_models_over_rest(server: turnout.Server) -> None:
    with turnout.Client(server.rest_url) as client:
        (summary,) = client.models()
        assert (summary.name, summary.default_version) == ("iris", 2)
        assert [status.version for status in summary.versions] == [2, 1]
    with turnout.Client(server.grpc_url) as client, pytest.raises(UnsupportedError):
        client.models()


@pytest.mark.parametrize(
    ("model", "inputs", "signature", "error"),
    [
        ("other", FLOWERS, None, ModelNotFoundError),
        ("iris", FLOWERS, "other", SignatureNotFoundError),
        ("iris", [[1.0, 2.0]], None, InvalidInputError),
        ("iris", {"y": FLOWERS}, None, InvalidInputError),
    ],
)
def test_refusals_are_the_classes_of_the_catalogue(
    client: turnout.Client, model: str, inputs: list[list[float]], signature: str | None, error: type[TurnoutError]
) -> None:
    with pytest.raises(error) as caught:
        client.predict(model, inputs, signature=signature)
    assert not caught.value.retryable


def test_refusals_carry_the_request_s_id(client: turnout.Client) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        client.predict("other", FLOWERS, request_id="mine-1")
    assert caught.value.context["request_id"] == "mine-1"


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_there_is_unavailable_and_not_ready(scheme: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # taken, and nobody listens
        url = f"{scheme}://127.0.0.1:{holder.getsockname()[1]}"
        with turnout.Client(url, retry=RetryPolicy(attempts=2, first_delay_ms=1)) as client:
            assert not client.ready()
            with pytest.raises(UnavailableError):
                client.predict("iris", FLOWERS)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_never_answers_runs_into_the_deadline(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        with turnout.Client(url) as client, pytest.raises((DeadlineExceededError, UnavailableError)):
            client.predict("iris", FLOWERS, timeout_ms=200)


def test_works_for_asyncio(url: str) -> None:
    async def talk() -> None:
        async with turnout.AsyncClient(url) as client:
            assert await client.ready()
            assert await client.live()
            answers = await asyncio.gather(*(client.predict("iris", FLOWERS) for _ in range(20)))
            assert [answer["label"].tolist() for answer in answers] == [LABELS] * 20
            assert (await client.metadata("iris")).version == 2
            assert len(await client.status("iris")) == 2
            with pytest.raises(ModelNotFoundError):
                await client.predict("other", FLOWERS)

    asyncio.run(talk())


def test_a_forked_child_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with turnout.Client(url) as client:
        monkeypatch.setattr("os.getpid", lambda: 1)
        with pytest.raises(ForkedError):
            client.predict("iris", FLOWERS)
        monkeypatch.undo()
