"""What was given, as files in a staging folder: objects and files converted, what an engine opens as it is."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from turnout.errors import InvalidInputError, TrustRequiredError
from turnout.flavors.registry import detect, flavor_of
from turnout.flavors.resolve import ENTRY_NAME, external_files, list_files
from turnout.flavors.savedmodel import find_entry
from turnout.flavors.tflite import ENTRY_NAME as TFLITE_NAME
from turnout.pushing.candidate import Candidate
from turnout.pushing.isolation import run_task
from turnout.repository.publish import Staging
from turnout.types import JsonValue, Signature

if TYPE_CHECKING:  # it brings numpy, which help and completion can do without
    from turnout.data.samples import Sample

_GIVEN = "given"
_ONNX_TITLE = "ONNX model, with its own names"
_SAVEDMODEL_TITLE = "TensorFlow SavedModel, with its own names"
_TFLITE_TITLE = "TensorFlow Lite model, with its own names"


@dataclass(frozen=True, slots=True)
class Order:
    """How a model is to be dealt with.

    Attributes:
        signature: the method that becomes the default signature; None for what `predict` returns.
        trust: whether a file may run code.
        timeout_s: for each child process.
    """

    signature: str | None
    trust: bool
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Staged:
    """What lies in the staging folder.

    Attributes:
        flavor: the framework that the model is of.
        title: what it is, in words.
        signatures: what it answers to; empty leaves it to the engine.
        source: where it came from.
        parity: how its answers compare with the original's.
        sample: where the rows of the comparison came from.
        notes: what a person should know.
        engine: what executes it.
        entry: the file that the engine opens.
    """

    flavor: str
    title: str
    signatures: tuple[Signature, ...] = ()
    source: dict[str, JsonValue] | None = None
    parity: dict[str, JsonValue] | None = None
    sample: str | None = None
    notes: tuple[str, ...] = ()
    engine: str = "onnx"
    entry: str = ENTRY_NAME

    @property
    def is_as_given(self) -> bool:
        """Whether it was not converted, so that nothing has answered the sample yet."""
        return self.flavor == self.engine

    @classmethod
    def of(cls, candidate: Candidate, file: Path | None = None) -> Self:
        """Returns what a conversion has made."""
        return cls(
            candidate.flavor,
            candidate.title,
            candidate.signatures,
            candidate.source if file is None else {**candidate.source, "file": file.name},
            candidate.parity,
            candidate.sample,
            candidate.notes,
        )


class Rows:
    """The sample: a file of rows, or rows that can be made one for a child process. Files that it makes go with it.

    Attributes:
        name: what the manifest calls them; None where there are none.
    """

    def __init__(self, path: Path | None, values: "Sample | None") -> None:
        self.name = path.name if path else None if values is None else _GIVEN
        self._path = path
        self._values = values
        self._folder = tempfile.TemporaryDirectory(prefix="turnout-sample-")

    @classmethod
    def of(cls, sample: Any) -> Self:
        """Takes what a caller gave: nothing, a path, or rows in any form that Python has for them.

        Raises:
            InvalidInputError: the rows differ in length.
        """
        if sample is None:
            return cls(None, None)
        path = as_path(sample)
        if path is not None:
            return cls(path, None)
        from turnout.data.samples import as_sample

        return cls(None, as_sample(sample))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def values(self) -> "Sample | None":
        """Returns the rows themselves.

        Raises:
            InvalidInputError: the file cannot be read.
        """
        if self._values is None and self._path is not None:
            from turnout.data.samples import read_sample

            self._values = read_sample(self._path)
        return self._values

    def file(self) -> str | None:
        """Returns a file that holds them; None where there are none."""
        if self._values is not None and self._path is None:
            self._path = _write(self._values, Path(self._folder.name))
        return None if self._path is None else str(self._path.absolute())


def _write(values: "Sample", folder: Path) -> Path:
    """Writes rows without pickling them; text as such."""
    import numpy as np

    if isinstance(values, Mapping):
        plain = {name: array.astype(np.str_) if array.dtype == np.object_ else array for name, array in values.items()}
        np.savez(folder / "rows.npz", allow_pickle=False, **plain)
        return folder / "rows.npz"
    np.save(folder / "rows.npy", values, allow_pickle=False)
    return folder / "rows.npy"


def as_path(value: object) -> Path | None:
    """Returns a path, if that is what was given; anything else is an object or rows."""
    return Path(cast("str | PathLike[str]", value)) if isinstance(value, str | PathLike) else None


def stage(staging: Staging, model: object, rows: Rows, order: Order) -> Staged:
    """Puts the files of a version into its staging folder.

    Raises:
        TurnoutError: see `turnout.push`.
    """
    path = as_path(model)
    if path is None:
        return _stage_object(staging, model, rows, order)
    found = detect(path)
    if found.is_code and not order.trust:
        raise TrustRequiredError(
            f"reading this file runs code from it ({found.form}): `{path}`",
            hint="If you trust its author: `--trust`, or `trust=True`. Pushing the fitted object needs no trust.",
        )
    if found.flavor == "onnx":
        return _stage_onnx(staging, path, rows, order)
    if found.flavor == "savedmodel":
        return _stage_saved_model(staging, path, rows, order)
    if found.flavor == "tflite":
        return _stage_tflite(staging, path, rows, order)
    record = run_task(
        f"`{path}`",
        order.timeout_s,
        trust=found.is_code,
        task="convert",
        path=str(path.absolute()),
        sample=rows.file(),
        sample_name=rows.name or "",
        signature=order.signature,
        folder=str(staging.folder),
    )
    return Staged.of(Candidate.from_json(record), path)


def _stage_object(staging: Staging, model: object, rows: Rows, order: Order) -> Staged:
    if flavor_of(model).name == "onnx":
        _refuse_signature(order)
        (staging.folder / ENTRY_NAME).write_bytes(cast("Any", model).SerializeToString())
        return Staged("onnx", _ONNX_TITLE, sample=rows.name)
    from turnout.pushing.conversion import convert_object
    from turnout.pushing.execution import run_apart

    run = partial(run_apart, timeout_s=order.timeout_s)
    converted, candidate = convert_object(model, rows.values(), rows.name or "", order.signature, run)
    (staging.folder / ENTRY_NAME).write_bytes(converted)
    return Staged.of(candidate)


def _stage_onnx(staging: Staging, path: Path, rows: Rows, order: Order) -> Staged:
    """An ONNX file is taken as it is, with the files that hold tensors of it, and keeps its own names."""
    _refuse_signature(order)
    beside = external_files(path)
    staging.add(path, ENTRY_NAME)
    for name in beside:
        staging.add(path.parent / name, name)
    return Staged("onnx", _ONNX_TITLE, source={"file": path.name}, sample=rows.name)


def _stage_saved_model(staging: Staging, path: Path, rows: Rows, order: Order) -> Staged:
    """A SavedModel is taken as it is, with all its files."""
    _refuse_signature(order)
    for file in list_files(path):
        staging.add(path / file.name, file.name)
    entry = find_entry(path)
    assert entry is not None, "bug: it was recognised by this file"
    source: dict[str, JsonValue] = {"file": path.name}
    return Staged("savedmodel", _SAVEDMODEL_TITLE, source=source, sample=rows.name, engine="savedmodel", entry=entry)


def _stage_tflite(staging: Staging, path: Path, rows: Rows, order: Order) -> Staged:
    """A TensorFlow Lite file is taken as it is."""
    _refuse_signature(order)
    staging.add(path, TFLITE_NAME)
    source: dict[str, JsonValue] = {"file": path.name}
    return Staged("tflite", _TFLITE_TITLE, source=source, sample=rows.name, engine="tflite", entry=TFLITE_NAME)


def _refuse_signature(order: Order) -> None:
    if order.signature is not None:
        raise InvalidInputError(
            f"a model that is served as it is keeps its own signatures: got `{order.signature}`",
            hint="Only what is converted has methods to choose from.",
        )
