import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnout.errors import ArtifactInvalidError, FlavorUnknownError, RuntimeMissingError
from turnout.flavors.onnx_wire import read_summary
from turnout.flavors.resolve import resolve_artifact
from turnout.lifecycle.artifact import ResolvedFile
from turnout.repository.layout import WARMUP_NAME
from turnout.repository.manifest import Manifest, ManifestFile

IRIS = Path(__file__).parents[3] / "python" / "turnout" / "demo" / "iris.onnx"
onnx: Any = pytest.importorskip("onnx")


def make_external_model(folder: Path, location: str = "weights.bin") -> Path:
    """An ONNX file with one tensor in a file beside it and one inside of a branch."""
    weights = onnx.numpy_helper.from_array(np.arange(4096, dtype=np.float32), "weights")
    branch_output = onnx.helper.make_tensor_value_info("b", 1, [4096])
    inner = onnx.numpy_helper.from_array(np.ones(4096, dtype=np.float32), "inner")
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["inner"], ["b"])], "branch", [], [branch_output], [inner]
    )
    nodes = [
        onnx.helper.make_node("If", ["flag"], ["picked"], then_branch=branch, else_branch=branch),
        onnx.helper.make_node("Add", ["weights", "picked"], ["y"]),
    ]
    inputs = [onnx.helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, [])]
    outputs = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4096])]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", inputs, outputs, [weights]), producer_name="test")
    path = folder / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    if location != "weights.bin":
        changed = onnx.load(path, load_external_data=False)
        changed.graph.initializer[0].external_data[0].value = location
        path.write_bytes(changed.SerializeToString())
    return path


def test_a_file_is_a_version(tmp_path: Path):
    artifact = resolve_artifact(IRIS, None)
    assert (artifact.engine, artifact.entry, artifact.path) == ("onnx", "iris.onnx", IRIS.parent)
    assert [(file.name, file.size_bytes, file.sha256) for file in artifact.files] == [
        ("iris.onnx", IRIS.stat().st_size, None)
    ]
    assert not artifact.needs_copy
    assert artifact.library.name.startswith("libonnxruntime.so")


def test_a_warm_up_file_is_no_file_of_the_engine(tmp_path: Path):
    shutil.copy(IRIS, tmp_path / "model.onnx")
    assert resolve_artifact(tmp_path, None).warmup is None
    (tmp_path / WARMUP_NAME).parent.mkdir()
    (tmp_path / WARMUP_NAME).write_bytes(b"records")
    bare = resolve_artifact(tmp_path, None)
    assert bare.warmup == ResolvedFile(WARMUP_NAME, 7, None)
    assert [file.name for file in bare.files] == ["model.onnx"]
    # A single file is a model of its own, whatever lies beside it.
    assert resolve_artifact(tmp_path / "model.onnx", None).warmup is None
    sizes = {"model.onnx": IRIS.stat().st_size, WARMUP_NAME: 7}
    files = tuple(ManifestFile(name, size, "0" * 64) for name, size in sizes.items())
    listed = resolve_artifact(tmp_path, Manifest("onnx", "onnx", "model.onnx", files))
    assert listed.warmup == ResolvedFile(WARMUP_NAME, 7, "0" * 64)
    assert ([file.name for file in listed.files], listed.needs_copy) == (["model.onnx"], False)
    unlisted = resolve_artifact(tmp_path, Manifest("onnx", "onnx", "model.onnx", files[:1]))
    assert unlisted.warmup is None


@pytest.mark.parametrize("name", ["model.onnx", "anything.onnx"])
def test_a_bare_folder_is_a_version(tmp_path: Path, name: str):
    shutil.copy(IRIS, tmp_path / name)
    (tmp_path / "README.md").write_text("notes")
    artifact = resolve_artifact(tmp_path, None)
    assert (artifact.entry, [file.name for file in artifact.files]) == (name, [name])


def test_model_onnx_is_preferred_and_two_others_are_too_many(tmp_path: Path):
    for name in ("a.onnx", "b.onnx"):
        shutil.copy(IRIS, tmp_path / name)
    with pytest.raises(FlavorUnknownError, match=r"several models: .*`a\.onnx`, `b\.onnx`"):
        resolve_artifact(tmp_path, None)
    shutil.copy(IRIS, tmp_path / "model.onnx")
    assert resolve_artifact(tmp_path, None).entry == "model.onnx"


def test_tensors_beside_the_model_are_copied_with_it(tmp_path: Path):
    make_external_model(tmp_path)
    artifact = resolve_artifact(tmp_path, None)
    assert [file.name for file in artifact.files] == ["model.onnx", "weights.bin"]
    assert artifact.needs_copy
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ArtifactInvalidError, match=r"cannot be read: .*`weights\.bin`"):
        resolve_artifact(tmp_path, None)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with TensorFlow's name and an empty library; what it would read from the environment is not set."""
    package = tmp_path / "site" / "tensorflow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "libtensorflow_cc.so.2").write_bytes(b"")
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    for name in ("TF_OVERRIDE_GLOBAL_THREADPOOL", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "unset below, and so put back after the test")
        monkeypatch.delenv(name)
    return package


def make_saved_model(folder: Path, entry: str = "saved_model.pb") -> Path:
    for name in (entry, "variables/variables.index", "assets/words.txt", ".hidden", "fingerprint.pb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.mark.parametrize("entry", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_saved_model_is_all_files_of_its_folder_and_is_always_copied(tmp_path: Path, installed: Path, entry: str):
    folder = make_saved_model(tmp_path / "1", entry)
    artifact = resolve_artifact(folder, None)
    assert (artifact.engine, artifact.entry, artifact.path) == ("savedmodel", entry, folder)
    assert [(file.name, file.size_bytes) for file in artifact.files] == [
        ("assets/words.txt", 16),
        ("fingerprint.pb", 14),
        (entry, len(entry)),
        ("variables/variables.index", 25),
    ]
    assert artifact.library == installed / "libtensorflow_cc.so.2"
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").write_bytes(b"alone")
    alone = resolve_artifact(tmp_path / "2", None)
    assert (len(alone.files), artifact.needs_copy, alone.needs_copy) == (1, True, True)


def test_a_saved_model_with_a_manifest_is_always_copied(tmp_path: Path, installed: Path):
    content = b"alone"
    (tmp_path / "saved_model.pb").write_bytes(content)
    file = ManifestFile("saved_model.pb", len(content), hashlib.sha256(content).hexdigest())
    manifest = Manifest("savedmodel", "savedmodel", "saved_model.pb", (file,))
    artifact = resolve_artifact(tmp_path, manifest)
    assert (artifact.engine, artifact.needs_copy) == ("savedmodel", True)


def test_a_saved_model_without_tensorflow_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make_saved_model(tmp_path / "1")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(RuntimeMissingError, match="engine `savedmodel` is not installed: `tensorflow`") as caught:
        resolve_artifact(folder, None)
    assert caught.value.hint == "pip install 'turnout[tensorflow]'"


@pytest.mark.parametrize("chosen", [None, "0"])
def test_tensorflow_finds_its_settings_unless_somebody_chose_others(
    tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None
):
    if chosen is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", chosen)
    resolve_artifact(make_saved_model(tmp_path / "1"), None)
    assert os.environ["TF_OVERRIDE_GLOBAL_THREADPOOL"] == "1"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (chosen or "2")


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "a/../../b"])
def test_tensors_elsewhere_are_refused(tmp_path: Path, location: str):
    make_external_model(tmp_path, location)
    with pytest.raises(ArtifactInvalidError, match="outside of its folder"):
        resolve_artifact(tmp_path, None)


def test_the_summary_finds_tensors_in_branches(tmp_path: Path):
    summary = read_summary(make_external_model(tmp_path))
    assert (summary.producer, summary.has_graph, summary.external_files) == ("test", True, ["weights.bin"])
    assert summary.ir_version > 3
    assert summary.opsets[""] > 10


@pytest.mark.parametrize(
    "content", [b"nonsense", b"\x08\x08\x3a\xff\xff\xff\xff\x0f", b"\x3a\x05\x0a", IRIS.read_bytes()[:200]]
)
def test_broken_files_are_named(tmp_path: Path, content: bytes):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ArtifactInvalidError, match=r"not an ONNX file: .*model\.onnx"):
        resolve_artifact(tmp_path, None)


def test_any_cut_of_a_file_is_refused_or_read_in_words(tmp_path: Path):
    whole = IRIS.read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            read_summary(path)
        except ArtifactInvalidError:
            continue


def test_other_forms_are_to_be_pushed(tmp_path: Path):
    (tmp_path / "model.txt").write_bytes(b"tree\nversion=v4\n")
    with pytest.raises(FlavorUnknownError, match="LightGBM text is not served as it is") as caught:
        resolve_artifact(tmp_path, None)
    assert caught.value.hint is not None
    assert "turnout push" in caught.value.hint
    with pytest.raises(FlavorUnknownError, match="LightGBM text is not served as it is"):
        resolve_artifact(tmp_path / "model.txt", None)


def test_an_empty_folder_is_no_version(tmp_path: Path):
    with pytest.raises(FlavorUnknownError, match="holds no model"):
        resolve_artifact(tmp_path, None)


def manifest_of(path: Path, **changes: Any) -> Manifest:
    data = path.read_bytes()
    file = ManifestFile(path.name, changes.get("size_bytes", len(data)), hashlib.sha256(data).hexdigest())
    return Manifest("sklearn", "onnx", path.name, (file,))


def test_a_manifest_says_what_belongs_to_a_version(tmp_path: Path):
    shutil.copy(IRIS, tmp_path / "model.onnx")
    shutil.copy(IRIS, tmp_path / "other.onnx")
    manifest = manifest_of(tmp_path / "model.onnx")
    artifact = resolve_artifact(tmp_path, manifest)
    assert [(file.name, file.sha256) for file in artifact.files] == [("model.onnx", manifest.files[0].sha256)]


def test_a_manifest_that_is_wrong_about_a_size_is_refused(tmp_path: Path):
    shutil.copy(IRIS, tmp_path / "model.onnx")
    with pytest.raises(ArtifactInvalidError, match=r"expected 3 bytes, got \d+"):
        resolve_artifact(tmp_path, manifest_of(tmp_path / "model.onnx", size_bytes=3))
