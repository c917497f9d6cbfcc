import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import turnout
from tests.support.command import check_recording, run
from tests.support.models import FLOWERS, add_version
from turnout.repository.pin import read_pin

FILTERS = {r"http://127\.0\.0\.1:\d+": "URL", r"/\S*/models": "FOLDER/models"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in (1, 2, 3):
        add_version(tmp_path / "models", "iris", version)
    return tmp_path / "models"


@pytest.fixture
def server(models: Path, tmp_path: Path) -> Iterator[turnout.Server]:
    settings = {"cache_dir": str(tmp_path / "cache"), "settle_ms": 0, "loops": 1}
    with turnout.Server(models, settings=settings) as server:
        yield server.wait_ready(20)


def roll(server: turnout.Server, models: Path, *arguments: str) -> dict[str, object]:
    words = ["rollback", "iris", "--repository", models, "--url", server.rest_url, "--json", *arguments]
    outcome = run(words, models.parent)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    return json.loads(outcome.stdout)


def test_goes_back_and_forth_while_the_server_runs(server: turnout.Server, models: Path) -> None:
    with turnout.Client(server.grpc_url) as client:
        assert client.predict("iris", FLOWERS).version == 3
        assert roll(server, models, "--why", "it is worse") == {
            "model": "iris",
            "version": 2,
            "former_version": 3,
            "pinned": True,
            "confirmed": True,
        }
        assert client.predict("iris", FLOWERS).version == 2
        pin = read_pin(models / "iris")
        assert pin is not None
        assert (pin.version, pin.why) == (2, "it is worse")
        assert "@" in pin.who

        assert roll(server, models)["version"] == 1
        assert client.predict("iris", FLOWERS).version == 1
        add_version(models, "iris", 4)
        assert roll(server, models, "--to", "2")["version"] == 2
        assert client.predict("iris", FLOWERS).version == 2

        assert roll(server, models, "--clear")["version"] == 4
        assert client.predict("iris", FLOWERS).version == 4
        assert roll(server, models, "--to", "3")["former_version"] == 4
        assert client.predict("iris", FLOWERS).version == 3


def test_the_pin_holds_at_the_next_start(models: Path, tmp_path: Path) -> None:
    outcome = run(["rollback", "iris", "--repository", "models", "--to", "1", "--no-wait"], tmp_path)
    check_recording("rollback_no_wait", outcome, FILTERS)
    settings = {"cache_dir": str(tmp_path / "cache"), "settle_ms": 0, "loops": 1}
    with turnout.Server(models, settings=settings) as server, turnout.Client(server.rest_url) as client:
        server.wait_ready(20)
        assert client.predict("iris", FLOWERS).version == 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rollback_no_server", ["iris", "--repository", "models", "--url", "http://127.0.0.1:1"]),
        ("rollback_no_version", ["iris", "--repository", "models", "--to", "9"]),
        ("rollback_no_model", ["irs", "--repository", "models"]),
        ("rollback_no_repository", ["iris"]),
        ("rollback_contradiction", ["iris", "--repository", "models", "--to", "1", "--clear"]),
    ],
)
def test_says_what_is_wrong(name: str, arguments: list[str], models: Path, tmp_path: Path) -> None:
    assert models.is_dir()
    check_recording(name, run(["rollback", *arguments], tmp_path), FILTERS)


def test_the_oldest_version_cannot_be_rolled_back(tmp_path: Path) -> None:
    add_version(tmp_path / "models", "iris", 5)
    outcome = run(["rollback", "iris", "--repository", "models", "--no-wait"], tmp_path)
    check_recording("rollback_oldest", outcome, FILTERS)


def test_a_server_that_cannot_load_the_version_is_not_waited_for_for_ever(server: turnout.Server, models: Path) -> None:
    broken = models / "iris/0004"
    broken.mkdir()
    (broken / "model.onnx").write_bytes(b"not a model")
    words = ["rollback", "iris", "--repository", models, "--url", server.rest_url, "--to", "4", "--timeout-ms", "1500"]
    outcome = run(words, models.parent)
    assert outcome.exit_code == 6
    assert "does not serve version 4 of `iris` after 1500 ms: it serves 3" in outcome.stderr
    with turnout.Client(server.rest_url) as client:
        assert client.predict("iris", FLOWERS).version == 3


def test_a_model_with_a_path_of_its_own_is_found_by_its_name(models: Path, tmp_path: Path) -> None:
    (tmp_path / "turnout.toml").write_text("[models.flowers]\npath = 'models/iris'\n")
    words = ["rollback", "flowers", "--config", "turnout.toml", "--no-wait", "--url", "http://127.0.0.1:1", "--json"]
    assert json.loads(run(words, tmp_path).stdout)["version"] == 2
    pin = read_pin(models / "iris")
    assert pin is not None
    assert pin.version == 2
