"""Batching by an operator's parameters, on real models and with many clients at a time."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

import turnout
from tests.support.models import add_version
from tests.support.savedmodel import make_models, require_tensorflow
from tests.support.served import wait_for
from turnout.errors import InvalidInputError

pytestmark = pytest.mark.timeout(180)

CLIENTS = 16
WAITING: dict[str, Any] = {"merge": "always", "max_batch_rows": CLIENTS, "batch_timeout_us": 2_000_000}
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SavedModels that take rows, sequences and time, and one of ONNX."""
    require_tensorflow()
    folder = tmp_path_factory.mktemp("batching")
    make_models(folder, "half_plus_two", "counter", "longest", "unhurried")
    add_version(folder / "models", "iris", 1)
    return folder / "models"


@pytest.fixture
def serve(repository: Path, tmp_path: Path) -> Iterator[Callable[..., turnout.Server]]:
    """Starts a server with settings of every model."""
    with ExitStack() as stack:

        def start(**model_settings: Any) -> turnout.Server:
            settings = {"cache_dir": str(tmp_path), "settle_ms": 0, "loops": 1, "executor_threads": 1, "ready": "all"}
            server = turnout.Server(repository, settings=settings, model_settings=model_settings)
            stack.enter_context(server).wait_ready(60)
            return server

        yield start


def batches(server: turnout.Server, model: str) -> dict[str, float]:
    """Returns how many calls of a model there were, and of how many requests and rows."""
    page = httpx.get(f"{server.rest_url}/metrics").text
    names = {
        "calls": "turnout_batch_rows_count",
        "rows": "turnout_batch_rows_sum",
        "requests": "turnout_batch_requests_sum",
    }
    found = {key: re.search(rf'^{name}{{model="{model}",.*}} (\d+)$', page, re.M) for key, name in names.items()}
    return {key: float(match[1]) if match else 0.0 for key, match in found.items()}


def queued(server: turnout.Server, model: str) -> int:
    """Returns how many requests for a model wait."""
    page = httpx.get(f"{server.rest_url}/metrics").text
    match = re.search(rf'^turnout_queue_depth_requests{{model="{model}",.*}} (\d+)$', page, re.M)
    return int(match[1]) if match else 0


def all_at_once(server: turnout.Server, calls: list[Callable[[turnout.Client], Any]]) -> list[Any]:
    """Runs each call by a client of its own, and returns what each got or raised, in order."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[turnout.Client], Any]) -> Any:
        with turnout.Client(server.grpc_url) as client:
            barrier.wait(30)
            try:
                return call(client)
            except turnout.TurnoutError as error:
                return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def predict(model: str, inputs: Floats, name: str = "x") -> Callable[[turnout.Client], Any]:
    return lambda client: client.predict(model, {name: inputs})


def column(*values: float) -> Floats:
    return np.array(values, np.float32)[:, None]


def test_clients_wait_for_one_another_and_get_their_own_answers(serve: Callable[..., turnout.Server]) -> None:
    server = serve(**WAITING)
    calls = [predict("half_plus_two", column(float(n))) for n in range(CLIENTS)]
    begun = time.monotonic()
    for n, answer in enumerate(all_at_once(server, calls)):
        assert np.asarray(answer["y"]).tolist() == [[n / 2 + 2]]
    assert time.monotonic() - begun < 2, "the batch was full before its time"
    assert batches(server, "half_plus_two") == {"calls": 1, "rows": CLIENTS, "requests": CLIENTS}


def test_models_of_onnx_are_batched_too(serve: Callable[..., turnout.Server]) -> None:
    server = serve(**WAITING)
    rows = np.random.default_rng(7).normal(3, 2, (CLIENTS, 4)).astype(np.float32)
    with turnout.Client(server.rest_url) as client:
        name = next(iter(client.metadata("iris").signatures[0].inputs)).name
    calls = [predict("iris", row[None], name) for row in rows]
    together = all_at_once(server, calls)
    assert batches(server, "iris") == {"calls": 1, "rows": CLIENTS, "requests": CLIENTS}
    alone = serve(merge="never")
    with turnout.Client(alone.grpc_url) as client:
        for row, answer in zip(rows, together, strict=True):
            for output, want in client.predict("iris", {name: row[None]}).items():
                np.testing.assert_allclose(np.asarray(answer[output]), np.asarray(want), rtol=1e-5)


def test_odd_shapes_do_not_spoil_their_neighbours(serve: Callable[..., turnout.Server]) -> None:
    server = serve(**(WAITING | {"batch_timeout_us": 300_000}))
    odd = [np.float32(1), np.ones((2, 2, 2), np.float32), column(1.0)[:, 0], np.ones((3, 5), np.float32)]
    inputs = [column(float(n)) for n in range(8)] + odd
    answers = all_at_once(server, [predict("half_plus_two", np.asarray(each)) for each in inputs])
    for given, answer in zip(inputs, answers, strict=True):
        np.testing.assert_array_equal(np.asarray(answer["y"]), np.asarray(given) / 2 + 2)
    assert batches(server, "half_plus_two") == {"calls": 5, "rows": 8 + 1 + 2 + 1 + 3, "requests": 12}


def test_sequences_are_filled_up_where_asked(serve: Callable[..., turnout.Server]) -> None:
    settings = WAITING | {"pad_variable_lengths": True, "batch_timeout_us": 300_000}
    server = serve(**settings)
    rows = [np.arange(1, n + 1, dtype=np.float32)[None] for n in (1, 3, 9, 2, 100)]
    answers = all_at_once(server, [predict("longest", row) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        assert np.asarray(answer["most"]).tolist() == [row.shape[1]]
    assert [int(np.asarray(answer["length"])[0]) for answer in answers] == [9, 9, 9, 9, 100]
    assert batches(server, "longest")["calls"] == 2


def test_batches_are_filled_up_to_allowed_sizes_that_nobody_sees(serve: Callable[..., turnout.Server]) -> None:
    server = serve(merge="always", max_batch_rows=8, allowed_batch_rows=[4, 8])
    with turnout.Client(server.grpc_url) as client:
        for rows in (1, 3, 4, 5, 8):
            given = column(*range(rows))
            answer = client.predict("half_plus_two", {"x": given})
            np.testing.assert_array_equal(np.asarray(answer["y"]), given / 2 + 2)
        with pytest.raises(InvalidInputError, match="Task size 9 is larger than maximum input batch size 8"):
            client.predict("half_plus_two", {"x": column(*range(9))})


def test_large_requests_are_cut_and_joined(serve: Callable[..., turnout.Server]) -> None:
    server = serve(
        merge="always", max_batch_rows=1000, max_execution_rows=7, split_large_requests=True, max_enqueued_batches=400
    )
    inputs = [column(*range(rows)) for rows in (1, 100, 5, 33, 999)]
    answers = all_at_once(server, [predict("half_plus_two", given) for given in inputs])
    for given, answer in zip(inputs, answers, strict=True):
        np.testing.assert_array_equal(np.asarray(answer["y"]), given / 2 + 2)
    seen = batches(server, "half_plus_two")
    assert seen["rows"] == sum(len(given) for given in inputs)
    assert seen["calls"] >= seen["rows"] / 7


def test_a_model_that_counts_is_not_merged_at_any_word(serve: Callable[..., turnout.Server]) -> None:
    server = serve(**WAITING)
    models = server.status().models
    facts = {name: model.versions[0].facts for name, model in models.items()}
    counter, half = facts["counter"], facts["half_plus_two"]
    assert counter is not None
    assert half is not None
    assert "may change the model's state" in counter.merge_reason
    assert "`merge` is `always`" in half.merge_reason


def test_a_full_queue_and_deadlines_that_pass_in_it(serve: Callable[..., turnout.Server]) -> None:
    server = serve(merge="always", max_batch_rows=2, max_enqueued_batches=1, intra_op_threads=1)
    url = f"{server.rest_url}/v1/models/unhurried:predict"
    full = (
        "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued and"
        " max_enqueued_batches is 1"
    )

    def rest(timeout_ms: int) -> httpx.Response:
        headers = {"X-Request-Timeout-Ms": str(timeout_ms)}
        return httpx.post(url, json={"instances": [[1.0], [2.0]]}, headers=headers, timeout=60)

    with ThreadPoolExecutor(8) as pool, turnout.Client(server.grpc_url) as client:
        running = pool.submit(rest, 60_000)
        wait_for(lambda: batches(server, "unhurried")["calls"] == 1, "a call begins")
        late = pool.submit(rest, 20)
        assert late.result().status_code == 504
        waiting = pool.submit(rest, 60_000)
        wait_for(lambda: queued(server, "unhurried") == 1, "a request waits")
        refused = rest(60_000)
        assert (running.done(), refused.status_code) == (False, 503)
        assert waiting.result().json() == running.result().json() == {"predictions": [[1.0], [2.0]]}
        assert refused.json()["error"] == full
        assert np.asarray(client.predict("unhurried", {"x": column(3.0)})["y"]).tolist() == [[3.0]]
