"""What a version in a repository is made of: which files, opened by which runtime. Loads nothing."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from turnout.errors import ArtifactInvalidError, FlavorUnknownError, TurnoutError
from turnout.flavors.base import Detection
from turnout.flavors.onnx_wire import read_summary
from turnout.flavors.registry import detect
from turnout.flavors.savedmodel import find_entry
from turnout.flavors.tflite import ENTRY_NAME as TFLITE_NAME
from turnout.flavors.tflite import SUFFIX as TFLITE_SUFFIX
from turnout.host.runtimes import find_library
from turnout.lifecycle.artifact import ResolvedArtifact, ResolvedFile
from turnout.repository.layout import MANIFEST_NAME, WARMUP_NAME
from turnout.repository.manifest import Manifest, is_inner_name
from turnout.repository.scan import FileStat, scan_files

ENTRY_NAME = "model.onnx"
"""The file that a version without a manifest is expected to hold, and what a pushed model of most flavors is called."""

_SAVEDMODEL = "savedmodel"
"""The engine that opens a folder, however many files are in it."""

_TFLITE = "tflite"
"""The engine whose models are one file, whatever lies beside it."""


def resolve_artifact(path: Path, manifest: Manifest | None, *, prefer_tflite: bool = False) -> ResolvedArtifact:
    """Finds out what a version is made of.

    Args:
        path: the version's folder, or its file.
        manifest: what the version says about itself, if it does.
        prefer_tflite: whether a folder's `model.tflite` is taken rather than its SavedModel; a manifest says itself
            which file is meant.

    Raises:
        ArtifactInvalidError: a file is missing, or not of the size that the manifest says.
        FlavorUnknownError: there is nothing in the folder that an engine opens.
        RuntimeMissingError: the runtime is not installed.
    """
    if manifest is not None:
        return _from_manifest(path, manifest)
    if prefer_tflite and (path / TFLITE_NAME).is_file():
        return _one_file(_TFLITE, path / TFLITE_NAME, path)
    if entry_name := find_entry(path):
        files = tuple(ResolvedFile(file.name, file.size_bytes, None) for file in list_files(path))
        library = find_library(_SAVEDMODEL)
        return _without_warmup(ResolvedArtifact(_SAVEDMODEL, library, path, entry_name, files, needs_copy=True))
    folder, entry = (path, _find_entry(path)) if path.is_dir() else (path.parent, path)
    found = detect(entry)
    if found.flavor == _TFLITE:
        return _one_file(_TFLITE, entry, path)
    if found.flavor != "onnx":
        raise _refuse(entry, found)
    names = [entry.name, *external_files(entry)]
    files = tuple(ResolvedFile(name, _size_bytes(folder / name, name, entry), None) for name in names)
    needs_copy, warmup = len(files) > 1, _find_warmup(path)
    return ResolvedArtifact("onnx", find_library("onnx"), folder, entry.name, files, needs_copy, warmup=warmup)


def _one_file(engine: str, entry: Path, folder: Path) -> ResolvedArtifact:
    library = find_library(engine)
    file = ResolvedFile(entry.name, _size_bytes(entry, entry.name, entry), None)
    return ResolvedArtifact(engine, library, entry.parent, entry.name, (file,), warmup=_find_warmup(folder))


def list_files(folder: Path) -> tuple[FileStat, ...]:
    """Returns all files of a version without a manifest, those of its subfolders, too.

    Raises:
        ArtifactInvalidError: they are too many, nested too deeply, or cannot be read.
    """
    try:
        return tuple(stat for stat in scan_files(folder) if stat.name != MANIFEST_NAME)
    except OSError as error:
        raise ArtifactInvalidError(f"the version cannot be read: {error.strerror or error}: `{folder}`") from error


def external_files(entry: Path) -> list[str]:
    """Returns the files beside an ONNX file that hold tensors of it.

    Raises:
        ArtifactInvalidError: the file is no ONNX file, or a tensor lies outside of its folder.
    """
    names = [str(PurePosixPath(name)) for name in read_summary(entry).external_files]
    for name in names:
        if not is_inner_name(name):
            raise ArtifactInvalidError(f"a tensor of `{entry}` lies outside of its folder: `{name}`")
    return names


def _from_manifest(folder: Path, manifest: Manifest) -> ResolvedArtifact:
    for file in manifest.files:
        size_bytes = _size_bytes(folder / file.name, file.name, folder)
        if size_bytes != file.size_bytes:
            message = (
                f"a file has another size than its manifest says: expected {file.size_bytes} bytes, got {size_bytes}"
            )
            raise ArtifactInvalidError(f"{message}: `{folder / file.name}`")
    artifact = _without_warmup(
        ResolvedArtifact(
            engine=manifest.engine,
            library=find_library(manifest.engine),
            path=folder,
            entry=manifest.entry,
            files=tuple(ResolvedFile(file.name, file.size_bytes, file.sha256) for file in manifest.files),
            signatures=manifest.signatures,
        )
    )
    has_others = artifact.engine != _TFLITE and len(artifact.files) > 1
    return replace(artifact, needs_copy=has_others or artifact.engine == _SAVEDMODEL)


def _without_warmup(artifact: ResolvedArtifact) -> ResolvedArtifact:
    """Sets the warm-up file apart: no engine opens it."""
    warmup = next((file for file in artifact.files if file.name == WARMUP_NAME), None)
    files = tuple(file for file in artifact.files if file is not warmup)
    return replace(artifact, files=files, warmup=warmup)


def _find_warmup(folder: Path) -> ResolvedFile | None:
    """Returns the warm-up file of a version without a manifest; a model that is a single file has none."""
    if not folder.is_dir() or not (folder / WARMUP_NAME).is_file():
        return None
    return ResolvedFile(WARMUP_NAME, _size_bytes(folder / WARMUP_NAME, WARMUP_NAME, folder), None)


def _find_entry(folder: Path) -> Path:
    """Returns `model.onnx`, `model.tflite`, or the only file of these kinds in the folder."""
    for expected in (folder / ENTRY_NAME, folder / TFLITE_NAME):
        if expected.is_file():
            return expected
    found = (*folder.glob("*.onnx"), *folder.glob(f"*{TFLITE_SUFFIX}"))
    models = sorted(path for path in found if path.is_file() and not path.name.startswith("."))
    if len(models) == 1:
        return models[0]
    if models:
        got = ", ".join(f"`{path.name}`" for path in models)
        raise FlavorUnknownError(
            f"the folder holds several models: expected one, or `{ENTRY_NAME}`, got {got}: `{folder}`"
        )
    raise _explain_folder(folder)


def _explain_folder(folder: Path) -> TurnoutError:
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            found = detect(path)
        except FlavorUnknownError:
            continue
        return _refuse(path, found)
    try:
        detect(folder)
    except FlavorUnknownError as error:
        return FlavorUnknownError(f"the folder holds no model that can be served: `{folder}`", hint=error.hint)
    raise AssertionError("bug: a folder was detected as a model")


def _refuse(path: Path, found: Detection) -> FlavorUnknownError:
    """Models of other flavors are served after a conversion, which is part of pushing them."""
    return FlavorUnknownError(
        f"a model in the form of {found.form} is not served as it is: `{path}`",
        hint=f"`turnout push {path} --name NAME` converts it, and checks that it answers the same.",
    )


def _size_bytes(path: Path, name: str, owner: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise ArtifactInvalidError(
            f"a file of the version cannot be read: {error.strerror or error}: `{name}` of `{owner}`"
        ) from error
