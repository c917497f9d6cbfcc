from pathlib import Path

import pytest

from turnout.errors import RepositoryError
from turnout.repository.layout import (
    MAX_VERSION,
    ArtifactSource,
    ModelSource,
    RepositorySource,
    classify_path,
    configured_source,
    model_name_fault,
    number_folders,
    parse_version,
)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("1", 1),
        ("007", 7),
        ("00000123", 123),
        (str(MAX_VERSION), MAX_VERSION),
        ("0", None),
        ("000", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1_0", None),
        (" 1", None),
        ("v1", None),
        ("", None),
        ("\u0661", None),
        ("²", None),
        (str(MAX_VERSION + 1), None),
        ("9" * 255, None),
    ],
)
def test_a_version_is_a_positive_int64(name: str, version: int | None) -> None:
    assert parse_version(name) == version


@pytest.mark.parametrize("names", [["7", "007", "07"], ["007", "07", "7"], ["07", "7", "007"]])
def test_of_two_folders_of_one_number_the_shorter_name_wins(names: list[str]) -> None:
    numbered = number_folders([*names, "2", "assets"])
    assert numbered.names == {7: "7", 2: "2"}
    assert numbered.warnings == (
        "folder `07` is ignored: version 7 is folder `7` already",
        "folder `007` is ignored: version 7 is folder `7` already",
    )


def test_a_number_that_is_no_version_is_told() -> None:
    numbered = number_folders(["0", "1"])
    assert numbered.names == {1: "1"}
    assert numbered.warnings == (f"folder `0` is no version: expected a number from 1 to {MAX_VERSION}",)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("digits", None),
        ("fraud v2", None),
        ("größe", None),
        ("a.b-c_d", None),
        ("v1", None),
        ("", "it is empty"),
        (".hidden", "it starts with `.`"),
        (" x", "it starts or ends with white space"),
        ("a/b", "it contains `/` or `:`"),
        ("a:predict", "it contains `/` or `:`"),
        ("a\nb", "it contains a character that cannot be printed"),
        ("\udc80", "it contains a character that cannot be printed"),
        ("12", "it is a number, which stands for a version"),
        ("ä" * 128, "it is longer than 255 bytes"),
    ],
)
def test_model_names(name: str, fault: str | None) -> None:
    assert model_name_fault(name) == fault


def make_files(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")


def test_a_file_is_version_1_of_a_model_named_by_its_stem(tmp_path: Path) -> None:
    make_files(tmp_path, "iris.onnx")
    assert classify_path(tmp_path / "iris.onnx") == ArtifactSource("iris", tmp_path / "iris.onnx", 1)
    assert classify_path(tmp_path / "iris.onnx", "flowers") == ArtifactSource("flowers", tmp_path / "iris.onnx", 1)


@pytest.mark.parametrize("files", [["1/model.onnx"], ["001/"], ["1/", "README.md"], ["3/", "saved_model.pb"]])
def test_a_folder_with_a_numbered_folder_is_a_model(tmp_path: Path, files: list[str]) -> None:
    make_files(tmp_path / "digits", *files)
    assert classify_path(tmp_path / "digits") == ModelSource("digits", tmp_path / "digits")
    assert classify_path(tmp_path / "digits", "d") == ModelSource("d", tmp_path / "digits")


@pytest.mark.parametrize("mark", ["loose.onnx", "saved_model.pb", "turnout.json"])
def test_a_stray_file_does_not_hide_the_models_of_a_repository(tmp_path: Path, mark: str) -> None:
    make_files(tmp_path / "models", mark, "orders/1/model.onnx")
    with pytest.raises(
        RepositoryError, match=rf"holds a model \(`{mark}`\) and folders of models \(`orders`\)"
    ) as caught:
        classify_path(tmp_path / "models")
    assert caught.value.hint is not None
    assert mark in caught.value.hint


@pytest.mark.parametrize(
    "files", [["saved_model.pb", "variables/"], ["model.onnx"], ["a.tflite"], ["turnout.json", "model.bin"]]
)
def test_a_folder_that_holds_an_artifact_is_one_version(tmp_path: Path, files: list[str]) -> None:
    make_files(tmp_path / "digits", *files)
    assert classify_path(tmp_path / "digits") == ArtifactSource("digits", tmp_path / "digits", 1)


def test_a_version_folder_is_that_version_of_its_model(tmp_path: Path) -> None:
    make_files(tmp_path / "digits", "0042/model.onnx")
    path = tmp_path / "digits" / "0042"
    assert classify_path(path) == ArtifactSource("digits", path, 42)


@pytest.mark.parametrize("files", [[], ["digits/1/model.onnx"], ["notes.txt"], ["digits/"]])
def test_any_other_folder_is_a_repository(tmp_path: Path, files: list[str]) -> None:
    make_files(tmp_path, *files)
    assert classify_path(tmp_path) == RepositorySource(tmp_path)


def test_a_relative_path_is_made_absolute_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_files(tmp_path / "digits", "1/model.onnx")
    monkeypatch.chdir(tmp_path / "digits")
    assert classify_path(Path()) == ModelSource("digits", tmp_path / "digits")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"^no such file or folder: `.*/missing`$"):
        classify_path(tmp_path / "missing")


def test_a_repository_has_no_name(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="a folder of models has no name of its own") as caught:
        classify_path(tmp_path, "digits")
    assert caught.value.hint == "A name can be given to a model file, a model's folder or a version's folder."


def test_a_stem_that_is_no_model_name_is_refused_with_a_way_out(tmp_path: Path) -> None:
    make_files(tmp_path, "12.onnx")
    with pytest.raises(
        RepositoryError, match="not a model name, it is a number, which stands for a version: `12`"
    ) as caught:
        classify_path(tmp_path / "12.onnx")
    assert caught.value.hint == "Choose another one with `--name`."


@pytest.mark.parametrize(
    ("files", "path", "version"),
    [
        (["1/model.onnx"], "", None),
        (["1/", "saved_model.pb"], "", None),
        ([], "", None),
        (["notes.txt", "digits/1/model.onnx"], "", None),
        ([], "missing", None),
        (["model.onnx"], "model.onnx", 1),
        (["model.onnx"], "", 1),
        (["0042/model.onnx"], "0042", 42),
        (["file"], "file/below", None),
    ],
)
def test_a_path_of_a_configured_model_is_that_model_whatever_is_there(
    files: list[str], path: str, version: int | None, tmp_path: Path
) -> None:
    make_files(tmp_path, *files)
    expected = ModelSource("d", tmp_path / path) if version is None else ArtifactSource("d", tmp_path / path, version)
    assert configured_source("d", tmp_path / path) == expected


def test_a_configured_model_has_a_model_s_name(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="not a model name"):
        configured_source("a/b", tmp_path)
