from dataclasses import replace
from pathlib import Path

import pytest

from turnout.errors import ArtifactInvalidError, RepositoryError
from turnout.repository.files import Digest
from turnout.repository.manifest import Manifest, ManifestFile
from turnout.repository.scan import FileStat, ScannedVersion
from turnout.repository.settle import (
    Broken,
    Complete,
    FileKey,
    HashesWanted,
    HashResult,
    Judgement,
    Stillness,
    Waiting,
    file_key,
    judge,
    track,
)

FOLDER = Path("/models/m/1")
GOOD, BAD = "a" * 64, "b" * 64
SETTLE_MS = 1000


def stat(size_bytes: int = 3, modified_ns: int = 1) -> FileStat:
    return FileStat("model.onnx", size_bytes, modified_ns, modified_ns, 11)


def manifest() -> Manifest:
    return Manifest("onnx", "onnx", "model.onnx", (ManifestFile("model.onnx", 3, GOOD),))


def bare(*files: FileStat) -> ScannedVersion:
    return ScannedVersion(1, FOLDER, files)


def described(*files: FileStat) -> ScannedVersion:
    return ScannedVersion(1, FOLDER, files, manifest())


def judged(version: ScannedVersion, still_for_ms: int, hashes: dict[FileKey, HashResult] | None = None) -> Judgement:
    return judge(version, Stillness("", 5000 - still_for_ms), hashes or {}, SETTLE_MS, 5000)


@pytest.mark.parametrize(
    ("still_for_ms", "expected"),
    [
        (0, Waiting("files of `/models/m/1` are still changing", 6000)),
        (999, Waiting("files of `/models/m/1` are still changing", 5001)),
        (1000, Complete()),
        (60_000, Complete()),
    ],
)
def test_a_bare_folder_is_complete_when_it_was_still(still_for_ms: int, expected: Judgement) -> None:
    assert judged(bare(stat()), still_for_ms) == expected


def test_an_empty_folder_waits_for_files_for_ever() -> None:
    assert judged(bare(), 60_000) == Waiting("no files in `/models/m/1`", None)


def test_a_manifest_needs_hashes_and_no_stillness() -> None:
    version = described(stat())
    key = file_key(version, stat())
    assert judged(version, 0) == HashesWanted((key,))
    assert judged(version, 0, {key: Digest(3, GOOD)}) == Complete()


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ([], "a file of the manifest is missing: `/models/m/1/model.onnx`"),
        ([stat(2)], "`/models/m/1/model.onnx` is not whole: expected 3 bytes, got: 2"),
        ([stat(4)], "`/models/m/1/model.onnx` is not whole: expected 3 bytes, got: 4"),
    ],
)
def test_sizes_that_disagree_are_a_copy_under_way_and_then_a_fault(files: list[FileStat], fault: str) -> None:
    assert judged(described(*files), 0) == Waiting(fault, 6000)
    broken = judged(described(*files), 1000)
    assert isinstance(broken, Broken)
    assert isinstance(broken.error, ArtifactInvalidError)
    assert broken.error.message == fault


def test_a_folder_that_was_moved_in_needs_no_hashes() -> None:
    moved = replace(described(stat()), was_moved_in=True)
    assert judged(moved, still_for_ms=0) == Complete()


def test_a_folder_that_was_moved_in_needs_all_its_files() -> None:
    moved = replace(described(stat(size_bytes=2)), was_moved_in=True)
    assert isinstance(judged(moved, still_for_ms=0), Waiting)


def test_a_wrong_hash_is_a_fault_at_once() -> None:
    version = described(stat())
    broken = judged(version, 0, {file_key(version, stat()): Digest(3, BAD)})
    assert isinstance(broken, Broken)
    assert broken.error.message == (
        f"sha256 of `/models/m/1/model.onnx` is not the manifest's: expected {GOOD}, got: {BAD}"
    )


def test_a_file_that_cannot_be_read_is_a_fault() -> None:
    version = described(stat())
    error = RepositoryError("cannot read")
    assert judged(version, 0, {file_key(version, stat()): error}) == Broken(error)


def test_files_that_changed_since_they_were_read_are_read_again_only_when_still() -> None:
    former, now = described(stat(modified_ns=1)), described(stat(modified_ns=2))
    hashes: dict[FileKey, HashResult] = {file_key(former, stat(modified_ns=1)): Digest(3, BAD)}
    assert judged(now, 999, hashes) == Waiting("files of `/models/m/1` are still changing", 5001)
    assert judged(now, 1000, hashes) == HashesWanted((file_key(now, stat(modified_ns=2)),))


def test_other_files_beside_those_of_the_manifest_do_not_matter() -> None:
    version = described(stat(), FileStat("README", 9, 9, 9, 12))
    assert judged(version, 0, {file_key(version, stat()): Digest(3, GOOD)}) == Complete()
    assert version.fingerprint() == described(stat()).fingerprint()
    assert bare(stat()).fingerprint() != bare(stat(), FileStat("README", 9, 9, 9, 12)).fingerprint()


def test_a_fault_of_the_scan_counts_when_it_lasts() -> None:
    version = ScannedVersion(1, FOLDER, fault=ArtifactInvalidError("cut"))
    assert judged(version, 0) == Waiting("cut", 6000)
    broken = judged(version, 1000)
    assert isinstance(broken, Broken)
    assert broken.error.message == "cut"


@pytest.mark.parametrize(
    ("previous", "quiet_ms", "expected"),
    [
        (None, None, Stillness("f", 5000)),
        (None, 300, Stillness("f", 4700)),
        (None, -80, Stillness("f", 5000)),
        (Stillness("f", 1), None, Stillness("f", 1)),
        (Stillness("f", 1), 3, Stillness("f", 1)),
        (Stillness("e", 1), None, Stillness("f", 5000)),
    ],
    ids=["first", "file times known", "file times ahead", "same", "same with times", "changed"],
)
def test_stillness(previous: Stillness | None, quiet_ms: int | None, expected: Stillness) -> None:
    assert track(previous, "f", quiet_ms, 5000) == expected
