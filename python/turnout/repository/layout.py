"""Where models and versions live: `<repository>/<model>/<version>/…`, the layout of TensorFlow Serving's users."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from turnout.errors import RepositoryError

MANIFEST_NAME = "turnout.json"
"""What a version says about itself; optional."""

SETTINGS_NAME = "model.toml"
"""The settings that a model carries; optional."""

WARMUP_NAME = "assets.extra/tf_serving_warmup_requests"
"""Recorded requests that a version answers before it serves, where TensorFlow Serving has them; optional."""

PRIVATE_FOLDER = ".turnout"
"""Turnout's own folder inside a model's folder: the pin, and versions that are being staged."""

MAX_VERSION = 2**63 - 1
"""Versions cross the wire as int64."""

MAX_NAME_BYTES = 255
"""What file systems allow."""

_ARTIFACT_MARKS = frozenset({MANIFEST_NAME, "saved_model.pb", "saved_model.pbtxt"})
"""A folder that holds one of these is itself a model, not a folder of models."""

_ARTIFACT_SUFFIXES = (".onnx", ".tflite")


@dataclass(frozen=True, slots=True)
class ArtifactSource:
    """One model file, or one folder that is a model, served as a single version.

    Attributes:
        name: the model's name.
        path: the file or the folder.
        version: the only version.
    """

    name: str
    path: Path
    version: int


@dataclass(frozen=True, slots=True)
class ModelSource:
    """One model's folder, with a subfolder for each version."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class RepositorySource:
    """A folder of models' folders."""

    path: Path


Source: TypeAlias = ArtifactSource | ModelSource | RepositorySource


@dataclass(frozen=True, slots=True)
class NumberedFolders:
    """The versions among the names in a model's folder.

    Attributes:
        names: the folder's name of each version.
        warnings: what was left out although it looks like a version, in words.
    """

    names: dict[int, str]
    warnings: tuple[str, ...]


def parse_version(name: str) -> int | None:
    """Returns the version that a folder's name stands for, or None; `007` is version 7."""
    if not (name.isascii() and name.isdecimal()):
        return None
    version = int(name)
    return version if 1 <= version <= MAX_VERSION else None


def number_folders(names: Iterable[str]) -> NumberedFolders:
    """Picks the versions out of folder names; of two names of one number the shorter wins, on every machine alike."""
    chosen: dict[int, str] = {}
    warnings: list[str] = []
    for name in sorted(names, key=lambda name: (len(name), name)):
        version = parse_version(name)
        if version is None:
            if name.isascii() and name.isdecimal():
                warnings.append(f"folder `{name}` is no version: expected a number from 1 to {MAX_VERSION}")
        elif version in chosen:
            warnings.append(f"folder `{name}` is ignored: version {version} is folder `{chosen[version]}` already")
        else:
            chosen[version] = name
    return NumberedFolders(chosen, tuple(warnings))


def model_name_fault(name: str) -> str | None:
    """Returns why a name cannot be a model's, or None if it can.

    A model's name is a folder's name and a part of a URL, and must not be taken for a version.
    """
    faults = (
        (not name, "it is empty"),
        (name.startswith("."), "it starts with `.`"),
        (name != name.strip(), "it starts or ends with white space"),
        (any(character in "/:" for character in name), "it contains `/` or `:`"),
        (not name.isprintable(), "it contains a character that cannot be printed"),
        (name.isascii() and name.isdecimal(), "it is a number, which stands for a version"),
        (len(name.encode(errors="replace")) > MAX_NAME_BYTES, f"it is longer than {MAX_NAME_BYTES} bytes"),
    )
    return next((reason for wrong, reason in faults if wrong), None)


def check_model_name(name: str) -> str:
    """Returns the name.

    Raises:
        RepositoryError: it cannot be a model's name.
    """
    fault = model_name_fault(name)
    if fault is not None:
        raise RepositoryError(f"not a model name, {fault}: `{name}`", hint="Choose another one with `--name`.")
    return name


def classify_path(path: Path, name: str | None = None) -> Source:
    """Says what a path given by a person is: a model, a model's folder or a repository.

    Args:
        path: an existing file or folder.
        name: the model's name, where the path's own is not wanted.

    Returns:
        What to serve. An empty folder is a repository.

    Raises:
        RepositoryError: nothing is there, it cannot be read, the name does not fit, or it may mean one or the other.
    """
    path = path.absolute()
    if not _is_utf8(path):
        raise RepositoryError(f"the path is not UTF-8: {str(path)!r}")
    source = _classify_one(path, name)
    if source is not None:
        return source
    if name is not None:
        hint = "A name can be given to a model file, a model's folder or a version's folder."
        raise RepositoryError(f"a folder of models has no name of its own: `{path}`", hint=hint)
    return RepositorySource(path)


def configured_source(name: str, path: Path) -> ArtifactSource | ModelSource:
    """Says what the path is that an operator has set for one model.

    Args:
        name: the model's name.
        path: a model's folder, a version's folder or a model file; nothing needs to be there yet.

    Returns:
        What to serve. What cannot be read now is taken for a model's folder: whoever looks at it says what is wrong,
        and sees when it is put right.

    Raises:
        RepositoryError: the name does not fit.
    """
    check_model_name(name)
    path = path.absolute()
    try:
        return _classify_one(path, name) or ModelSource(name, path)
    except (OSError, RepositoryError):
        return ModelSource(name, path)


def _classify_one(path: Path, name: str | None) -> ArtifactSource | ModelSource | None:
    """Returns the one model that a path is; None for a folder that is none."""
    if path.is_file():
        return ArtifactSource(check_model_name(name or path.stem), path, 1)
    children = _children(path)
    own_name = path.resolve().name
    if number_folders(child for child, is_folder in children if is_folder).names:
        return ModelSource(check_model_name(name or own_name), path)
    mark = next((child for child, is_folder in children if not is_folder and _marks_artifact(child)), None)
    if mark is not None:
        _refuse_mixture(path, mark, [child for child, is_folder in children if is_folder])
        version = parse_version(own_name)
        folder_name = own_name if version is None else path.resolve().parent.name
        return ArtifactSource(check_model_name(name or folder_name), path, version or 1)
    return None


def _refuse_mixture(path: Path, mark: str, folders: Iterable[str]) -> None:
    """A stray file must not hide a whole repository."""
    for folder in folders:
        if model_name_fault(folder) is None and number_folders(_folders_in(path / folder)).names:
            raise RepositoryError(
                f"the folder holds a model (`{mark}`) and folders of models (`{folder}`): `{path}`",
                hint=f"Move `{mark}` into a folder of its own, `NAME/1/`, or serve the file itself.",
            )


def _folders_in(path: Path) -> list[str]:
    try:
        return [child for child, is_folder in _children(path) if is_folder]
    except RepositoryError:  # whatever is in it, it is not what was asked for
        return []


def _children(path: Path) -> list[tuple[str, bool]]:
    try:
        with os.scandir(path) as entries:
            return [(entry.name, entry.is_dir()) for entry in entries]
    except FileNotFoundError as error:
        raise RepositoryError(f"no such file or folder: `{path}`") from error
    except OSError as error:
        raise RepositoryError(f"cannot read the folder: {error.strerror}: `{path}`") from error


def _marks_artifact(name: str) -> bool:
    return name in _ARTIFACT_MARKS or (name.endswith(_ARTIFACT_SUFFIXES) and not name.startswith("."))


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
