"""When a version may be read: pure rules over what scans saw, with the clock passed in.

With a manifest: when sizes agree, and either it was moved into place as a whole or hashes agree too; whoever loads it
hashes what is loaded in any case. Without one: when its files were still for `settle_ms`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from turnout.errors import ArtifactInvalidError, TurnoutError
from turnout.repository.files import Digest
from turnout.repository.manifest import Manifest
from turnout.repository.scan import FileStat, ScannedVersion


@dataclass(frozen=True, slots=True)
class FileKey:
    """Stands for the bytes of a file: as long as these are the same, so is its hash."""

    path: Path
    size_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int


HashResult: TypeAlias = Digest | TurnoutError
"""What reading a file gave: its hash, or why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Stillness:
    """Since when a version's files are as they are.

    Attributes:
        fingerprint: of the files.
        since_ms: on the monotonic clock.
    """

    fingerprint: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Complete:
    """The version may be read."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The version is not whole yet.

    Attributes:
        reason: what is missing, in words.
        until_ms: when to judge again although nothing changed, on the monotonic clock; None to wait for a change.
    """

    reason: str
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class HashesWanted:
    """Sizes agree; the files must be read to know whether hashes do."""

    files: tuple[FileKey, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """The version is still and wrong; it stays so until its files change."""

    error: TurnoutError


Judgement: TypeAlias = Complete | Waiting | HashesWanted | Broken


def track(previous: Stillness | None, fingerprint: str, quiet_ms: int | None, now_ms: int) -> Stillness:
    """Returns since when the files are as they are.

    Args:
        previous: what was known before this scan.
        fingerprint: of the files as this scan saw them.
        quiet_ms: how long nothing changed by the file system's own times; None where these are not to be trusted.
        now_ms: the monotonic clock.
    """
    if previous is not None and previous.fingerprint == fingerprint:
        return previous
    return Stillness(fingerprint, now_ms - max(quiet_ms or 0, 0))


def judge(
    version: ScannedVersion,
    stillness: Stillness,
    hashes: Mapping[FileKey, HashResult],
    settle_ms: int,
    now_ms: int,
) -> Judgement:
    """Says whether a version may be read.

    Args:
        version: as a scan saw it.
        stillness: since when it is so.
        hashes: what is known of its files' bytes.
        settle_ms: how long files without a manifest must be still, and faults must last before they count.
        now_ms: the monotonic clock.
    """
    still_at_ms = stillness.since_ms + settle_ms
    if version.fault is not None:
        fault = version.fault
        return Broken(fault) if now_ms >= still_at_ms else Waiting(fault.message, still_at_ms)
    if version.manifest is not None:
        return _judge_manifest(version, version.manifest, hashes, still_at_ms, now_ms)
    if not version.files:
        return Waiting(f"no files in `{version.path}`", None)
    if now_ms >= still_at_ms:
        return Complete()
    return Waiting(f"files of `{version.path}` are still changing", still_at_ms)


def file_key(version: ScannedVersion, stat: FileStat) -> FileKey:
    """Returns the key of one file of a version."""
    return FileKey(version.path / stat.name, stat.size_bytes, stat.modified_ns, stat.changed_ns, stat.inode)


def _judge_manifest(
    version: ScannedVersion, manifest: Manifest, hashes: Mapping[FileKey, HashResult], still_at_ms: int, now_ms: int
) -> Judgement:
    fault = _size_fault(version, manifest)
    if fault is not None:
        return Broken(ArtifactInvalidError(fault)) if now_ms >= still_at_ms else Waiting(fault, still_at_ms)
    if version.was_moved_in:
        return Complete()
    stats = {stat.name: stat for stat in version.files}
    keys = {file: file_key(version, stats[file.name]) for file in manifest.files}
    unknown = tuple(key for key in keys.values() if key not in hashes)
    if unknown:
        # Files that changed since they were read are being written: they are not read again at every write.
        known_paths = {key.path for key in hashes}
        if now_ms < still_at_ms and any(key.path in known_paths for key in unknown):
            return Waiting(f"files of `{version.path}` are still changing", still_at_ms)
        return HashesWanted(unknown)
    for file, key in keys.items():
        result = hashes[key]
        if isinstance(result, TurnoutError):
            return Broken(result)
        if result.sha256 != file.sha256:
            text = f"sha256 of `{key.path}` is not the manifest's: expected {file.sha256}, got: {result.sha256}"
            return Broken(ArtifactInvalidError(text))
    return Complete()


def _size_fault(version: ScannedVersion, manifest: Manifest) -> str | None:
    sizes = {stat.name: stat.size_bytes for stat in version.files}
    for file in manifest.files:
        size_bytes = sizes.get(file.name)
        if size_bytes is None:
            return f"a file of the manifest is missing: `{version.path / file.name}`"
        if size_bytes != file.size_bytes:
            return f"`{version.path / file.name}` is not whole: expected {file.size_bytes} bytes, got: {size_bytes}"
    return None
