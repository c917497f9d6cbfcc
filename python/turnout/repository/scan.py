"""What is on disk now, per model. No folder that cannot be read hides the others: each is reported where it stands."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from turnout.errors import ArtifactInvalidError, RepositoryError, TurnoutError
from turnout.repository.layout import (
    MANIFEST_NAME,
    SETTINGS_NAME,
    ArtifactSource,
    ModelSource,
    RepositorySource,
    Source,
    model_name_fault,
    number_folders,
)
from turnout.repository.manifest import Manifest, parse_manifest
from turnout.repository.mounts import is_remote
from turnout.repository.pin import Pin, read_pin

MAX_FILES = 20_000
"""Files and folders of one version; more is taken for a mistake, such as a link to the root of a disk."""

MAX_DEPTH = 16
"""Folders below a version's folder; a link to a parent would be endless."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a repository that a person should know; it is reported once, until it changes or ends.

    Attributes:
        model: the model's name; empty where it is about the whole source.
        version: the version, where it is about one.
        topic: what it is about, one word; there is one problem at a time per model, version and topic.
        code: slug of the error catalogue.
        message: what is wrong.
        hint: what to do about it.
    """

    model: str
    version: int | None
    topic: str
    code: str
    message: str
    hint: str | None = None

    @classmethod
    def of(cls, error: TurnoutError, model: str, version: int | None, topic: str) -> "Problem":
        """Makes the problem that an exception stands for."""
        return cls(model, version, topic, error.code, error.message, error.hint)


@dataclass(frozen=True, slots=True)
class FileStat:
    """A file as the file system knows it; two equal ones are taken for the same bytes.

    Attributes:
        name: path below the version's folder, with `/`.
        size_bytes: its size.
        modified_ns: time of the last change of its bytes, since the epoch.
        changed_ns: time of the last change of its bytes, name or rights, since the epoch.
        inode: its number on its device.
    """

    name: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class ScannedVersion:
    """One version as it stands on disk.

    Attributes:
        version: its number.
        path: its folder, or its file where the version is a single file.
        files: its files, sorted by name; without the manifest.
        manifest: what it says about itself, if it does and that can be read.
        manifest_stat: the manifest's file.
        fault: why it cannot be read; what could not be read is absent from the other fields.
        changed_ns: the latest change of a file or folder of it, since the epoch.
        was_moved_in: the folder was renamed, or given its times, after the last change of each of its files. Never said
            of a network file system, whose times cannot be compared.
    """

    version: int
    path: Path
    files: tuple[FileStat, ...] = ()
    manifest: Manifest | None = None
    manifest_stat: FileStat | None = None
    fault: TurnoutError | None = None
    changed_ns: int = 0
    was_moved_in: bool = False

    def fingerprint(self) -> str:
        """Returns a text that is the same as long as the version's files are.

        Where there is a manifest, only the files that it names count.
        """
        named = None if self.manifest is None else {file.name for file in self.manifest.files}
        parts = [file for file in self.files if named is None or file.name in named]
        stats = [f"{file.name}\0{file.size_bytes}\0{file.modified_ns}" for file in (*parts, self.manifest_stat) if file]
        fault = "" if self.fault is None else self.fault.message
        return hashlib.sha256("\n".join((*stats, fault)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ScannedModel:
    """One model as it stands on disk.

    Attributes:
        name: the model's name.
        folder: its folder; None for a single artifact, which can carry no pin and no settings.
        versions: by number.
        readable: False where the folder could not be listed; then `versions` says nothing.
        pin: the operator's choice.
        pin_readable: False where there is a pin that cannot be read; then `pin` says nothing.
        settings_stat: the model's settings file.
        problems: what a person should know.
    """

    name: str
    folder: Path | None
    versions: Mapping[int, ScannedVersion] = field(default_factory=dict[int, ScannedVersion])
    readable: bool = True
    pin: Pin | None = None
    pin_readable: bool = True
    settings_stat: FileStat | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceScan:
    """What one source holds now.

    Attributes:
        source: what was looked at.
        readable: False where it could not be read as a whole; then `models` says nothing.
        scope: the models that were looked at; None for all of them.
        started_ns: when the look began, since the epoch; None where the file system's times are another machine's.
        models: those that are there, by name; one of the scope that is missing here is gone.
        problems: what a person should know, of the source as a whole and of its models.
    """

    source: Source
    readable: bool
    scope: frozenset[str] | None
    started_ns: int | None
    models: Mapping[str, ScannedModel]
    problems: tuple[Problem, ...] = ()


class Scanner:
    """Looks at one source; remembers its device and the manifests that did not change. Not thread-safe."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._device: int | None = None
        self._manifests: dict[tuple[Path, FileStat], Manifest] = {}
        self._is_remote = True

    def scan(self, scope: frozenset[str] | None = None) -> SourceScan:
        """Looks at the models of a scope, or at all. Never raises an `OSError`; may block as long as the disk does."""
        started_ns = time.time_ns()
        try:
            if scope is None:
                self._is_remote = is_remote(self._source.path)
            models = self._scan_models(scope)
        except (OSError, RepositoryError) as error:
            message = error.message if isinstance(error, RepositoryError) else _because(error)
            text = f"cannot read `{self._source.path}`: {message}"
            hint = "What is loaded goes on serving."
            topic = f"source {self._source.path}"
            problem = Problem(self._name(), None, topic, RepositoryError.code, text, hint)
            return SourceScan(self._source, readable=False, scope=None, started_ns=None, models={}, problems=(problem,))
        if scope is None:
            kept = {version.path for model in models.values() for version in model.versions.values()}
            self._manifests = {key: value for key, value in self._manifests.items() if key[0] in kept}
        problems = tuple(problem for model in models.values() for problem in model.problems)
        return SourceScan(
            source=self._source,
            readable=True,
            scope=scope,
            started_ns=None if self._is_remote else started_ns,
            models=models,
            problems=problems,
        )

    def _name(self) -> str:
        return "" if isinstance(self._source, RepositorySource) else self._source.name

    def _scan_models(self, scope: frozenset[str] | None) -> dict[str, ScannedModel]:
        source = self._source
        if isinstance(source, ArtifactSource):
            version = self._scan_artifact(source)
            return {source.name: ScannedModel(source.name, None, {version.version: version})}
        names = [entry.name for entry in _list(source.path)]
        self._check_device(source.path, names)
        if isinstance(source, ModelSource):
            return {source.name: self._scan_model(source.name, source.path)}
        models: dict[str, ScannedModel] = {}
        for name in sorted(names):
            folder = source.path / name
            if (scope is None or name in scope) and _may_be_model(name, folder):
                with suppress(FileNotFoundError):  # it was removed since it was listed
                    models[name] = self._scan_model(name, folder)
        return {name: model for name, model in models.items() if not _is_just_begun(model)}

    def _check_device(self, folder: Path, names: list[str]) -> None:
        """An unmounted disk leaves an empty folder: emptiness on another device is absence, not an order to unload."""
        device = folder.stat().st_dev
        if not names and self._device not in (None, device):
            raise RepositoryError("it is empty and on another disk than before; the disk is not mounted")
        self._device = device

    def _scan_artifact(self, source: ArtifactSource) -> ScannedVersion:
        if source.path.is_dir():
            return self._scan_version(source.version, source.path)
        stat = _file_stat(source.path.name, source.path.stat())
        return ScannedVersion(source.version, source.path, (stat,), changed_ns=stat.changed_ns)

    def _scan_model(self, name: str, folder: Path) -> ScannedModel:
        try:
            entries = _list(folder)
            numbered = number_folders(entry.name for entry in entries if entry.is_dir())
        except FileNotFoundError:
            raise
        except OSError as error:
            text = f"cannot read the model's folder: {_because(error)}: `{folder}`"
            problem = Problem(name, None, "folder", RepositoryError.code, text, "What is loaded goes on serving.")
            return ScannedModel(name, folder, readable=False, problems=(problem,))
        problems = [Problem(name, None, "numbers", RepositoryError.code, warning) for warning in numbered.warnings[:1]]
        if not numbered.names and any(not entry.name.startswith(".") for entry in entries):
            text = f"no version was found in `{folder}`"
            hint = "A version is a folder with a number as its name, for example `1`."
            problems.append(Problem(name, None, "empty", RepositoryError.code, text, hint))
        versions = {number: self._scan_version(number, folder / child) for number, child in numbered.names.items()}
        pin, pin_problem = _look_at_pin(name, folder)
        problems += [pin_problem] if pin_problem else []
        return ScannedModel(
            name=name,
            folder=folder,
            versions=versions,
            pin=pin,
            pin_readable=pin_problem is None,
            settings_stat=_settings_stat(folder),
            problems=tuple(problems),
        )

    def _scan_version(self, version: int, folder: Path) -> ScannedVersion:
        try:
            walked = _walk_version(folder)
        except ArtifactInvalidError as error:
            return ScannedVersion(version, folder, fault=error)
        except OSError as error:
            fault = RepositoryError(f"cannot read the version: {_because(error)}: `{folder}`")
            return ScannedVersion(version, folder, fault=fault)
        files = _sorted_files(walked)
        manifest_stat = next((stat for stat in files if stat.name == MANIFEST_NAME), None)
        manifest, fault = self._read_manifest(folder, manifest_stat)
        return ScannedVersion(
            version=version,
            path=folder,
            files=tuple(stat for stat in files if stat is not manifest_stat),
            manifest=manifest,
            manifest_stat=manifest_stat,
            fault=fault,
            changed_ns=max((stat.changed_ns for stat, _ in walked), default=0),
            was_moved_in=not self._is_remote and _was_moved_in(walked),
        )

    def _read_manifest(self, folder: Path, stat: FileStat | None) -> tuple[Manifest | None, TurnoutError | None]:
        if stat is None:
            return None, None
        manifest = self._manifests.get((folder, stat))
        if manifest is None:
            path = folder / MANIFEST_NAME
            try:
                manifest = parse_manifest(path.read_bytes(), path)
            except ArtifactInvalidError as error:
                return None, error
            except OSError as error:
                return None, RepositoryError(f"cannot read the manifest: {_because(error)}: `{path}`")
            self._manifests[folder, stat] = manifest
        return manifest, None


def _list(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _may_be_model(name: str, folder: Path) -> bool:
    return model_name_fault(name) is None and name.isprintable() and _is_folder(folder)


def _is_folder(path: Path) -> bool:
    """A folder that cannot be looked at still counts as one: its model must not be taken for gone."""
    try:
        return path.is_dir()
    except OSError:
        return True


def _is_just_begun(model: ScannedModel) -> bool:
    """A folder with nothing but Turnout's own is the first version of a model, still being staged."""
    return model.readable and not model.versions and not model.problems and model.pin is None


def _look_at_pin(name: str, folder: Path) -> tuple[Pin | None, Problem | None]:
    try:
        return read_pin(folder), None
    except RepositoryError as error:
        return None, Problem.of(error, name, None, "pin")


def _settings_stat(folder: Path) -> FileStat | None:
    try:
        return _file_stat(SETTINGS_NAME, (folder / SETTINGS_NAME).stat())
    except OSError:
        return None  # absent, or as good as: whoever reads the settings says why they cannot be read


def scan_files(folder: Path) -> tuple[FileStat, ...]:
    """Returns all files of a version's folder and its subfolders, by name; hidden ones are nobody's.

    Raises:
        ArtifactInvalidError: there are too many, or folders are nested too deeply.
        OSError: a folder cannot be read.
    """
    return _sorted_files(_walk_version(folder))


def _sorted_files(walked: list[tuple[FileStat, bool]]) -> tuple[FileStat, ...]:
    return tuple(sorted((stat for stat, is_folder in walked if not is_folder), key=lambda stat: stat.name))


def _was_moved_in(walked: list[tuple[FileStat, bool]]) -> bool:
    """Whoever copies files into a folder changes the last of them after the folder, or in the same instant."""
    (folder, _), *others = walked
    return all(stat.changed_ns < folder.changed_ns for stat, _ in others)


def _walk_version(folder: Path) -> list[tuple[FileStat, bool]]:
    walked = list(islice(_walk(folder), MAX_FILES + 1))
    if len(walked) > MAX_FILES:
        raise ArtifactInvalidError(f"more than {MAX_FILES} files and folders: `{folder}`")
    return walked


def _walk(folder: Path, prefix: str = "", depth: int = 0) -> Iterator[tuple[FileStat, bool]]:
    """Yields every file and folder of a version; hidden ones are nobody's, and what vanishes meanwhile is not there."""
    if depth > MAX_DEPTH:
        raise ArtifactInvalidError(f"folders are nested deeper than {MAX_DEPTH}: `{folder}`")
    yield _file_stat(prefix, folder.stat()), True
    for entry in _list(folder):
        if entry.name.startswith("."):
            continue
        name = f"{prefix}{entry.name}"
        _check_text(name, folder)
        if entry.is_dir():
            yield from _walk(folder / entry.name, f"{name}/", depth + 1)
        else:
            try:
                yield _file_stat(name, entry.stat()), False
            except FileNotFoundError:
                continue


def _check_text(name: str, folder: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ArtifactInvalidError(f"a file's name is not UTF-8 in `{folder}`: {name!r}") from error


def _file_stat(name: str, stat: os.stat_result) -> FileStat:
    return FileStat(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def _because(error: OSError) -> str:
    return error.strerror or str(error)
