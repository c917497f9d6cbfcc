"""The installed `tensorflow_model_server`, by curl's and TensorFlow Serving's own clients."""

import importlib.metadata
import json
import shutil
import socket
import subprocess
import tomllib
from pathlib import Path

import grpc
import pytest

from tests.support.certificates import Authority
from tests.support.model_server import ModelServerProcess, predict, run
from tests.support.served import wait_for
from tests.support.serving_stubs import serving_stubs

pytestmark = pytest.mark.timeout(180)
"""TensorFlow takes 8 s to be imported and 10 to make the models, on an idle machine."""

ROOT = Path(__file__).parents[3]
HALF = [1.0, 2.0, 5.0]
ANSWERS = [2.5, 3.0, 4.5]


def config(*models: tuple[str, Path], extra: str = "") -> str:
    listed = "".join(f"config {{ name: '{name}', base_path: '{path}' {extra} }}\n" for name, path in models)
    return f"model_config_list: {{\n{listed}}}\n"


def test_the_commands_are_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name in ("tensorflow_model_server", "tf_serving_entrypoint.sh"):
        entry = importlib.metadata.EntryPoint(name, scripts[name], "console_scripts")
        assert callable(entry.load())


def test_one_model_from_flags(base: Path, tmp_path: Path) -> None:
    flags = ["--model_name=half", "--model_base_path=base", f"--grpc_socket_path={tmp_path}/grpc.sock"]
    with ModelServerProcess(tmp_path, *flags) as server:
        server.wait_open()
        body = json.dumps({"instances": HALF})
        url = f"http://localhost:{server.rest_port}/v1/models/half:predict"
        answer = subprocess.run(["curl", "-sS", "-d", body, url], capture_output=True, check=True, timeout=10)
        assert json.loads(answer.stdout) == {"predictions": ANSWERS}
        for address in (f"localhost:{server.grpc_port}", f"unix:{tmp_path}/grpc.sock"):
            with server.channel(address) as channel:
                response = predict(channel, "half", HALF)
                assert list(response.outputs["y"].float_val) == ANSWERS
                assert response.model_spec.version.value == 1
        log = server.stop()
    assert f"Running gRPC ModelServer at 0.0.0.0:{server.grpc_port} ...\n" in log
    assert f"Running gRPC ModelServer at UNIX socket {tmp_path}/grpc.sock ...\n" in log
    assert f"Exporting HTTP/REST API at:localhost:{server.rest_port} ...\n" in log
    assert "stopped drained=True" in log
    assert "Traceback" not in log


def test_the_port_opens_when_there_is_a_model_behind_it(base: Path, tmp_path: Path) -> None:
    shutil.move(base / "1", tmp_path / "kept")
    base.rmdir()
    with ModelServerProcess(tmp_path, "--model_base_path=base") as server:
        server.wait_open()  # a missing model was looked for, and is reported from now on
        code, text = server.rest("/v1/models/default:predict", json.dumps({"instances": HALF}))
        assert (code, "Servable not found for request: Latest(default)" in text) == (404, True)
        assert server.rest("/readyz")[0] == 503
        base.mkdir()
        shutil.move(tmp_path / "kept", base / "1")
        wait_for(lambda: server.rest("/readyz")[0] == 200, "the model that came late is served")


def test_the_image_s_entry_point_takes_its_variables(base: Path, tmp_path: Path) -> None:
    variables = {"MODEL_NAME": "base", "MODEL_BASE_PATH": str(tmp_path)}
    words = "--port={} --rest_api_port={}"
    with ModelServerProcess(tmp_path, variables=variables, function="main") as reserved:
        assert reserved.process.wait(20) == 255, "without flags the command itself has no model"
        ports = words.format(reserved.grpc_port, reserved.rest_port).split()
    with ModelServerProcess(tmp_path, *ports, variables=variables, function="entry_point") as server:
        server.wait_log("Exporting HTTP/REST API at:localhost:")
        server.rest_port = reserved.rest_port
        assert json.loads(server.rest("/v1/models/base:predict", json.dumps({"inputs": HALF}))[1]) == {
            "outputs": ANSWERS
        }


def test_versions_labels_and_changes(base: Path, tmp_path: Path) -> None:
    from tests.integration.model_server.conftest import add_version

    for version in (2, 3):
        add_version(base, version)
    policy = "model_version_policy { specific { versions: 1 versions: 2 } }"
    labels = "version_labels { key: 'stable' value: 1 } version_labels { key: 'canary' value: 9 }"
    (tmp_path / "models.config").write_text(config(("half", base), extra=f"{policy} {labels}"))
    with ModelServerProcess(tmp_path, "--model_config_file=models.config") as server, server.channel() as channel:
        server.wait_open()
        assert predict(channel, "half", HALF).model_spec.version.value == 2
        wait_for(lambda: server.log.count("is loaded:") == 2, "the older one is loaded too")
        assert predict(channel, "half", HALF, label="stable").model_spec.version.value == 1
        with pytest.raises(grpc.RpcError) as caught:
            predict(channel, "half", HALF, label="canary")
        error = caught.value
        assert isinstance(error, grpc.Call)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        states = json.loads(server.rest("/v1/models/half")[1])["model_version_status"]
        assert [each["version"] for each in states] == ["2", "1"]


def test_grpc_alone_and_messages_of_many_megabytes(base: Path, tmp_path: Path) -> None:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with ModelServerProcess(tmp_path, "--model_base_path=base", "--rest_api_port=0") as server:
        server.wait_log("Running gRPC ModelServer")
        assert server.rest("/readyz")[0] == 0
        assert "Exporting" not in server.log
        many = 20_000_000
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=options) as channel:
            stubs = serving_stubs()
            request = stubs.predict_pb2.PredictRequest()
            request.model_spec.name = "default"
            request.inputs["x"].dtype = stubs.types_pb2.DT_FLOAT
            request.inputs["x"].tensor_shape.dim.add(size=many)
            request.inputs["x"].tensor_content = bytes(4 * many)
            stub = stubs.prediction_service_pb2_grpc.PredictionServiceStub(channel)
            values = stub.Predict(request, timeout=60).outputs["y"].float_val
            assert (len(values), values[0], values[-1]) == (many, 2.0, 2.0)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by `openssl`")
def test_ssl_config_file(base: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    first, second, client = authority.issue("first"), authority.issue("second"), authority.issue("ada", "client")

    def write(pair_name: str) -> None:
        pair = {"first": first, "second": second}[pair_name]
        quoted = {
            "server_key": pair.key, "server_cert": pair.certificate, "custom_ca": authority.certificate
        }  # fmt: skip
        lines = [f"{name}: {json.dumps(path.read_text())}" for name, path in quoted.items()]
        staged = tmp_path / "staged"
        staged.write_text("\n".join([*lines, "client_verify: true"]))
        staged.rename(tmp_path / "ssl.config")

    write("first")
    flags = ["--model_base_path=base", "--ssl_config_file=ssl.config"]
    with ModelServerProcess(tmp_path, *flags) as server:
        server.wait_open()
        assert server.rest("/v1/models/default")[0] == 200, "REST stays as it is"
        shown = grpc.ssl_channel_credentials(
            authority.certificate.read_bytes(), client.key.read_bytes(), client.certificate.read_bytes()
        )
        address = f"localhost:{server.grpc_port}"
        with grpc.secure_channel(address, shown) as channel:
            assert list(predict(channel, "default", HALF).outputs["y"].float_val) == ANSWERS
        nameless = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
        for channel in (grpc.secure_channel(address, nameless), grpc.insecure_channel(address)):
            with channel, pytest.raises(grpc.RpcError):
                predict(channel, "default", HALF, timeout_s=3)
        write("second")
        server.wait_log("certificates were read anew", 30)
        assert first.key.read_text() not in server.log
        with grpc.secure_channel(address, shown) as channel:
            assert list(predict(channel, "default", HALF).outputs["y"].float_val) == ANSWERS


def test_versions_are_printed(tmp_path: Path) -> None:
    finished = run(tmp_path, "--version")
    first, second = finished.stdout.splitlines()
    assert finished.returncode == 0
    assert first.startswith("TensorFlow ModelServer: ")
    assert second.startswith("TensorFlow Library: ")


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        ([], 255, "Both server_options.model_base_path and server_options.model_config_file are empty!"),
        (["--port=x"], 255, "usage: tensorflow_model_server"),
        (["--port=0", "--model_base_path=/m"], 255, "Failed to start server. Error: gRPC has no place to listen"),
        (["--model_config_file=absent"], 255, "Failed to start server. Error: `absent` cannot be read"),
        (["--model_base_path=/m", "--use_alts_credentials"], 255, "there is no ALTS here"),
        (["--model_base_path=/m", "--batching_parameters_file=b"], 255, "needs `--enable_batching`"),
        (["--help"], 0, "--model_config_file_poll_wait_seconds"),
    ],
)
def test_what_ends_it_at_once(flags: list[str], code: int, said: str, tmp_path: Path) -> None:
    finished = run(tmp_path, *flags)
    assert finished.returncode == code
    assert said in finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_config_file_that_is_wrong_is_named_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text("model_config_list {\n  config { base_pth: '/m' }\n}\n")
    finished = run(tmp_path, "--model_config_file=models.config")
    assert finished.returncode == 255
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig: 2:12: expected a field" in finished.stderr
    assert "Invalid protobuf file: 'models.config'" in finished.stderr


def test_a_taken_port_ends_it(base: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        finished = run(tmp_path, "--model_base_path=base", f"--port={holder.getsockname()[1]}")
    assert finished.returncode == 255
    assert "Failed to start server. Error: cannot listen on 0.0.0.0:" in finished.stderr


def test_it_goes_on_without_what_it_does_not_understand(base: Path, tmp_path: Path) -> None:
    with ModelServerProcess(tmp_path, "--model_base_path=base", "--nonsense=1", "--model_name", "m") as server:
        log = server.wait_open().log
        assert "unknown argument: --nonsense=1\n" in log
        assert "unknown argument: --model_name\nunknown argument: m\n" in log
        assert server.rest("/v1/models/default")[0] == 200


def test_twenty_models_of_which_three_are_bad(made: Path, tmp_path: Path) -> None:
    """One is broken, one is missing and one is slow: the others serve at once, and the status says what is wrong."""
    names = [f"half_{number}" for number in range(17)]
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "saved_model.pb").write_bytes(b"no model")
    models = [("broken", tmp_path / "broken"), ("missing", tmp_path / "missing"), ("slow", made / "slow")]
    models += [(name, made / "half_plus_two") for name in names]
    (tmp_path / "models.config").write_text(config(*models))
    with ModelServerProcess(tmp_path, "--model_config_file=models.config") as server, server.channel() as channel:
        server.wait_open(60)
        for name in names:
            wait_for(lambda name=name: server.rest(f"/v1/models/{name}:predict", '{"inputs": 1}')[0] == 200, name)
            assert list(predict(channel, name, HALF).outputs["y"].float_val) == ANSWERS
        code, text = server.rest("/readyz")
        status = {model["name"]: model for model in json.loads(text)["models"]}
        assert (code, len(status)) == (200, 20)
        assert "missing" in status["missing"]["problem"]
        assert status["broken"]["versions"][0]["error_code"] in ("load_failed", "artifact_invalid")
        assert status["slow"]["versions"][0]["state"] == "LOADING"
        assert server.rest("/v1/models/slow:predict", '{"inputs": [1]}')[0] == 503, "come back later"
        assert server.rest("/v1/models/broken:predict", '{"inputs": [1]}')[0] == 404
        missing = json.loads(server.rest("/v1/models/missing")[1])
        assert missing["error"] == "Could not find any versions of model missing"
        assert "no such file" in status["missing"]["problem"].lower()
