import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from turnout.errors import ArtifactInvalidError, RepositoryError
from turnout.repository import files, publish
from turnout.repository.layout import RepositorySource
from turnout.repository.manifest import Manifest
from turnout.repository.publish import open_staging, remove_stale
from turnout.repository.scan import Scanner

MANIFEST = Manifest("onnx", "onnx", "model.onnx", ())


def push(repository: Path, data: bytes = b"model", version: int | None = None) -> int:
    with open_staging(repository, "digits") as staging:
        (staging.folder / "model.onnx").write_bytes(data)
        (staging.folder / "data").mkdir()
        (staging.folder / "data" / "weights.bin").write_bytes(data * 1000)
        number, _ = staging.publish(MANIFEST, version)
    return number


def whole_versions(repository: Path) -> list[int]:
    """Returns the versions that a reader sees, after checking that each is as its manifest says."""
    models = Scanner(RepositorySource(repository)).scan().models
    if "digits" not in models:
        return []
    for version in models["digits"].versions.values():
        assert version.manifest is not None
        for file in version.manifest.files:
            assert files.digest_file(version.path / file.name).sha256 == file.sha256
    return sorted(models["digits"].versions)


def staged(repository: Path) -> list[Path]:
    return list((repository / "digits" / ".turnout").glob("staging-*"))


def test_versions_count_up(tmp_path: Path) -> None:
    assert [push(tmp_path), push(tmp_path)] == [1, 2]
    (tmp_path / "digits" / "0009").mkdir()
    assert push(tmp_path) == 10
    assert staged(tmp_path) == []


def test_the_manifest_lists_what_was_staged(tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"abc")
    with open_staging(tmp_path, "digits") as staging:
        assert staging.add(source, "model.onnx").size_bytes == 3
        assert staging.add(source, "deep/er/copy.bin").size_bytes == 3
        version, manifest = staging.publish(MANIFEST)
    assert [file.name for file in manifest.files] == ["deep/er/copy.bin", "model.onnx"]
    scanned = Scanner(RepositorySource(tmp_path)).scan().models["digits"].versions[version]
    assert scanned.manifest == manifest


def test_a_version_that_exists_is_never_replaced(tmp_path: Path) -> None:
    assert push(tmp_path, b"first", version=5) == 5
    with pytest.raises(RepositoryError, match=r"version exists already: `.*/digits/5`") as caught:
        push(tmp_path, b"second", version=5)
    assert caught.value.hint == "A version never changes; publish the next one."
    assert (tmp_path / "digits" / "5" / "model.onnx").read_bytes() == b"first"
    (tmp_path / "digits" / "06").mkdir()
    with pytest.raises(RepositoryError, match="version exists already"):
        push(tmp_path, b"second", version=6)
    assert staged(tmp_path) == []


@pytest.mark.parametrize("name", ["", "../up", ".x", "12", "a/b"])
def test_a_name_that_is_none_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(RepositoryError, match="not a model name"), open_staging(tmp_path, name):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "turnout.json", ""])
def test_a_file_cannot_be_put_outside(tmp_path: Path, name: str) -> None:
    with (
        open_staging(tmp_path, "digits") as staging,
        pytest.raises(RepositoryError, match="not a name for a file of a version"),
    ):
        staging.add(Path(__file__), name)


def test_what_is_not_published_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ArtifactInvalidError, match="key `entry`"), open_staging(tmp_path, "digits") as staging:
        staging.publish(MANIFEST)
    assert list(tmp_path.iterdir()) == []


def fail(repository: Path) -> None:
    with suppress(ArtifactInvalidError), open_staging(repository, "digits"):
        raise ArtifactInvalidError("no model")


def test_a_push_that_fails_takes_along_what_it_made(tmp_path: Path) -> None:
    fail(tmp_path / "new" / "repository")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "digits" / "1").mkdir(parents=True)
    fail(tmp_path)
    assert [path.name for path in (tmp_path / "digits").iterdir()] == ["1"]


def test_a_push_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "digits" / ".turnout").mkdir(parents=True)
    fail(tmp_path)
    assert (tmp_path / "digits" / ".turnout").is_dir()


def test_a_push_that_fails_leaves_what_others_need(tmp_path: Path) -> None:
    with suppress(ArtifactInvalidError), open_staging(tmp_path, "digits"):
        with open_staging(tmp_path, "digits") as other:
            fail(tmp_path)
            (other.folder / "model.onnx").write_bytes(b"model")
            other.publish(MANIFEST)
        raise ArtifactInvalidError("no model")
    assert whole_versions(tmp_path) == [1]


def test_pushes_that_fail_do_not_harm_others_at_the_same_moment(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        failures = [pool.submit(fail, tmp_path) for _ in range(200)]
        numbers = list(pool.map(push, [tmp_path] * 8))
        for each in failures:
            each.result()
    assert whole_versions(tmp_path) == sorted(numbers) == list(range(1, 9))


def test_a_folder_that_vanishes_before_it_is_used_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = files.make_folder, 0

    def make_and_lose(folder: Path) -> None:
        nonlocal calls
        calls += 1
        real(folder)
        if calls == 1:
            folder.rmdir()
            folder.parent.rmdir()

    monkeypatch.setattr(publish, "make_folder", make_and_lose)
    assert push(tmp_path) == 1
    assert calls == 2


EFFECTS = ["make_folder", "digest_file", "sync_file", "write_new", "sync_folder", "rename_new", "number_folders"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("effect", EFFECTS)
def test_a_writer_that_dies_at_any_step_leaves_a_whole_version_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effect: str, after: bool
) -> None:
    push(tmp_path)
    call = 0
    while True:
        call += 1
        before = whole_versions(tmp_path)
        with monkeypatch.context() as patch:
            counter = die_at(patch, effect, call, after=after)
            patch.setattr("shutil.rmtree", leave)  # the dead clean up nothing
            with suppress(Killed):
                push(tmp_path)
        assert whole_versions(tmp_path) in (before, [*before, len(before) + 1])
        if counter() < call:
            break
    assert call > 1, "the effect was never used"
    push(tmp_path)
    assert staged(tmp_path) == []


def leave(_folder: Path, ignore_errors: bool) -> None:
    assert ignore_errors


def die_at(patch: pytest.MonkeyPatch, effect: str, call: int, *, after: bool) -> Callable[[], int]:
    real, count = getattr(publish, effect), 0

    def effect_or_death(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == call and not after:
            raise Killed
        result = real(*arguments)
        if count == call:
            raise Killed
        return result

    patch.setattr(publish, effect, effect_or_death)
    return lambda: count


WRITER = """
import sys
from pathlib import Path
from turnout.repository.manifest import Manifest
from turnout.repository.publish import open_staging
print("ready", flush=True)
while True:
    with open_staging(Path(sys.argv[1]), "digits") as staging:
        for number in range(3):
            (staging.folder / f"{number}.bin").write_bytes(bytes([number]) * 100_000)
        staging.publish(Manifest("onnx", "onnx", "0.bin", ()))
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_whole_versions(tmp_path: Path) -> None:
    chance = random.Random(7)
    seen: list[int] = []
    for _ in range(12):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            writer.send_signal(signal.SIGKILL)
        versions = whole_versions(tmp_path)
        assert versions[: len(seen)] == seen
        seen = versions
    assert seen == list(range(1, len(seen) + 1))
    push(tmp_path)
    assert staged(tmp_path) == []


def test_writers_at_the_same_moment_get_different_numbers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(push, [tmp_path] * 24))
    assert sorted(numbers) == list(range(1, 25))
    assert whole_versions(tmp_path) == sorted(numbers)
    assert staged(tmp_path) == []


def test_without_an_exclusive_rename_numbers_are_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_renameat2", lambda: None)
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(push, [tmp_path] * 16))
    assert whole_versions(tmp_path) == sorted(numbers) == list(range(1, 17))


@pytest.mark.parametrize("exclusive", [True, False])
def test_rename_to_a_taken_name_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exclusive: bool
) -> None:
    if not exclusive:
        monkeypatch.setattr(files, "_renameat2", lambda: None)
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    with pytest.raises(FileExistsError):
        files.rename_new(tmp_path / "from", tmp_path / "to")
    assert (tmp_path / "from").is_dir()


def test_stagings_of_the_living_are_left_alone(tmp_path: Path) -> None:
    with open_staging(tmp_path, "digits") as staging:
        assert remove_stale(tmp_path / "digits") == []
        dead = staging.folder.with_name("staging-1-dead")
        dead.mkdir()
        assert remove_stale(tmp_path / "digits") == [dead]
        assert staging.folder.is_dir()


def test_without_locks_only_old_stagings_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert push(tmp_path) == 1
    dead = tmp_path / "digits" / ".turnout" / "staging-1-dead"
    dead.mkdir()
    assert remove_stale(tmp_path / "digits") == []
    now_s = time.time()
    os.utime(dead, (now_s - 25 * 3600, now_s - 25 * 3600))
    assert remove_stale(tmp_path / "digits", now_s) == [dead]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_file_system_that_refuses_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(publish, "write_new", refuse)
    with pytest.raises(RepositoryError) as caught:
        push(tmp_path)
    assert caught.value.message.startswith(f"cannot publish a version: {os.strerror(number)}: `{tmp_path}/digits/")
    assert (caught.value.hint is None) == (number == errno.ENOSPC)
    assert staged(tmp_path) == []
