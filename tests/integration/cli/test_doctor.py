import json
from pathlib import Path

from tests.support.command import hide_runtimes, run


def test_says_what_works(tmp_path: Path) -> None:
    outcome = run(["doctor"], tmp_path)
    assert outcome.exit_code == 0
    assert "usable cores" in outcome.stdout
    assert "ok       onnx 1." in outcome.stdout


def test_says_it_to_programs(tmp_path: Path) -> None:
    record = json.loads(run(["doctor", "--json"], tmp_path).stdout)
    assert record["can_serve"] is True
    assert record["runtimes"][0]["engine"] == "onnx"
    assert record["machine"]["cores"] >= 1


def test_says_what_to_install_where_nothing_could_be_served(tmp_path: Path) -> None:
    hide_runtimes(tmp_path)
    outcome = run(["doctor"], tmp_path, variables={"PYTHONPATH": str(tmp_path)})
    assert outcome.exit_code == 5
    assert "missing  onnx: the runtime of the engine `onnx` is not installed: `onnxruntime`" in outcome.stdout
    assert "pip install 'turnout[onnx]'" in outcome.stdout
