"""Durable steps on files: each returns when what it did survives a power cut, or raises the `OSError`."""

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1024 * 1024
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_NOT_SUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})


@dataclass(frozen=True, slots=True)
class Digest:
    """Size and hash of a file's bytes."""

    size_bytes: int
    sha256: str


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Makes the bytes of a file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, durably; one that exists is left as it is."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        sync_folder(parent.parent)


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that must not exist yet; its name is durable only after `sync_folder`."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Replaces a file as a whole: a reader sees the old bytes or the new ones."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_new(beside, data)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_file(path: Path) -> bool:
    """Removes a file durably; returns whether it was there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True


def copy_file(source: Path, target: Path) -> Digest:
    """Copies the bytes of a file into a new one and returns what was written; access rights are the default ones."""
    digest = hashlib.sha256()
    size_bytes = 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
            size_bytes += len(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return Digest(size_bytes, digest.hexdigest())


def digest_file(path: Path) -> Digest:
    """Reads a file and returns the size and hash of its bytes."""
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as reader:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return Digest(size_bytes, digest.hexdigest())


def rename_new(source: Path, target: Path) -> None:
    """Renames a folder to a name that must not exist yet, atomically also among several writers.

    Raises:
        FileExistsError: the name is taken, even by an empty folder; nothing was changed.
    """
    rename = _renameat2()
    if rename is None or rename(_AT_FDCWD, bytes(source), _AT_FDCWD, bytes(target), _RENAME_NOREPLACE) != 0:
        number = errno.ENOSYS if rename is None else ctypes.get_errno()
        if number not in _NOT_SUPPORTED:
            raise OSError(number, os.strerror(number), str(source), None, str(target))
        _rename_over_claim(source, target)


def _rename_over_claim(source: Path, target: Path) -> None:
    """Network file systems lack the exclusive rename: an empty folder of our own is replaced, which is atomic too."""
    target.mkdir()
    try:
        source.rename(target)
    except BaseException:
        with contextlib.suppress(OSError):  # whoever filled the folder meanwhile keeps it
            target.rmdir()
        raise


def _renameat2() -> Callable[..., int] | None:
    """Returns glibc's function; musl before 1.2.6 has none."""
    library = ctypes.CDLL(None, use_errno=True)
    function = getattr(library, "renameat2", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return function
