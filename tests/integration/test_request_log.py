"""The request log, read by TensorFlow Serving's own message classes and TensorFlow's own reader."""

import re
import resource
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

import turnout
from tests.support.models import FLOWERS, add_version, wait_settled
from tests.support.savedmodel import require_tensorflow
from tests.support.served import ServedProcess, wait_for
from tests.support.serving_stubs import serving_stubs
from tests.support.tfrecords import read_by_tensorflow, read_logs
from turnout.errors import ConfigError, InvalidInputError
from turnout.repository.layout import WARMUP_NAME

STUBS = serving_stubs()
MODELS = Path(__file__).parents[2] / "crates" / "turnout-engine" / "tests" / "fixtures" / "onnx"


def make_repository(tmp_path: Path) -> Path:
    """Two versions of one model and one of another."""
    repository = tmp_path / "models"
    add_version(repository, "iris", 1)
    add_version(repository, "iris", 2)
    folder = repository / "words" / "1"
    folder.mkdir(parents=True)
    shutil.copy(MODELS / "identity_string.onnx", folder / "model.onnx")
    return repository


def serve(repository: Path, tmp_path: Path, **settings: Any) -> turnout.Server:
    """A server that logs every call."""
    given = {"cache_dir": str(tmp_path / "cache"), "settle_ms": 0, "loops": 1, **settings}
    given["request_log_dir"] = str(tmp_path / "log")
    return turnout.Server(repository, settings=given, model_settings={"request_log_rate": 1, "policy": "all"})


def logged(tmp_path: Path) -> list[Path]:
    """Every file of the log."""
    return sorted(path for path in (tmp_path / "log").rglob("*") if path.is_file())


def predict_request(rows: Sequence[Sequence[float]]) -> Any:
    """A call of the iris model."""
    message = STUBS.predict_pb2.PredictRequest(output_filter=["label"])
    message.model_spec.name = "iris"
    message.model_spec.version.value = 1
    values = [value for row in rows for value in row]
    tensor = STUBS.tensor_pb2.TensorProto(dtype=STUBS.types_pb2.DT_FLOAT, float_val=values)
    for size in (len(rows), 4):
        tensor.tensor_shape.dim.add(size=size)
    message.inputs["x"].CopyFrom(tensor)
    return message


def test_a_grpc_call_is_logged_as_it_came_and_was_answered(tmp_path: Path) -> None:
    request = predict_request(FLOWERS)
    with serve(make_repository(tmp_path), tmp_path) as server:
        wait_settled(server)
        with grpc.insecure_channel(server.grpc_address) as channel:
            stub = STUBS.prediction_service_pb2_grpc.PredictionServiceStub(channel)
            response = stub.Predict(request, timeout=10)
            refused = predict_request(FLOWERS)
            refused.output_filter.append("no such output")
            with pytest.raises(grpc.RpcError):
                stub.Predict(refused, timeout=10)
    [path] = logged(tmp_path)
    assert (path.parent.name, stat.S_IMODE(path.stat().st_mode)) == ("iris", 0o600)
    [log] = read_logs(path)
    assert log.predict_log.request == request
    assert log.predict_log.response == response
    metadata = log.log_metadata
    spec = (metadata.model_spec.name, metadata.model_spec.version.value, metadata.model_spec.signature_name)
    assert spec == ("iris", 1, "serving_default")
    assert metadata.sampling_config.sampling_rate == 1.0
    assert abs(metadata.timestamp_secs - path.stat().st_mtime) < 60


def test_a_rest_call_is_logged_as_the_grpc_call_that_asks_the_same(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).random((2_000, 4), np.float32)
    with serve(make_repository(tmp_path), tmp_path, offload_bytes=4096) as server:
        wait_settled(server)
        url = f"{server.rest_url}/v1/models"
        small = httpx.post(f"{url}/iris:predict", json={"instances": FLOWERS}, trust_env=False)
        assert httpx.post(f"{url}/iris:predict", json={"inputs": rows.tolist()}, trust_env=False).status_code == 200
        words = httpx.post(f"{url}/words:predict", json={"instances": [["a", "ü", ""]]}, trust_env=False)
        assert httpx.post(f"{url}/iris:predict", json={"instances": [[1]]}, trust_env=False).status_code == 400
        assert (small.status_code, words.status_code) == (200, 200)
    iris, text = logged(tmp_path)
    first, second = read_logs(iris)
    assert first.predict_log.request.model_spec.name == "iris"
    assert list(first.predict_log.request.inputs["x"].float_val) == np.array(FLOWERS, np.float32).ravel().tolist()
    assert list(first.predict_log.response.outputs["label"].int64_val) == [0, 1, 2]
    assert first.predict_log.response.model_spec.version.value == 2
    assert list(second.predict_log.request.inputs["x"].float_val) == rows.ravel().tolist()
    assert [dim.size for dim in second.predict_log.request.inputs["x"].tensor_shape.dim] == [2_000, 4]
    [spoken] = read_logs(text)
    [tensor] = spoken.predict_log.request.inputs.values()
    assert list(tensor.string_val) == [b"a", "ü".encode(), b""]


def test_a_log_warms_the_next_version_up(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    with serve(repository, tmp_path) as server, turnout.Client(wait_settled(server).grpc_url) as client:
        for _ in range(5):
            client.predict("iris", FLOWERS)
    [path] = logged(tmp_path)
    version = add_version(repository, "iris", 3) / "3"
    (version / WARMUP_NAME).parent.mkdir()
    shutil.copy(path, version / WARMUP_NAME)
    with serve(repository, tmp_path) as server:
        status = wait_settled(server).status()
        assert status.models["iris"].default == 3
        # What warms a version up is no call of a client.
        assert "turnout_request_log_records_total 0" in httpx.get(f"{server.rest_url}/metrics", trust_env=False).text


@pytest.mark.timeout(120)
def test_tensorflow_reads_the_files(tmp_path: Path) -> None:
    require_tensorflow()
    with serve(make_repository(tmp_path), tmp_path) as server, turnout.Client(wait_settled(server).grpc_url) as client:
        for rows in range(1, 50):
            client.predict("iris", np.zeros((rows, 4), np.float32))
    [path] = logged(tmp_path)
    parse = STUBS.prediction_log_pb2.PredictionLog.FromString
    logs = [parse(record).predict_log.request for record in read_by_tensorflow(path)]
    assert [log.inputs["x"].tensor_shape.dim[0].size for log in logs] == list(range(1, 50))


def test_nothing_is_logged_unasked(tmp_path: Path) -> None:
    settings = {"request_log_dir": str(tmp_path / "log"), "cache_dir": str(tmp_path / "cache"), "settle_ms": 0}
    with turnout.Server(make_repository(tmp_path), settings=settings) as server:
        with turnout.Client(wait_settled(server).grpc_url) as client:
            client.predict("iris", FLOWERS)
        server.stop()
    assert not (tmp_path / "log").exists()


def test_a_broken_disk_hurts_no_request_and_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("in the way")
    options = ["--set", f"request_log_dir={tmp_path / 'log'}", "--set", "model.request_log_rate=1"]
    with ServedProcess(make_repository(tmp_path), tmp_path, options) as process:
        url = process.rest_url
        wait_for(lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 200, "ready")
        with turnout.Client(url) as client:
            for _ in range(20):
                assert client.predict("iris", FLOWERS)["label"].tolist() == [0, 1, 2]
        lost = 'turnout_request_log_dropped_records_total{reason="disk"} 20'
        wait_for(lambda: lost in httpx.get(f"{url}/metrics", trust_env=False).text, "20 lost")
        said = [line for line in process.lines if "the request log cannot be written" in str(line)]
        assert len(said) == 1


def test_a_disk_that_is_full_keeps_what_was_whole(tmp_path: Path) -> None:
    options = ["--set", f"request_log_dir={tmp_path / 'log'}", "--set", "model.request_log_rate=1"]
    with ServedProcess(make_repository(tmp_path), tmp_path, options) as process:
        url = process.rest_url
        wait_for(lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 200, "ready")
        # What a full disk does to a file: a part of a write succeeds, and nothing after it.
        limit_bytes = 50_000
        resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        rows = np.zeros((100, 4), np.float32)

        def counted(series: str) -> int:
            page = httpx.get(f"{url}/metrics", trust_env=False).text
            return sum(int(number) for number in re.findall(rf"^{series}(?:\{{.*\}})? (\d+)$", page, re.MULTILINE))

        def call(times: int) -> None:
            with turnout.Client(url) as client:
                for _ in range(times):
                    assert len(client.predict("iris", rows)["label"]) == 100

        records, lost = "turnout_request_log_records_total", "turnout_request_log_dropped_records_total"
        call(10)
        wait_for(lambda: counted(records) == 10, "what fits is written")
        call(90)
        wait_for(lambda: counted(records) + counted(lost) == 100, "every call is counted")
        [path] = logged(tmp_path)
        assert (path.suffix, len(read_logs(path))) == (".tfrecord", counted(records))
        assert 10 <= counted(records) < 50
        said = [line for line in process.lines if "the request log cannot be written" in str(line)]
        assert len(said) == 1


def test_settings_of_the_log_are_the_operators(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    (repository / "iris" / "model.toml").write_text("request_log_rate = 1.0\n")
    with turnout.Server(repository, settings={"cache_dir": str(tmp_path), "settle_ms": 0}) as server:
        problems = wait_settled(server).status().problems
        assert any("the operator's alone: `request_log_rate`" in problem.message for problem in problems)
    for setting, value in (("request_log_rate", 1.5), ("request_log_rate", "nan")):
        with pytest.raises(ConfigError, match=setting):
            turnout.Server(repository, model_settings={setting: value})
    with pytest.raises(ConfigError, match=r"`request_log_file_bytes` .* is above `request_log_disk_bytes`"):
        turnout.Server(repository, settings={"request_log_file_bytes": 1 << 20, "request_log_disk_bytes": 1 << 19})


def test_a_refused_call_is_not_logged(tmp_path: Path) -> None:
    with serve(make_repository(tmp_path), tmp_path) as server, turnout.Client(wait_settled(server).rest_url) as client:
        assert client.live()
        with pytest.raises(InvalidInputError):
            client.predict("iris", [[1.0]])
    assert logged(tmp_path) == []
