import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import turnout
from tests.support.command import clean_environment
from tests.support.models import FLOWERS, IRIS, LABELS, add_version
from turnout.errors import (
    AddressInUseError,
    ArtifactInvalidError,
    ConfigError,
    DeadlineExceededError,
    FlavorUnknownError,
    ForkedError,
    RepositoryError,
    RuntimeMissingError,
    TurnoutError,
    UnavailableError,
)


def serve(source: Path, folder: Path, **options: Any) -> turnout.Server:
    """A server whose caches are the test's own."""
    settings = {"cache_dir": str(folder / "cache"), "settle_ms": 0, "loops": 1, **options.pop("settings", {})}
    return turnout.Server(source, settings=settings, **options)


def labels(url: str, model: str = "iris") -> list[int]:
    with turnout.Client(url) as client:
        return client.predict(model, FLOWERS)["label"].tolist()


def test_serves_a_model_file_over_both_doors(tmp_path: Path) -> None:
    with serve(IRIS, tmp_path) as server:
        server.wait_ready(20)
        assert labels(server.rest_url) == LABELS
        assert labels(server.grpc_url) == LABELS
        assert server.status().models["iris"].default == 1


def test_serves_a_model_under_another_name(tmp_path: Path) -> None:
    with serve(IRIS, tmp_path, name="flowers") as server:
        assert labels(server.wait_ready(20).grpc_url, "flowers") == LABELS


def test_serves_a_repository_and_sees_what_is_added(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    add_version(repository, "iris", 1)
    with serve(repository, tmp_path, settings={"poll_interval_ms": 50}) as server:
        server.wait_ready(20)
        add_version(repository, "other", 7)
        with turnout.Client(server.grpc_url) as client:
            for _ in range(200):
                if "other" in server.status().models and server.status().models["other"].default == 7:
                    break
                threading.Event().wait(0.05)
            assert client.predict("other", FLOWERS).version == 7


def test_several_servers_in_one_process_and_any_thread(tmp_path: Path) -> None:
    answers: dict[str, list[int]] = {}

    def run(name: str) -> None:
        with serve(IRIS, tmp_path / name, name=name) as server:
            answers[name] = labels(server.wait_ready(20).grpc_url, name)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {"a": LABELS, "b": LABELS, "c": LABELS}


def test_listens_on_unix_sockets(tmp_path: Path) -> None:
    settings = {"rest_socket": str(tmp_path / "rest"), "grpc_socket": str(tmp_path / "grpc")}
    with serve(IRIS, tmp_path, settings=settings) as server:
        server.wait_ready(20)
        assert server.grpc_address == f"unix:{tmp_path}/grpc"
        assert labels(server.rest_url) == LABELS
        assert labels(server.grpc_url) == LABELS
    assert not (tmp_path / "rest").exists()


@pytest.mark.parametrize("door", ["rest_port", "grpc_port"])
def test_a_taken_port_is_named(door: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server = serve(IRIS, tmp_path, **{door: port})
        with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port}"):
            server.start()
        assert server.stop()


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (b"not a model", "bad.onnx", ArtifactInvalidError),
        (b"hello", "notes.txt", FlavorUnknownError),
        (b"", "empty.onnx", TurnoutError),
    ],
)
def test_a_wrong_file_is_said_to_be_wrong(content: bytes, name: str, error: type[TurnoutError], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with serve(path, tmp_path) as server, pytest.raises(error):
        server.wait_ready(20)


def test_nothing_to_serve_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="no such file or folder"):
        serve(tmp_path / "absent", tmp_path)
    with pytest.raises(ConfigError, match="unknown setting"):
        serve(IRIS, tmp_path, settings={"rest_prot": 1})


def test_a_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with serve(IRIS, tmp_path) as server, pytest.raises(RuntimeMissingError, match="`onnxruntime`") as caught:
        server.wait_ready(20)
    assert caught.value.hint == "pip install 'turnout[onnx]'"


def test_an_empty_repository_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with serve(tmp_path / "models", tmp_path) as server:
        with pytest.raises((UnavailableError, DeadlineExceededError), match="there is no model"):
            server.wait_ready(2)
        with turnout.Client(server.grpc_url) as client:
            assert client.live()
            assert not client.ready()


def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    server = serve(IRIS, tmp_path).start().wait_ready(20)
    url = server.grpc_url
    assert server.stop()
    assert server.stop()
    with turnout.Client(url) as client:
        assert not client.live()
    with pytest.raises(UnavailableError, match="started before"):
        server.start()


def test_environment_and_operator_s_file_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TURNOUT_REST_PORT", "not a port")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "turnout").mkdir()
    (tmp_path / "turnout/turnout.toml").write_text("nonsense = 1")
    serve(IRIS, tmp_path)
    (tmp_path / "own.toml").write_text("max_streams = 7")
    server = serve(IRIS, tmp_path, config=tmp_path / "own.toml")
    assert server.settings.max_streams == 7


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_told_and_harms_nothing(tmp_path: Path) -> None:
    with serve(IRIS, tmp_path) as server:
        server.wait_ready(20)
        child = os.fork()
        if child == 0:
            try:
                server.stop()
                server.status()
            except ForkedError:
                os._exit(7)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert labels(server.grpc_url) == LABELS


def test_an_interpreter_that_ends_takes_its_servers_along(tmp_path: Path) -> None:
    script = (
        "import turnout\n"
        f"server = turnout.Server({str(IRIS)!r}, settings={{'cache_dir': {str(tmp_path)!r}}}).start().wait_ready(20)\n"
        "print('served')\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "served\n", "")
