"""Warm-up files in versions of both engines, written by TensorFlow Serving's own message classes."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import turnout
from tests.support.models import FLOWERS, add_version, wait_settled
from tests.support.savedmodel import make_models, require_tensorflow
from tests.support.served import ServedProcess, wait_for
from tests.support.serving_stubs import serving_stubs
from tests.support.tfrecords import frame, predict_log, write_by_tensorflow, write_logs
from turnout.lifecycle.status import Status
from turnout.repository.layout import MANIFEST_NAME, WARMUP_NAME
from turnout.repository.manifest import Manifest, ManifestFile, encode_manifest

STUBS = serving_stubs()


def request(inputs: dict[str, tuple[tuple[int, ...], list[float]]], signature: str = "") -> Any:
    """A call of float32 inputs, given as shape and values; the model's name is another one's."""
    message = STUBS.predict_pb2.PredictRequest()
    message.model_spec.name = "recorded elsewhere"
    message.model_spec.version.value = 77
    message.model_spec.signature_name = signature
    for name, (shape, values) in inputs.items():
        proto = STUBS.tensor_pb2.TensorProto(dtype=STUBS.types_pb2.DT_FLOAT, float_val=values)
        for size in shape:
            proto.tensor_shape.dim.add(size=size)
        message.inputs[name].CopyFrom(proto)
    return message


def flowers(name: str = "x") -> Any:
    """A record of three rows for the iris model."""
    return predict_log(request({name: ((3, 4), [value for row in FLOWERS for value in row])}))


def step(by: int) -> Any:
    """A record for the SavedModel that counts."""
    message = STUBS.predict_pb2.PredictRequest()
    message.inputs["by"].CopyFrom(STUBS.tensor_pb2.TensorProto(dtype=STUBS.types_pb2.DT_INT64, int64_val=[by]))
    return predict_log(message)


def serve(repository: Path, tmp_path: Path, **model_settings: Any) -> turnout.Server:
    """A server on free ports."""
    settings = {"cache_dir": str(tmp_path / "cache"), "settle_ms": 0, "loops": 1}
    return turnout.Server(repository, settings=settings, model_settings=model_settings)


def fault_of(status: Status, model: str) -> str:
    """Why version 1 of a model is not served; empty where it is."""
    fault = status.models[model].versions[0].fault
    return "" if fault is None else f"{fault.code}: {fault.message}"


def test_a_version_with_records_serves_and_one_with_a_wrong_file_does_not(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    files: dict[str, bytes] = {
        "good": frame(flowers().SerializeToString()),
        "empty": b"",
        "text": b'{"instances": [[1, 2, 3, 4]]}',
        "cut": frame(flowers().SerializeToString())[:-1],
        "misfit": frame(flowers("y").SerializeToString()),
        "many": frame(flowers().SerializeToString()) * 1001,
    }
    for name, data in files.items():
        path = add_version(repository, name, 1) / "1" / WARMUP_NAME
        path.parent.mkdir()
        path.write_bytes(data)
    with serve(repository, tmp_path) as server:
        server.wait_ready(20)
        status = wait_settled(server).status()
        assert [name for name in files if not fault_of(status, name)] == ["good", "empty"]
        assert fault_of(status, "text").startswith("artifact_invalid: corrupted record at 0 of `")
        assert fault_of(status, "cut").startswith("artifact_invalid: truncated record at 0 of `")
        for name in ("text", "cut"):
            assert fault_of(status, name).endswith("Please verify your warmup data is in TFRecord format.")
        path = repository / "many" / "1" / WARMUP_NAME
        assert fault_of(status, "many") == (
            f"artifact_invalid: Number of warmup records exceeds the maximum (1000) at {path}"
        )
        assert "Signature input alias: x(feed name: x) not found in request" in fault_of(status, "misfit")


def test_settings_leave_the_file_alone(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    path = add_version(repository, "iris", 1) / "1" / WARMUP_NAME
    path.parent.mkdir()
    path.write_bytes(b"no records")
    with serve(repository, tmp_path, warmup_iterations=0) as server:
        server.wait_ready(20)


def test_a_file_that_a_manifest_lists_has_to_have_its_hash(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    for name in ("whole", "changed"):
        folder = add_version(repository, name, 1) / "1"
        write_logs(folder / WARMUP_NAME, [flowers()])
        data = {each: (folder / each).read_bytes() for each in ("model.onnx", WARMUP_NAME)}
        files = tuple(ManifestFile(each, len(text), hashlib.sha256(text).hexdigest()) for each, text in data.items())
        if name == "changed":
            files = (files[0], replace(files[1], sha256="0" * 64))
        manifest = Manifest(flavor="onnx", engine="onnx", entry="model.onnx", files=files)
        (folder / MANIFEST_NAME).write_bytes(encode_manifest(manifest, folder / MANIFEST_NAME))
    with serve(repository, tmp_path) as server:
        server.wait_ready(20)
        status = wait_settled(server).status()
        assert fault_of(status, "whole") == ""
        assert fault_of(status, "changed").startswith("artifact_invalid: ")


@pytest.mark.timeout(180)
def test_savedmodels_are_warmed_up_by_what_tensorflow_wrote(tmp_path: Path) -> None:
    require_tensorflow()
    make_models(tmp_path, "counter")
    version = tmp_path / "models" / "counter" / "1"
    write_by_tensorflow(version / WARMUP_NAME, [step(2).SerializeToString(), step(5).SerializeToString()])
    with turnout.load(version) as model:
        assert model.predict({"by": 1})["count"].tolist() == 2 + 5 + 1
    pushed = turnout.push(version, "pushed", repository=tmp_path / "models")
    assert WARMUP_NAME in {file.name for file in pushed.manifest.files}
    with serve(tmp_path / "models", tmp_path, warmup_iterations=3) as server:
        server.wait_ready(60)
        wait_settled(server)
        with turnout.Client(server.grpc_url) as client:
            for name in ("counter", "pushed"):
                assert client.predict(name, {"by": 1})["count"].tolist() == 3 * (2 + 5) + 1


def test_records_of_kinds_that_cannot_be_run_yet_are_named_in_the_log(tmp_path: Path) -> None:
    classify = STUBS.prediction_log_pb2.PredictionLog()
    classify.classify_log.request.model_spec.name = "iris"
    repository = tmp_path / "models"
    folder = add_version(repository, "iris", 1) / "1"
    write_logs(folder / WARMUP_NAME, [flowers(), classify])
    with ServedProcess(repository, tmp_path) as process:
        wait_for(lambda: any("classify_log" in str(line) for line in process.lines), "a warning")
        warning = next(line for line in process.lines if "classify_log" in str(line))
    assert warning["level"] == "warning"
    assert "warm-up records were left out, which cannot be run yet: 1 of `classify_log`" in warning["message"]
