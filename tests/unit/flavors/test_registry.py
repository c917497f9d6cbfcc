import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from turnout.errors import FlavorUnknownError
from turnout.flavors.registry import FLAVORS, detect, flavor_of

IRIS = Path(__file__).parents[3] / "python" / "turnout" / "demo" / "iris.onnx"

XGBOOST_JSON = b'{"learner":{"attributes":{},"feature_names":[]}}'
XGBOOST_UBJSON = b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L\x00\x00"
LIGHTGBM_TEXT = b"tree\nversion=v4\nnum_class=1\n"


@pytest.mark.parametrize(
    ("name", "content", "flavor", "is_code"),
    [
        ("model.json", XGBOOST_JSON, "xgboost", False),
        ("model.bin", b'{"version":[3,2,0],"learner":{}}', "xgboost", False),
        ("model.ubj", XGBOOST_UBJSON, "xgboost", False),
        ("model.txt", LIGHTGBM_TEXT, "lightgbm", False),
        ("model.anything", LIGHTGBM_TEXT.replace(b"\n", b"\r\n"), "lightgbm", False),
        ("model.pkl", pickle.dumps([1]), "sklearn", True),
        ("renamed.onnx", pickle.dumps([1]), "sklearn", True),
        ("compressed.joblib", b"\x78\x9c0123", "sklearn", True),
        ("model.onnx", IRIS.read_bytes(), "onnx", False),
        ("no_suffix", IRIS.read_bytes(), "onnx", False),
        ("broken.onnx", b"nonsense", "onnx", False),
    ],
)
def test_files_are_recognised(tmp_path: Path, name: str, content: bytes, flavor: str, is_code: bool):
    (tmp_path / name).write_bytes(content)
    found = detect(tmp_path / name)
    assert (found.flavor, found.is_code) == (flavor, is_code)


@pytest.mark.parametrize("content", [b"", b"hello", b'{"a": 1}', b"\x80\x63", b"tree\nnot a version"])
def test_other_files_are_not(tmp_path: Path, content: bytes):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FlavorUnknownError, match="no flavor recognises the file"):
        detect(path)


def test_folders_and_missing_files_get_advice(tmp_path: Path):
    with pytest.raises(FlavorUnknownError, match="no such file"):
        detect(tmp_path / "missing")
    with pytest.raises(FlavorUnknownError, match="a folder is not a model file") as caught:
        detect(tmp_path)
    assert caught.value.hint is not None
    assert "SavedModels" in caught.value.hint
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(FlavorUnknownError) as caught:
        detect(tmp_path / "saved_model.pb")
    assert caught.value.hint == f"Give the folder: `{tmp_path}`."


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_folder_with_a_saved_model_is_one(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"")
    found = detect(tmp_path)
    assert (found.flavor, found.form, found.is_code) == ("savedmodel", "a TensorFlow SavedModel", False)


def make(module: str, name: str, bases: tuple[type, ...] = ()) -> type:
    return type(name, bases, {"__module__": module})


ESTIMATOR = make("sklearn.base", "BaseEstimator")


@pytest.mark.parametrize(
    ("cls", "flavor"),
    [
        (make("sklearn.pipeline", "Pipeline", (ESTIMATOR,)), "sklearn"),
        (make("somebody.models", "Custom", (ESTIMATOR,)), "sklearn"),
        (make("xgboost.sklearn", "XGBClassifier", (ESTIMATOR,)), "xgboost"),
        (make("xgboost.core", "Booster"), "xgboost"),
        (make("lightgbm.sklearn", "LGBMRegressor", (ESTIMATOR,)), "lightgbm"),
        (make("lightgbm.basic", "Booster"), "lightgbm"),
        (make("onnx.onnx_ml_pb2", "ModelProto"), "onnx"),
    ],
)
def test_objects_are_recognised_by_their_class(cls: Any, flavor: str):
    assert flavor_of(cls()).name == flavor


def test_other_objects_are_not():
    with pytest.raises(FlavorUnknownError, match=r"`builtins\.dict`"):
        flavor_of({})


def test_each_flavor_runs_on_an_engine():
    assert {flavor.engine for flavor in FLAVORS} == {"onnx", "savedmodel", "tflite"}


def test_nothing_heavy_is_imported():
    heavy = "{'numpy', 'onnx', 'onnxruntime', 'sklearn', 'xgboost', 'lightgbm', 'pandas'}"
    code = f"import sys, turnout.flavors.registry, turnout.flavors.resolve; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
