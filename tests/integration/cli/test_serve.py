import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import turnout
from tests.support.command import COMMAND, check_recording, clean_environment, hide_runtimes, run
from tests.support.models import FLOWERS, IRIS, LABELS, add_version
from tests.support.process import ServeProcess
from turnout.client.address import parse_url
from turnout.errors import UnavailableError

VOLATILE = {
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "TIME",
    r"127\.0\.0\.1:\d+": "127.0.0.1:PORT",
    r"/\S*/(absent|bad|empty|iris)\.onnx": r"FOLDER/\1.onnx",
    r"\d+ ms": "N ms",
    r"took_ms=\d+": "took_ms=N",
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_it_is_told_to_stop(number: signal.Signals, tmp_path: Path) -> None:
    with ServeProcess(tmp_path, IRIS) as server:
        server.wait_ready()
        for url in (server.rest_url, server.grpc_url):
            with turnout.Client(url) as client:
                assert client.predict("iris", FLOWERS)["label"].tolist() == LABELS
        server.signal(number)
        assert server.wait() == 0
        assert "stopped drained=True" in server.log


def test_requests_in_flight_are_finished(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, IRIS, "--drain-delay-ms", "300") as server:
        server.wait_ready()
        failures: list[Exception] = []
        stopping = threading.Event()

        def ask() -> None:
            with turnout.Client(server.rest_url) as client:
                while not stopping.is_set():
                    try:
                        client.predict("iris", FLOWERS)
                    except UnavailableError as error:  # once it no longer accepts
                        failures.append(error) if not stopping.wait(2) else None

        asker = threading.Thread(target=ask)
        asker.start()
        time.sleep(0.2)
        server.signal()
        time.sleep(0.1)
        with turnout.Client(server.rest_url) as client:
            assert not client.ready()
            assert client.predict("iris", FLOWERS)["label"].tolist() == LABELS
        stopping.set()
        assert server.wait() == 0
        asker.join(10)
        assert failures == []


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, IRIS, "--drain-delay-ms", "20000") as server:
        server.wait_ready()
        began_s = time.monotonic()
        server.signal()
        time.sleep(0.3)
        assert server.process.poll() is None
        server.signal(signal.SIGINT)
        assert server.wait() == 128 + signal.SIGINT
        assert time.monotonic() - began_s < 10


def test_a_signal_while_it_starts_ends_it_too(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with ServeProcess(tmp_path, tmp_path / "models") as server:
        server.signal()
        assert server.wait() == 0


def test_a_repository_without_a_working_model_stays_up_and_recovers(tmp_path: Path) -> None:
    broken = tmp_path / "models/iris/1"
    broken.mkdir(parents=True)
    (broken / "model.onnx").write_bytes(b"not a model")
    with ServeProcess(tmp_path, tmp_path / "models", "--set", "settle_ms=0") as server:
        with turnout.Client(server.rest_url) as client:
            assert client.live()
            assert not client.ready()
        add_version(tmp_path / "models", "iris", 2)
        server.wait_ready()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("serve_nothing", []),
        ("serve_absent", ["absent.onnx"]),
        ("serve_no_model", ["bad.onnx"]),
        ("serve_empty_file", ["empty.onnx"]),
        ("serve_bad_setting", ["bad.onnx", "--set", "max_steams=3"]),
        ("serve_bad_value", ["bad.onnx", "--rest-port", "70000"]),
    ],
)
def test_says_what_is_wrong(name: str, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("not a model")
    (tmp_path / "empty.onnx").write_text("")
    ports = ["--grpc-port", "0", *([] if "--rest-port" in arguments else ["--rest-port", "0"])]
    check_recording(name, run(["serve", *arguments, *ports], tmp_path), VOLATILE)


def test_an_address_of_another_machine_is_told_apart_from_a_taken_one(tmp_path: Path) -> None:
    arguments = ["serve", IRIS, "--host", "192.0.2.1", "--rest-port", "0", "--grpc-port", "0"]
    check_recording("serve_foreign_address", run(arguments, tmp_path), VOLATILE)


def test_the_banner_shows_what_the_client_takes(tmp_path: Path) -> None:
    command = [*COMMAND, "serve", str(IRIS), "--rest-socket", "rest.sock", "--grpc-socket", "grpc.sock"]
    environment = clean_environment(tmp_path)
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        urls = [server.stdout.readline().split()[1] for _ in range(2)]
        server.terminate()
    assert urls == ["http+unix://rest.sock", "grpc+unix://grpc.sock"]
    assert [parse_url(url).socket_path for url in urls] == ["rest.sock", "grpc.sock"]


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        outcome = run(["serve", IRIS, "--rest-port", port, "--grpc-port", "0"], tmp_path)
    filters = {**VOLATILE, rf"--rest-port {port}": "--rest-port PORT"}
    check_recording("serve_taken_port", outcome, filters)


def test_a_missing_runtime_is_named_before_anything_starts(tmp_path: Path) -> None:
    hide_runtimes(tmp_path)
    arguments = ["serve", IRIS, "--rest-port", "0", "--grpc-port", "0"]
    outcome = run(arguments, tmp_path, variables={"PYTHONPATH": str(tmp_path)})
    check_recording("serve_no_runtime", outcome, VOLATILE)


def test_the_log_is_json_where_that_is_wanted(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, IRIS, "--log-format", "json") as server:
        server.wait_ready()
        server.signal()
        assert server.wait() == 0
        assert all(line.startswith('{"time": ') for line in server.log.splitlines())


def test_the_repository_can_stand_in_the_operator_s_file(tmp_path: Path) -> None:
    add_version(tmp_path / "models", "iris", 1)
    (tmp_path / "turnout.toml").write_text(f'repository = "{tmp_path}/models"\nsettle_ms = 0\n')
    with ServeProcess(tmp_path, "--config", "turnout.toml") as server:
        server.wait_ready()


def test_models_of_the_operator_s_file_are_served_from_paths_of_their_own(tmp_path: Path) -> None:
    add_version(tmp_path / "conf/here", "iris", 3)
    (tmp_path / "conf/empty").mkdir()
    (tmp_path / "conf/turnout.toml").write_text(
        "settle_ms = 0\npoll_interval_ms = 50\n"
        "[models.flowers]\npath = 'here/iris'\nlabels = {stable = 3}\n"
        f"[models.single]\npath = '{IRIS}'\n"
        "[models.empty]\npath = 'empty'\n"
        f"[models.late]\npath = '{tmp_path}/late/iris'\n"
    )
    with ServeProcess(tmp_path, "--config", "conf/turnout.toml") as server:
        server.wait_ready()
        with turnout.Client(server.rest_url) as client:
            for name, version in (("flowers", 3), ("single", 1)):
                prediction = client.predict(name, FLOWERS)
                assert (prediction["label"].tolist(), prediction.version) == (LABELS, version)
            assert {model.name: dict(model.labels) for model in client.models()}["flowers"] == {"stable": 3}
            assert f"cannot read `{tmp_path}/late/iris`" in server.log
            add_version(tmp_path / "late", "iris", 1)
            wait_until(lambda: "late" in {model.name for model in client.models() if model.default_version == 1})


def test_a_model_that_is_not_there_counts_where_all_must_serve(tmp_path: Path) -> None:
    (tmp_path / "turnout.toml").write_text(
        f"ready = 'all'\nsettle_ms = 0\npoll_interval_ms = 50\n"
        f"[models.iris]\npath = '{IRIS}'\n[models.late]\npath = 'late/iris'\n"
    )
    with ServeProcess(tmp_path, "--config", "turnout.toml") as server:
        wait_until(lambda: "not serving: late (cannot read `" in readiness(server))
        assert readiness(server).count("No such file or directory") == 1
        with turnout.Client(server.rest_url) as client:
            assert client.predict("iris", FLOWERS)["label"].tolist() == LABELS
        add_version(tmp_path / "late", "iris", 1)
        server.wait_ready()


def readiness(server: ServeProcess) -> str:
    return httpx.get(f"{server.rest_url}/readyz").json()["reason"]


def test_a_path_on_the_command_line_beats_the_models_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "turnout.toml").write_text("[models.absent]\npath = 'absent'\n")
    with ServeProcess(tmp_path, IRIS, "--config", "turnout.toml") as server:
        server.wait_ready()
        with turnout.Client(server.rest_url) as client:
            assert [model.name for model in client.models()] == ["iris"]


def test_the_only_model_of_the_file_ends_the_server_if_it_is_a_file_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("not a model")
    (tmp_path / "turnout.toml").write_text("[models.bad]\npath = 'bad.onnx'\n")
    arguments = ["serve", "--config", "turnout.toml", "--rest-port", "0", "--grpc-port", "0"]
    check_recording("serve_configured_no_model", run(arguments, tmp_path), VOLATILE)


def test_models_of_the_file_take_no_name_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "turnout.toml").write_text("[models.iris]\npath = 'iris'\n")
    outcome = run(["serve", "--config", "turnout.toml", "--name", "other"], tmp_path)
    check_recording("serve_configured_name", outcome, VOLATILE)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come true")


def test_it_leaves_no_child_behind(tmp_path: Path) -> None:
    with ServeProcess(tmp_path, IRIS) as server:
        server.wait_ready()
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
        assert children.strip() == ""
