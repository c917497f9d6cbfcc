"""Which versions may be read, from one scan to the next: the memory around the pure rules of `settle`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from turnout.errors import TurnoutError
from turnout.repository.scan import ScannedModel, ScannedVersion
from turnout.repository.settle import (
    FileKey,
    HashResult,
    Judgement,
    Stillness,
    Waiting,
    file_key,
    judge,
    track,
)


@dataclass(frozen=True, slots=True)
class ObservedVersion:
    """One version and whether it may be read.

    Attributes:
        scanned: as it stands on disk.
        fingerprint: the same as long as its files are.
        judgement: whether it may be read.
    """

    scanned: ScannedVersion
    fingerprint: str
    judgement: Judgement


class Observer:
    """Remembers stillness and hashes of one model's versions. Not thread-safe; does no input or output."""

    def __init__(self, settle_ms: int) -> None:
        self._settle_ms = settle_ms
        self._stillness: dict[int, Stillness] = {}
        self._hashes: dict[FileKey, HashResult] = {}
        self._versions: Mapping[int, ScannedVersion] = {}
        self._seen_ms = 0

    def see(self, model: ScannedModel, started_ns: int | None, seen_ms: int) -> None:
        """Takes in a scan that could read the model's folder.

        Args:
            model: as it stands on disk.
            started_ns: when the scan began, since the epoch; None where the file system's times are not to be trusted.
            seen_ms: when it began, on the monotonic clock.
        """
        stillness: dict[int, Stillness] = {}
        for number, version in model.versions.items():
            quiet_ms = None
            if started_ns is not None and version.changed_ns > 0:
                quiet_ms = (started_ns - version.changed_ns) // 1_000_000
            stillness[number] = track(self._stillness.get(number), version.fingerprint(), quiet_ms, seen_ms)
        self._stillness = stillness
        self._seen_ms = seen_ms
        self._versions = model.versions
        folders = {version.path for version in model.versions.values()}
        self._hashes = {key: result for key, result in self._hashes.items() if folders.intersection(key.path.parents)}

    def learn(self, hashes: Mapping[FileKey, HashResult]) -> None:
        """Takes in what reading files gave."""
        paths = {key.path for key in hashes}
        former = {key: result for key, result in self._hashes.items() if key.path not in paths}
        self._hashes = {**former, **hashes}

    def unreadable(self, number: int) -> tuple[FileKey, ...]:
        """Returns the files of a version that could not be read; a disk may come back without any file changing."""
        version = self._versions.get(number)
        if version is None:
            return ()
        keys = (file_key(version, stat) for stat in version.files)
        return tuple(key for key in keys if isinstance(self._hashes.get(key), TurnoutError))

    def versions(self) -> dict[int, ObservedVersion]:
        """Judges every version as the last scan saw it: time alone, without another look, settles nothing."""
        return {number: self._judge(version) for number, version in self._versions.items()}

    def _judge(self, version: ScannedVersion) -> ObservedVersion:
        stillness = self._stillness[version.version]
        judgement = judge(version, stillness, self._hashes, self._settle_ms, self._seen_ms)
        return ObservedVersion(version, stillness.fingerprint, judgement)


def next_judgement_ms(versions: Iterable[ObservedVersion]) -> int | None:
    """Returns when to scan and judge again although nothing was reported, on the monotonic clock."""
    times = [
        observed.judgement.until_ms
        for observed in versions
        if isinstance(observed.judgement, Waiting) and observed.judgement.until_ms is not None
    ]
    return min(times, default=None)
