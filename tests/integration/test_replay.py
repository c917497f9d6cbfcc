"""`turnout replay` of what a server has recorded, against the same model and another one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import turnout
from tests.integration.test_request_log import logged, make_repository, serve
from tests.support.command import Outcome, run
from tests.support.models import FLOWERS, wait_settled
from tests.support.tfrecords import read_logs, write_logs


def replay(tmp_path: Path, *words: object) -> Outcome:
    """Runs the command on the log."""
    return run(["replay", *(str(word) for word in words)], tmp_path)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Twelve recorded calls, one of them with numbers that are none."""
    with serve(make_repository(tmp_path), tmp_path) as server, turnout.Client(wait_settled(server).grpc_url) as client:
        for rows in range(1, 12):
            client.predict("iris", np.resize(np.array(FLOWERS, np.float32), (rows, 4)))
        client.predict("iris", np.full((1, 4), np.nan, np.float32))
    [path] = logged(tmp_path)
    return path


@pytest.mark.parametrize("door", ["rest_url", "grpc_url"])
def test_the_same_model_gives_the_same_answers(tmp_path: Path, recorded: Path, door: str) -> None:
    with serve(tmp_path / "models", tmp_path) as server:
        url = getattr(wait_settled(server), door)
        outcome = replay(tmp_path, recorded.parent, "--server", url, "--json", "--concurrency", 2)
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        report = json.loads(outcome.stdout)
        assert (report["calls"], report["same"], report["versions"]) == (12, 12, {"2": 12})
        for times in ("recorded_ms", "replayed_ms"):
            assert 0 < report[times]["p50"] <= report[times]["p99"] <= report[times]["max"]
        table = replay(tmp_path, recorded, "--server", url, "--version", 1, "--limit", 5)
        assert (table.exit_code, table.stderr) == (0, "")
        assert "same       5" in table.stdout
        assert "recorded, on the server" in table.stdout
        assert "version 1: 5" in table.stdout


def other_model(folder: Path) -> None:
    """A model of the same names and types with other answers."""
    values = [
        onnx.helper.make_tensor_value_info("x", 1, ["n", 4]),
        onnx.helper.make_tensor_value_info("label", 7, ["n"]),
        onnx.helper.make_tensor_value_info("probabilities", 1, ["n", 3]),
    ]
    weights = onnx.numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["probabilities"]),
        onnx.helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    graph = onnx.helper.make_graph(nodes, "g", values[:1], values[1:], [weights])
    opset = [onnx.helper.make_opsetid("", 18)]
    model: Any = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def test_another_model_is_told_by_the_exit_code(tmp_path: Path, recorded: Path) -> None:
    other_model(tmp_path / "models" / "iris" / "3")
    with serve(tmp_path / "models", tmp_path) as server:
        url = wait_settled(server).grpc_url
        different = replay(tmp_path, recorded, "--server", url)
        assert different.exit_code == 7
        assert (
            f"different: `{recorded}`, record 0: output `probabilities`: 3 of 3 values differ, worst: "
            in different.stderr
        )
        assert replay(tmp_path, recorded, "--server", url, "--version", 2).exit_code == 0
        failed = replay(tmp_path, recorded, "--server", url, "--model", "words", "--json")
        assert failed.exit_code == 7
        assert json.loads(failed.stdout)["failed"] == {"invalid_input": 12}


def test_what_cannot_be_replayed_is_said(tmp_path: Path, recorded: Path) -> None:
    refused = replay(tmp_path, recorded, "--server", "http://127.0.0.1:9", "--json")
    assert (refused.exit_code, json.loads(refused.stderr)["error"]["code"]) == (6, "unavailable")
    with serve(tmp_path / "models", tmp_path) as server:
        url = wait_settled(server).rest_url
        cut = tmp_path / "cut"
        cut.write_bytes(recorded.read_bytes()[:-1])
        ended = replay(tmp_path, cut, "--server", url)
        assert ended.exit_code == 0
        assert f"warning: the file ends inside a record: `{cut}`, record 11" in ended.stderr
        text = tmp_path / "text"
        text.write_text('{"instances": [[1, 2, 3, 4]]}')
        wrong = replay(tmp_path, text, "--server", url)
        assert wrong.exit_code == 4
        assert f"error: a record is corrupted: `{text}`, record 0\nhint: " in wrong.stderr
        assert replay(tmp_path, tmp_path / "missing", "--server", url).exit_code == 4
        requests = [log.predict_log.request for log in read_logs(recorded)]
        bare = read_logs(recorded)
        for log, request in zip(bare, requests, strict=True):
            log.ClearField("log_metadata")
            log.predict_log.Clear()
            log.predict_log.request.CopyFrom(request)
        write_logs(tmp_path / "bare", bare)
        without = replay(tmp_path, tmp_path / "bare", "--server", url, "--json")
        report = json.loads(without.stdout)
        assert (without.exit_code, report["without_answer"], report["recorded_ms"]) == (0, 12, None)
