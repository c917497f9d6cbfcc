import time
from pathlib import Path

from tests.support.command import check_recording, run

FILTERS = {
    r"127\.0\.0\.1:(?!8501)\d+": "127.0.0.1:PORT",
    r"/\S*/iris\.onnx": "FOLDER/iris.onnx",
    r"\d\.\d+e-\d+": "TINY",
    r"0\.\d{6,}": "PROBABILITY",
}


def test_the_quick_demonstration_serves_and_asks(tmp_path: Path) -> None:
    began_s = time.monotonic()
    check_recording("demo_quick", run(["demo", "--quick"], tmp_path), FILTERS)
    assert time.monotonic() - began_s < 15, "it promises 5 s on an idle machine"


def test_it_says_what_to_install(tmp_path: Path) -> None:
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    outcome = run(["demo", "--quick"], tmp_path, variables={"PYTHONPATH": str(tmp_path)})
    assert outcome.exit_code == 5
    assert "hint: pip install 'turnout[onnx]'" in outcome.stderr
