import os
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from turnout.repository.layout import ArtifactSource, ModelSource, RepositorySource
from turnout.repository.manifest import Manifest
from turnout.repository.pin import Pin, pin_path, write_pin
from turnout.repository.publish import open_staging
from turnout.repository.scan import Scanner, SourceScan


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("digits/1/model.onnx", "digits/2/model.onnx", "digits/2/sub/w.bin", "iris/1/model.onnx"):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"abc")
    return tmp_path / "models"


def scan(repository: Path, scope: frozenset[str] | None = None) -> SourceScan:
    return Scanner(RepositorySource(repository)).scan(scope)


def test_models_versions_and_files_are_found(repository: Path) -> None:
    result = scan(repository)
    assert result.readable
    assert result.problems == ()
    assert {name: sorted(model.versions) for name, model in result.models.items()} == {"digits": [1, 2], "iris": [1]}
    files = result.models["digits"].versions[2].files
    assert [(file.name, file.size_bytes) for file in files] == [("model.onnx", 3), ("sub/w.bin", 3)]


def test_a_scope_limits_the_look(repository: Path) -> None:
    result = scan(repository, frozenset({"iris", "gone"}))
    assert sorted(result.models) == ["iris"]
    assert result.scope == {"iris", "gone"}


def test_what_is_hidden_or_no_model_is_passed_over(repository: Path) -> None:
    (repository / ".git").mkdir()
    (repository / "README.md").write_text("x")
    (repository / "12").mkdir()
    (repository / "digits" / "1" / ".nfs001").write_text("x")
    result = scan(repository)
    assert sorted(result.models) == ["digits", "iris"]
    assert len(result.models["digits"].versions[1].files) == 1


def test_leading_zeros_and_links_are_versions(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "model.onnx").write_bytes(b"abcd")
    (repository / "digits" / "0007").symlink_to(tmp_path / "elsewhere")
    version = scan(repository).models["digits"].versions[7]
    assert version.path == repository / "digits" / "0007"
    assert [file.size_bytes for file in version.files] == [4]


def test_two_folders_of_one_number_are_reported(repository: Path) -> None:
    (repository / "digits" / "01").mkdir()
    [problem] = scan(repository).problems
    assert (problem.model, problem.topic) == ("digits", "numbers")
    assert problem.message == "folder `01` is ignored: version 1 is folder `1` already"


def test_a_model_without_versions_is_reported(repository: Path) -> None:
    (repository / "new" / "v1").mkdir(parents=True)
    [problem] = scan(repository).problems
    assert problem.message == f"no version was found in `{repository / 'new'}`"
    assert problem.hint == "A version is a folder with a number as its name, for example `1`."


def test_a_model_whose_first_version_is_being_staged_is_not_there_yet(repository: Path) -> None:
    with open_staging(repository, "new") as staging:
        (staging.folder / "model.onnx").write_bytes(b"abc")
        assert "new" not in scan(repository).models
        staging.publish(Manifest("onnx", "onnx", "model.onnx", ()))
    version = scan(repository).models["new"].versions[1]
    assert version.manifest is not None
    assert [file.name for file in version.manifest.files] == ["model.onnx"]
    assert [file.name for file in version.files] == ["model.onnx"]


def test_a_broken_manifest_is_that_versions_fault(repository: Path) -> None:
    (repository / "digits" / "1" / "turnout.json").write_text("{")
    models = scan(repository).models
    fault = models["digits"].versions[1].fault
    assert fault is not None
    assert "turnout.json` is not valid JSON" in fault.message
    assert models["digits"].versions[2].fault is None


def test_a_link_that_leads_nowhere_is_no_file_and_a_loop_is_a_fault(repository: Path) -> None:
    (repository / "digits" / "1" / "lost").symlink_to("nowhere")
    (repository / "digits" / "2" / "loop").symlink_to(repository / "digits" / "2")
    versions = scan(repository).models["digits"].versions
    assert [file.name for file in versions[1].files] == ["model.onnx"]
    fault = versions[2].fault
    assert fault is not None
    assert "nested deeper than 16" in fault.message


def test_a_name_that_is_not_utf_8_is_a_fault(repository: Path) -> None:
    Path(os.fsdecode(bytes(repository / "digits" / "1") + b"/\xff")).write_bytes(b"x")
    fault = scan(repository).models["digits"].versions[1].fault
    assert fault is not None
    assert "is not UTF-8" in fault.message


def test_the_pin_is_read_and_a_broken_one_is_reported(repository: Path) -> None:
    pin = Pin(1, "ada@host", "2026-11-21T10:00:00Z", "accuracy fell")
    write_pin(repository / "digits", pin)
    assert scan(repository).models["digits"].pin == pin
    pin_path(repository / "digits").write_text('{"version": "one"}')
    result = scan(repository)
    assert result.models["digits"].pin is None
    assert not result.models["digits"].pin_readable
    [problem] = result.problems
    assert "key `version` of" in problem.message


def test_the_settings_file_is_noticed(repository: Path) -> None:
    assert scan(repository).models["digits"].settings_stat is None
    (repository / "digits" / "model.toml").write_text("x = 1")
    stat = scan(repository).models["digits"].settings_stat
    assert stat is not None
    assert stat.size_bytes == 5


def test_a_repository_that_vanished_says_nothing_about_its_models(repository: Path) -> None:
    scanner = Scanner(RepositorySource(repository))
    assert scanner.scan().readable
    repository.rename(repository.with_name("away"))
    result = scanner.scan()
    assert not result.readable
    assert result.models == {}
    [problem] = result.problems
    assert problem.message == f"cannot read `{repository}`: No such file or directory"
    assert problem.hint == "What is loaded goes on serving."
    repository.with_name("away").rename(repository)
    assert sorted(scanner.scan().models) == ["digits", "iris"]


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """An empty folder on another device than the temporary folder's: the mount point of a disk that went away."""
    import tempfile

    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def test_an_empty_mount_point_is_a_disk_that_went_away(repository: Path, tmp_path: Path, other_disk: Path) -> None:
    root = tmp_path / "root"
    root.symlink_to(repository)
    scanner = Scanner(RepositorySource(root))
    assert len(scanner.scan().models) == 2
    root.unlink()
    root.symlink_to(other_disk)
    result = scanner.scan()
    assert not result.readable
    assert "the disk is not mounted" in result.problems[0].message
    root.unlink()
    root.symlink_to(repository)
    assert len(scanner.scan().models) == 2


def test_a_repository_that_was_emptied_is_empty(repository: Path) -> None:
    scanner = Scanner(RepositorySource(repository))
    scanner.scan()
    for model in repository.iterdir():
        model.rename(repository.with_name(f"{model.name}.away"))
    result = scanner.scan()
    assert result.readable
    assert result.models == {}


def test_a_folder_that_cannot_be_listed_hides_no_other(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path) in (repository / "iris", repository / "digits" / "1"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", refuse)
    result = scan(repository)
    assert not result.models["iris"].readable
    assert result.models["digits"].readable
    fault = result.models["digits"].versions[1].fault
    assert fault is not None
    assert fault.message == f"cannot read the version: Permission denied: `{repository / 'digits' / '1'}`"
    assert result.models["digits"].versions[2].fault is None
    [problem] = result.problems
    assert problem.message == f"cannot read the model's folder: Permission denied: `{repository / 'iris'}`"


def test_a_folder_was_moved_in_when_its_last_change_came_after_those_of_its_files(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def was_moved_in() -> bool:
        return scan(repository).models["digits"].versions[9].was_moved_in

    monkeypatch.setattr("turnout.repository.scan.is_remote", Mock(return_value=False))
    staged, folder = repository / "digits" / ".9", repository / "digits" / "9"
    (staged / "assets").mkdir(parents=True)
    (staged / "assets" / "words.txt").write_text("one")
    time.sleep(0.02)  # the file system's clock ticks
    staged.rename(folder)
    assert was_moved_in()
    time.sleep(0.02)
    (folder / "assets" / "words.txt").write_text("two")
    assert not was_moved_in()


def test_times_of_a_network_file_system_say_nothing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnout.repository.scan.is_remote", Mock(return_value=True))
    time.sleep(0.02)
    (repository / "digits" / "2").rename(repository / "digits" / "9")
    assert not scan(repository).models["digits"].versions[9].was_moved_in


def test_a_single_file_is_one_version(repository: Path) -> None:
    path = repository / "iris" / "1" / "model.onnx"
    scanner = Scanner(ArtifactSource("iris", path, 1))
    model = scanner.scan().models["iris"]
    assert model.folder is None
    assert model.versions[1].path == path
    path.unlink()
    assert not scanner.scan().readable


def test_a_models_folder_that_vanished_is_unreadable(repository: Path) -> None:
    scanner = Scanner(ModelSource("d", repository / "digits"))
    assert sorted(scanner.scan().models["d"].versions) == [1, 2]
    (repository / "digits").rename(repository / "away")
    assert not scanner.scan().readable


def test_a_fingerprint_changes_with_size_and_time(repository: Path) -> None:
    path = repository / "iris" / "1" / "model.onnx"

    def fingerprint() -> str:
        return scan(repository).models["iris"].versions[1].fingerprint()

    first = fingerprint()
    assert fingerprint() == first
    os.utime(path, ns=(1, 1))
    second = fingerprint()
    path.write_bytes(b"abcd")
    os.utime(path, ns=(1, 1))
    assert len({first, second, fingerprint()}) == 3
