"""TensorFlow Lite files in the repository, without the runtime: a package with its name and an empty library."""

import hashlib
import sys
from pathlib import Path

import pytest

from turnout.errors import FlavorUnknownError, RuntimeMissingError
from turnout.flavors.registry import detect
from turnout.flavors.resolve import resolve_artifact
from turnout.repository.manifest import Manifest, ManifestFile

CONTENT = b"\x1c\x00\x00\x00TFL3 and what follows"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages with the runtimes' names and empty libraries."""
    site = tmp_path / "site"
    for package, library in (("ai_edge_litert", "libLiteRt.so"), ("tensorflow", "libtensorflow_cc.so.2")):
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").write_text("")
        (site / package / library).write_bytes(b"")
    monkeypatch.setattr(sys, "path", [str(site)])
    return site / "ai_edge_litert" / "libLiteRt.so"


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(CONTENT)
    return folder


@pytest.mark.parametrize(
    ("name", "content"), [("model.tflite", CONTENT), ("no_suffix", CONTENT), ("broken.TFLITE", b"nonsense")]
)
def test_the_suffix_or_the_content_says_what_a_file_is(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    found = detect(tmp_path / name)
    assert (found.flavor, found.form, found.is_code) == ("tflite", "TensorFlow Lite", False)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\x00\x00\x00TFL2...."])
def test_other_content_is_not(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FlavorUnknownError):
        detect(tmp_path / "file")


@pytest.mark.parametrize("name", ["model.tflite", "anything.tflite"])
def test_a_bare_folder_is_a_version_of_one_file(tmp_path: Path, installed: Path, name: str) -> None:
    folder = make(tmp_path / "1", name, "labels.txt")
    artifact = resolve_artifact(folder, None)
    assert (artifact.engine, artifact.entry, artifact.path) == ("tflite", name, folder)
    assert [(file.name, file.size_bytes) for file in artifact.files] == [(name, len(CONTENT))]
    assert (artifact.needs_copy, artifact.library) == (False, installed)


def test_model_tflite_is_preferred_and_two_others_are_too_many(tmp_path: Path) -> None:
    folder = make(tmp_path / "1", "a.tflite", "b.onnx", ".hidden.tflite")
    with pytest.raises(FlavorUnknownError, match=r"several models: .*`a\.tflite`, `b\.onnx`"):
        resolve_artifact(folder, None)
    make(folder, "model.tflite")
    assert resolve_artifact(folder, None).entry == "model.tflite"


def test_a_saved_model_in_the_same_folder_goes_first_unless_somebody_chose(tmp_path: Path) -> None:
    folder = make(tmp_path / "1", "saved_model.pb", "model.tflite")
    assert resolve_artifact(folder, None).engine == "savedmodel"
    assert resolve_artifact(folder, None, prefer_tflite=True).engine == "tflite"
    (folder / "model.tflite").unlink()
    assert resolve_artifact(folder, None, prefer_tflite=True).engine == "savedmodel"


@pytest.mark.parametrize("prefer", [False, True])
def test_a_manifest_says_itself_what_is_meant(tmp_path: Path, prefer: bool) -> None:
    folder = make(tmp_path / "1", "saved_model.pb", "model.tflite")
    digest = hashlib.sha256(CONTENT).hexdigest()
    files = tuple(ManifestFile(name, len(CONTENT), digest) for name in ("model.tflite", "saved_model.pb"))
    for engine, entry in (("tflite", "model.tflite"), ("savedmodel", "saved_model.pb")):
        artifact = resolve_artifact(folder, Manifest(engine, engine, entry, files), prefer_tflite=prefer)
        assert (artifact.engine, artifact.entry, artifact.needs_copy) == (engine, entry, engine == "savedmodel")


def test_without_the_runtime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "1", "model.tflite")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(RuntimeMissingError, match="engine `tflite` is not installed: `ai_edge_litert`") as caught:
        resolve_artifact(folder, None)
    assert caught.value.hint == "pip install 'turnout[tflite]'"
