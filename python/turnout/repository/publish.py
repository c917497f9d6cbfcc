"""Publishing a version: staged beside, synced, renamed. Whenever a writer dies, readers see a whole version or none."""

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from turnout.errors import RepositoryError
from turnout.repository.files import (
    Digest,
    copy_file,
    digest_file,
    make_folder,
    rename_new,
    sync_file,
    sync_folder,
    write_new,
)
from turnout.repository.layout import MANIFEST_NAME, MAX_VERSION, PRIVATE_FOLDER, check_model_name, number_folders
from turnout.repository.manifest import Manifest, ManifestFile, encode_manifest, is_inner_name

STAGING_PREFIX = "staging-"

ABANDONED_AFTER_S = 24 * 3600
"""Where a file system has no locks, a staging folder this old is taken for abandoned."""

_MAX_ATTEMPTS = 100
"""Version numbers tried before giving up: each is lost to another writer at the same moment."""

_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class Staging:
    """A version in the making. Made by `open_staging`; not thread-safe.

    Attributes:
        folder: where the version's files are put, by `add` or by anybody else.
    """

    def __init__(self, model_folder: Path, folder: Path) -> None:
        self.folder = folder
        self._model_folder = model_folder

    def add(self, source: Path, name: str) -> Digest:
        """Copies a file into the version under a relative name and returns what was copied."""
        if not is_inner_name(name) or name == MANIFEST_NAME:
            raise RepositoryError(f"not a name for a file of a version: `{name}`")
        target = self.folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            return copy_file(source, target)
        except OSError as error:
            raise RepositoryError(f"cannot copy `{source}` to `{target}`: {error.strerror}") from error

    def publish(self, manifest: Manifest, version: int | None = None) -> tuple[int, Manifest]:
        """Makes what was staged a version of the model; it can be seen, whole, when this returns.

        Args:
            manifest: what to say about the version; its `files` are replaced by what is found in the folder.
            version: the number wanted; the next free one where it is None.

        Returns:
            The version's number, and the manifest as it was written.

        Raises:
            RepositoryError: the number is taken, or the file system fails; nothing can be seen of the version.
            ArtifactInvalidError: the manifest contradicts itself or the files.
        """
        try:
            complete = self._seal(manifest)
            return self._rename(version), complete
        except RepositoryError:
            raise
        except OSError as error:
            raise _failure("publish a version", self._model_folder, error) from error

    def _seal(self, manifest: Manifest) -> Manifest:
        folders = [folder for folder, _, _ in os.walk(self.folder)]
        paths = sorted(Path(folder, name) for folder, _, names in os.walk(self.folder) for name in names)
        files: list[ManifestFile] = []
        for path in paths:
            digest = digest_file(path)
            sync_file(path)
            files.append(ManifestFile(path.relative_to(self.folder).as_posix(), digest.size_bytes, digest.sha256))
        complete = manifest.with_files(files)
        manifest_path = self.folder / MANIFEST_NAME
        write_new(manifest_path, encode_manifest(complete, manifest_path))
        for folder in reversed(folders):
            sync_folder(Path(folder))
        return complete

    def _rename(self, wanted: int | None) -> int:
        for _ in range(_MAX_ATTEMPTS):
            taken = number_folders(entry.name for entry in self._model_folder.iterdir()).names
            version = wanted or max(taken, default=0) + 1
            if version in taken or version > MAX_VERSION:
                break
            try:
                rename_new(self.folder, self._model_folder / str(version))
            except FileExistsError:
                continue
            sync_folder(self._model_folder)
            return version
        if wanted is not None:
            hint = "A version never changes; publish the next one."
            raise RepositoryError(f"version exists already: `{self._model_folder / str(wanted)}`", hint=hint)
        raise RepositoryError(f"no free version number was found in `{self._model_folder}`")


@contextmanager
def open_staging(repository: Path, model: str) -> Generator[Staging]:
    """Opens a folder in which a version is put together.

    What was not published is removed at the end, with the folders above it that were made for it and are still empty.

    Raises:
        RepositoryError: the model's name cannot be one, or the repository cannot be written.
    """
    model_folder = repository.absolute() / check_model_name(model)
    made: list[Path] = []
    try:
        folder, lock = _make_staging(model_folder, made)
    except RepositoryError:
        _remove_empty(made)
        raise
    except OSError as error:
        _remove_empty(made)
        raise _failure("stage a version", model_folder, error) from error
    try:
        yield Staging(model_folder, folder)
    finally:
        is_published = not folder.exists()
        shutil.rmtree(folder, ignore_errors=True)  # what stays is swept by the next writer
        os.close(lock)
        if not is_published:
            _remove_empty(made)


def _make_staging(model_folder: Path, made: list[Path]) -> tuple[Path, int]:
    """Makes a staging folder and those above it, which are added to `made`; returns it and its lock."""
    private = model_folder / PRIVATE_FOLDER
    for _ in range(_MAX_ATTEMPTS):
        made += [folder for folder in (private, *private.parents) if not folder.exists() and folder not in made]
        try:
            make_folder(private)
            remove_stale(model_folder)
            return _make_locked(private)
        except FileNotFoundError:
            continue  # another push failed at this moment and took away the folders that it had made
    raise RepositoryError(f"cannot make a staging folder in `{private}`")


def _remove_empty(folders: list[Path]) -> None:
    """Removes folders as far as they are empty, the innermost first."""
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        with suppress(OSError):  # somebody else uses it meanwhile, or has removed it
            folder.rmdir()


def remove_stale(model_folder: Path, now_s: float | None = None) -> list[Path]:
    """Removes what writers left that died: staging folders that nobody holds, and half-written pins.

    Returns:
        What was removed.
    """
    private = model_folder / PRIVATE_FOLDER
    now_s = time.time() if now_s is None else now_s
    removed: list[Path] = []
    for path in sorted(private.iterdir()) if private.is_dir() else []:
        if path.name.startswith(STAGING_PREFIX) and _remove_abandoned(path, now_s):
            removed.append(path)
        elif path.name.startswith(".pin.json.") and _is_older(path, ABANDONED_AFTER_S, now_s):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _make_locked(private: Path) -> tuple[Path, int]:
    """Makes a staging folder and holds its lock, which the system lets go of when this process dies."""
    for _ in range(_MAX_ATTEMPTS):
        folder = private / f"{STAGING_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
        folder.mkdir()
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            if _lock(descriptor) and folder.exists():
                return folder, descriptor
            os.close(descriptor)
        # A sweeper was faster than our lock.
    raise RepositoryError(f"cannot make a staging folder in `{private}`")


def _lock(descriptor: int) -> bool:
    """Locks without waiting; False where a sweeper holds it. A file system without locks has no sweepers by lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _remove_abandoned(folder: Path, now_s: float) -> bool:
    """Removes a staging folder that nobody holds, under its lock: its maker, if it lives, then sees that it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_abandoned = True
    except BlockingIOError:
        is_abandoned = False
    except OSError:
        is_abandoned = _is_older(folder, ABANDONED_AFTER_S, now_s)
    if is_abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptor)
    return is_abandoned


def _is_older(path: Path, age_s: float, now_s: float) -> bool:
    with suppress(FileNotFoundError):
        return now_s - path.stat().st_mtime > age_s
    return False


def _failure(what: str, folder: Path, error: OSError) -> RepositoryError:
    message = f"cannot {what}: {error.strerror or error}: `{error.filename or folder}`"
    if error.errno not in _READ_ONLY:
        return RepositoryError(message)
    return RepositoryError(message, hint="The repository cannot be written here, or not by this user.")
