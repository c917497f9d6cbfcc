"""The list of models changes while the server runs: by its file, and by the call of TensorFlow Serving's own stubs."""

import shutil
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest

import turnout
from tests.support.model_server import ModelServerProcess, predict
from tests.support.models import FLOWERS, LABELS
from tests.support.models import add_version as add_iris
from tests.support.process import ServeProcess
from tests.support.served import usage, wait_for
from tests.support.serving_stubs import serving_stubs

pytestmark = pytest.mark.timeout(180)

HALF = [1.0, 2.0, 5.0]
Models = dict[str, Path | str]


def text(models: Models, extra: str = "") -> str:
    listed = "".join(f"config {{ name: '{name}' base_path: '{path}' {extra} }}\n" for name, path in models.items())
    return f"model_config_list {{\n{listed}}}\n"


def replace(file: Path, content: str) -> None:
    staged = file.with_suffix(".staged")
    staged.write_text(content)
    staged.rename(file)


def reload(channel: Any, models: Models, *, timeout_s: float = 30, platform: str = "tensorflow") -> Any:
    stubs = serving_stubs()
    request = stubs.model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    for name, path in models.items():
        added = request.config.model_config_list.config.add(name=name, base_path=str(path))
        added.model_platform = platform
    stub = stubs.model_service_pb2_grpc.ModelServiceStub(channel)
    return stub.HandleReloadConfigRequest(request, timeout=timeout_s)


def refused(channel: Any, models: Models, **options: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        reload(channel, models, **options)
    error: Any = caught.value
    return error.code(), error.details()


def serves(channel: Any, name: str) -> bool:
    try:
        return list(predict(channel, name, HALF).outputs["y"].float_val) == [2.5, 3.0, 4.5]
    except grpc.RpcError:
        return False


class Load:
    """Asks one model again and again, from threads of its own; every answer must be right."""

    def __init__(self, server: ModelServerProcess, model: str) -> None:
        self.answers, self.failures = 0, list[str]()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(server, model)) for _ in range(2)]

    def _run(self, server: ModelServerProcess, model: str) -> None:
        with server.channel() as channel:
            while not self._stop.is_set():
                try:
                    assert list(predict(channel, model, HALF).outputs["y"].float_val) == [2.5, 3.0, 4.5]
                    self.answers += 1
                except (grpc.RpcError, AssertionError) as error:
                    self.failures.append(str(error))

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self.failures == []
        assert self.answers > 0


def test_a_changed_file_is_taken_over(base: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    replace(file, text({"a": base, "kept": base}))
    flags = [f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1"]
    with ModelServerProcess(tmp_path, *flags) as server, server.channel() as channel:
        server.wait_open()
        with Load(server, "kept"):
            replace(file, text({"kept": base, "b": base}, "version_labels { key: 'stable' value: 1 }"))
            wait_for(lambda: serves(channel, "b"), "the new model serves")
            wait_for(lambda: server.rest("/v1/models/a")[0] == 404, "the removed one is gone")
            wait_for(
                lambda: server.rest("/v1/models/kept/labels/stable:predict", '{"inputs": 1}')[0] == 200,
                "the label holds",
            )
            replace(file, "model_config_list { config { name")
            server.wait_log("Error parsing text-format tensorflow.serving.ModelServerConfig: 1:")
            assert serves(channel, "b")
            replace(file, text({"kept": base, "b": base, "c": base}))
            wait_for(lambda: serves(channel, "c"), "and it goes on")
        log = server.stop()
    assert log.count("the list of models stays as it was") == 1


def test_a_call_supersedes_everything_and_waits(base: Path, tmp_path: Path) -> None:
    with ModelServerProcess(tmp_path, "--model_name=a", f"--model_base_path={base}") as server:
        server.wait_open()
        with server.channel() as channel, Load(server, "a"):
            response = reload(channel, {"a": base, "b": base})
            assert response.status.error_code == 0
            assert serves(channel, "b"), "it has waited"
            reload(channel, {"a": base})
            wait_for(lambda: server.rest("/v1/models/b")[0] == 404, "what is not named is unloaded")
            reload(channel, {"a": base, "b": base})
            assert serves(channel, "b")
        with server.channel() as channel:
            reload(channel, {})
            wait_for(lambda: not serves(channel, "a"), "an empty list serves nothing")
            reload(channel, {"a": base})
            assert serves(channel, "a")


def test_a_model_moves_without_losing_a_request(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base / "1", tmp_path / "other" / "2")
    with ModelServerProcess(tmp_path, "--model_name=a", f"--model_base_path={base}") as server:
        server.wait_open()
        with server.channel() as channel, Load(server, "a"):
            for path, version in ((tmp_path / "other", 2), (base, 1), (tmp_path / "other", 2)):
                reload(channel, {"a": path})
                wait_for(
                    lambda version=version: predict(channel, "a", HALF).model_spec.version.value == version,
                    f"version {version} serves",
                )


def test_what_is_wrong_with_a_call_is_said_and_changes_nothing(base: Path, tmp_path: Path) -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    with ModelServerProcess(tmp_path, "--model_name=a", f"--model_base_path={base}") as server:
        server.wait_open()
        with server.channel() as channel:
            stubs = serving_stubs()
            stub = stubs.model_service_pb2_grpc.ModelServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.HandleReloadConfigRequest(stubs.model_management_pb2.ReloadConfigRequest(), timeout=10)
            error: Any = caught.value
            assert (error.code(), error.details()) == (
                invalid,
                "ServerModelConfig type not supported by HandleReloadConfigRequest."
                " Only ModelConfigList is currently supported",
            )
            assert refused(channel, {"b": "relative"}) == (
                invalid,
                "Expected model b to have an absolute path or URI; got base_path()=relative",
            )
            assert refused(channel, {"b": base}, platform="mine") == (
                invalid,
                "Model b requests unsupported platform mine",
            )
            request = stubs.model_management_pb2.ReloadConfigRequest()
            for _ in range(2):
                request.config.model_config_list.config.add(name="b", base_path=str(base))
            with pytest.raises(grpc.RpcError) as caught:
                stub.HandleReloadConfigRequest(request, timeout=10)
            error = caught.value
            assert (error.code(), error.details()) == (
                invalid,
                "Illegal to list model b multiple times in config list",
            )
            garbage = channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest")
            with pytest.raises(grpc.RpcError) as caught:
                garbage(b"\x0a\x05abc", timeout=10)
            error = caught.value
            assert error.code() is invalid
            assert serves(channel, "a")


def test_models_that_fail_are_named_and_the_others_serve(base: Path, made: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    (broken / "7").mkdir(parents=True)
    (broken / "7" / "saved_model.pb").write_bytes(b"no model")
    with ModelServerProcess(tmp_path, "--model_name=a", f"--model_base_path={base}") as server:
        server.wait_open()
        with server.channel() as channel:
            models: Models = {"a": base, "broken": broken, "good": base, "missing": tmp_path / "missing"}
            code, details = refused(channel, models)
            assert code is grpc.StatusCode.UNKNOWN
            assert details.startswith("2 model(s) did not become available: {{name: broken version: 7} due to error: ")
            assert "{name: missing} due to error: cannot read" in details
            assert serves(channel, "a")
            assert serves(channel, "good")
            code, _ = refused(channel, {"a": base, "slow": made / "slow"}, timeout_s=1)
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
            assert serves(channel, "a")


def test_it_can_be_switched_off(base: Path, tmp_path: Path) -> None:
    flags = ["--model_name=a", f"--model_base_path={base}"]
    with ModelServerProcess(tmp_path, *flags, variables={"TURNOUT_RELOAD_RPC": "false"}) as server:
        server.wait_open()
        with server.channel() as channel:
            code, details = refused(channel, {"a": base})
            assert code is grpc.StatusCode.UNIMPLEMENTED
            assert "`reload_rpc` allows it" in details
            assert serves(channel, "a")


def test_a_hundred_reloads_leak_nothing(base: Path, tmp_path: Path) -> None:
    with ModelServerProcess(tmp_path, "--model_name=a", f"--model_base_path={base}") as server:
        server.wait_open()
        with server.channel() as channel, Load(server, "a"):
            for _ in range(3):
                reload(channel, {"a": base, "b": base})
                reload(channel, {"a": base})
            wait_for(lambda: server.rest("/v1/models/b")[0] == 404, "unloaded")
            before = usage(server.process.pid)
            for _ in range(50):
                reload(channel, {"a": base, "b": base}, timeout_s=60)
                reload(channel, {"a": base})
            wait_for(lambda: server.rest("/v1/models/b")[0] == 404, "unloaded")
            wait_for(lambda: usage(server.process.pid).threads <= before.threads + 4, "threads end")
            after = usage(server.process.pid)
        assert after.descriptors <= before.descriptors + 8
        assert after.resident_bytes <= before.resident_bytes + 100 * 1024 * 1024


def test_turnout_serve_takes_the_call_where_it_is_allowed(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    add_iris(repository, "iris", 1)
    options = ["--set", "settle_ms=0", "--set"]
    with ServeProcess(tmp_path, repository, *options, "reload_rpc=true") as server:
        server.wait_ready()
        with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
            reload(channel, {"flowers": repository / "iris"})
            with turnout.Client(server.rest_url) as client:
                assert client.predict("flowers", FLOWERS)["label"].tolist() == LABELS
                wait_for(lambda: [model.name for model in client.models()] == ["flowers"], "the repository is left")
    with ServeProcess(tmp_path, repository, *options, "settle_ms=0") as server:
        server.wait_ready()
        with grpc.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
            assert refused(channel, {})[0] is grpc.StatusCode.UNIMPLEMENTED
