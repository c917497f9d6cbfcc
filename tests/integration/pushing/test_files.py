"""Files that are pushed: read and run in child processes, whatever they do there."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import joblib
import numpy as np
import onnx as onnx_module
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import turnout
from turnout.errors import (
    ArtifactInvalidError,
    InvalidInputError,
    LoadFailedError,
    ParityError,
    TrustRequiredError,
    UnsupportedError,
)
from turnout.operations.quick import model_path

onnx = cast("Any", onnx_module)

pytestmark = [
    pytest.mark.filterwarnings("default"),  # the frameworks warn on their own behalf
    pytest.mark.timeout(120),
]


def flowers() -> tuple[Any, NDArray[Any]]:
    """A fitted classifier, and its rows."""
    rows, species = cast("tuple[Any, Any]", load_iris(return_X_y=True))
    return cast("Any", LogisticRegression(max_iter=500)).fit(rows, species), rows


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    path = tmp_path / "flowers.joblib"
    cast("Any", joblib).dump(flowers()[0], path)
    return path


def versions(repository: Path) -> list[Path]:
    """Whatever a reader of the repository would take for a version, and what a writer may have left behind."""
    return [
        path
        for pattern in ("*/*", "*/.turnout/staging-*")
        for path in repository.glob(pattern)
        if path.name != ".turnout"
    ]


def test_a_trusted_pickle_is_converted_elsewhere(tmp_path: Path, pickled: Path):
    model, rows = flowers()
    pushed = turnout.push(pickled, "m", repository=tmp_path / "models", trust=True, sample=rows)
    assert pushed.title == "scikit-learn LogisticRegression: `predict` returns labels"
    assert pushed.manifest.source is not None
    assert pushed.manifest.source["file"] == "flowers.joblib"
    assert pushed.manifest.sample == "given"
    with turnout.load(pushed.path) as served:
        assert served.predict(rows).value.tolist() == model.predict(rows).tolist()


def test_the_operator_may_trust_in_the_settings(tmp_path: Path, pickled: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(TrustRequiredError) as caught:
        turnout.push(pickled, "m", repository=tmp_path / "models")
    assert caught.value.hint is not None
    assert "--trust" in caught.value.hint
    monkeypatch.setenv("TURNOUT_TRUST", "true")
    assert turnout.push(pickled, "m", repository=tmp_path / "models").version == 1


def crashing_pickle(how: str) -> bytes:
    """A pickle that runs one line of Python."""

    class Line:
        def __reduce__(self) -> tuple[Any, ...]:
            return (exec, (how,))

    return pickle.dumps(Line())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import ctypes; ctypes.string_at(0)", "ended the process that tried it: SIGSEGV"),
        ("import os; os.abort()", "ended the process that tried it: SIGABRT"),
        ("import os; os._exit(3)", "ended the process that tried it: exit code 3"),
        ("raise RuntimeError('out of cheese')", "cannot be read .*out of cheese"),
        ("import a_module_of_yours", "needs a module that is not installed: `a_module_of_yours`"),
    ],
)
def test_a_file_that_crashes_its_reader_is_refused(tmp_path: Path, line: str, message: str):
    path = tmp_path / "bad.pkl"
    path.write_bytes(crashing_pickle(line))
    with pytest.raises(ArtifactInvalidError, match=message):
        turnout.push(path, "m", repository=tmp_path / "models", trust=True)
    assert versions(tmp_path / "models") == []


def test_a_reader_that_never_ends_is_ended_with_all_that_it_has_started(tmp_path: Path):
    path, mark = tmp_path / "slow.pkl", tmp_path / "alive"
    loop = f"import time\nwhile True: open({str(mark)!r}, 'w').close(); time.sleep(0.05)"
    path.write_bytes(
        crashing_pickle(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {loop!r}]).wait()")
    )
    with pytest.raises(ArtifactInvalidError, match="in time: limit 3 s"):
        turnout.push(path, "m", repository=tmp_path / "models", trust=True, timeout_s=3)
    mark.unlink(missing_ok=True)
    subprocess.run(["sleep", "0.5"], check=True)
    assert not mark.exists()


def test_a_pickle_of_something_else_is_named(tmp_path: Path):
    path = tmp_path / "list.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(turnout.TurnoutError, match=r"class: `builtins\.list`"):
        turnout.push(path, "m", repository=tmp_path / "models", trust=True)


def test_what_lies_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # A folder from elsewhere may hold a file that is named like a library.
    (tmp_path / "numpy.py").write_text("raise SystemExit('the folder was trusted')")
    monkeypatch.chdir(tmp_path)
    shutil.copy(model_path(), tmp_path / "iris.onnx")
    assert turnout.push("iris.onnx", "m", repository=tmp_path / "models").version == 1


def test_a_refusal_in_a_child_says_as_much_as_one_here(tmp_path: Path):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows, species = cast("tuple[Any, Any]", load_iris(return_X_y=True))
    model = cast("Any", LinearDiscriminantAnalysis()).fit(rows[50:], species[50:])
    path = tmp_path / "discriminant.joblib"
    cast("Any", joblib).dump(model, path)
    with pytest.raises(ParityError, match="`predict_proba` of the converted model differs") as caught:
        turnout.push(path, "m", repository=tmp_path / "models", trust=True, sample=rows[50:])
    assert set(caught.value.context) == {"model", "row", "inputs", "column"}
    assert "Export the model" in (caught.value.hint or "")
    with pytest.raises(ParityError) as caught:
        turnout.push(path, "m", repository=tmp_path / "models", trust=True)
    assert "The rows were generated; `--sample`" in (caught.value.hint or "")
    assert versions(tmp_path / "models") == []


def test_an_onnx_file_keeps_its_names_and_answers_its_sample(tmp_path: Path):
    rows = flowers()[1]
    pushed = turnout.push(model_path(), "iris", repository=tmp_path / "models", sample=rows, metrics={"accuracy": 0.97})
    assert [spec.name for spec in pushed.manifest.signatures[0].outputs] == ["label", "probabilities"]
    assert (pushed.manifest.flavor, pushed.manifest.sample, pushed.manifest.parity) == ("onnx", "given", None)
    assert pushed.manifest.metrics == {"accuracy": 0.97}
    assert pushed.manifest.merge is not None
    with pytest.raises(InvalidInputError):
        turnout.push(model_path(), "iris", repository=tmp_path / "models", sample=rows[:, :2])
    with pytest.raises(InvalidInputError, match="keeps its own signature"):
        turnout.push(model_path(), "iris", repository=tmp_path / "models", signature="predict_proba")
    assert len(versions(tmp_path / "models")) == 1


def test_files_of_rows_are_samples(tmp_path: Path, pickled: Path):
    model, rows = flowers()
    names = ["a", "b", "c", "d", "species"]
    table = np.column_stack([rows, model.predict(rows)])
    np.savetxt(tmp_path / "rows.csv", table[:, :4], delimiter=",", header=",".join(names[:4]), comments="")
    pushed = turnout.push(pickled, "m", repository=tmp_path / "models", trust=True, sample=tmp_path / "rows.csv")
    assert pushed.manifest.sample == "rows.csv"
    lines = [json.dumps(dict(zip(names, row, strict=True))) for row in table.tolist()]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    with pytest.raises(InvalidInputError, match="expected 4 columns, got 5"):
        turnout.push(model, "m", repository=tmp_path / "models", sample=tmp_path / "rows.jsonl")


def test_tensors_beside_an_onnx_file_come_with_it(tmp_path: Path):
    model = onnx.load(model_path())
    name = model.graph.output[1].name
    weights = onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32), "weights")
    model.graph.initializer.append(weights)
    model.graph.node.append(onnx.helper.make_node("MatMul", [name, "weights"], ["z"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("z", 1, [None, 3]))
    onnx.save(model, tmp_path / "big.onnx", save_as_external_data=True, location="big.bin", size_threshold=0)
    pushed = turnout.push(tmp_path / "big.onnx", "big", repository=tmp_path / "models")
    assert sorted(file.name for file in pushed.manifest.files) == ["big.bin", "model.onnx"]
    (tmp_path / "big.bin").unlink()
    with turnout.load(pushed.path) as served:
        assert served.predict(flowers()[1][:2])["z"].shape == (2, 3)
    with pytest.raises(turnout.TurnoutError, match=r"big\.bin"):
        turnout.push(tmp_path / "big.onnx", "big", repository=tmp_path / "models")
    assert len(versions(tmp_path / "models")) == 1


def test_an_onnx_message_is_pushed_as_it_is(tmp_path: Path):
    assert turnout.push(onnx.load(model_path()), "m", repository=tmp_path).manifest.flavor == "onnx"


def test_a_note_says_what_callers_would_find_different(tmp_path: Path):
    model, rows = flowers()
    assert turnout.push(model_path(), "iris", repository=tmp_path).notes == ()
    assert turnout.push(model_path(), "iris", repository=tmp_path).notes == ()
    result = turnout.push(model, "iris", repository=tmp_path, sample=rows)
    (note,) = (note for note in result.notes if note.startswith("beside version 2: "))
    assert "output `probabilities` disappears" in note
    assert "signature `predict_proba` appears" in note


@pytest.mark.parametrize("content", [b"nonsense", model_path().read_bytes()[:300]])
def test_broken_onnx_files_are_refused(tmp_path: Path, content: bytes):
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises((ArtifactInvalidError, LoadFailedError)):
        turnout.push(tmp_path / "broken.onnx", "m", repository=tmp_path / "models")
    assert versions(tmp_path / "models") == []


def test_an_object_that_cannot_be_converted_leaves_nothing(tmp_path: Path):
    from sklearn.dummy import DummyClassifier

    model = cast("Any", DummyClassifier()).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(UnsupportedError, match="skl2onnx cannot convert `DummyClassifier`"):
        turnout.push(model, "m", repository=tmp_path)
    assert versions(tmp_path) == []


def test_pushing_imports_no_framework_that_is_not_asked_for(tmp_path: Path):
    heavy = "{'sklearn', 'xgboost', 'lightgbm', 'onnx', 'onnxruntime', 'pandas'}"
    code = f"import sys, turnout; turnout.push({str(model_path())!r}, 'm', repository={str(tmp_path)!r});"
    code += f"print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
