"""Files of rows: JSON, JSON lines, CSV, `.npy`, `.npz` and Parquet, read into named columns or into one array."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnout.errors import InvalidInputError, RuntimeMissingError

Sample: TypeAlias = NDArray[Any] | Mapping[str, NDArray[Any]]
"""Rows in their own element types: one array whose first dimension counts rows, or one array per input or column."""

FORMATS = ("json", "jsonl", "csv", "npy", "npz", "parquet")
"""Formats by the suffix of their files."""

_ALIASES = {"ndjson": "jsonl", "pq": "parquet"}


def read_sample(path: Path, form: str | None = None) -> Sample:
    """Reads a file of rows.

    Args:
        path: the file.
        form: one of `FORMATS`; None takes it from the suffix.

    Raises:
        InvalidInputError: the file is not of that format, or its rows differ in length.
        RuntimeMissingError: Parquet without pyarrow.
    """
    chosen = form or _format_of(path)
    try:
        with path.open("rb") as stream:
            return parse_sample(stream, chosen)
    except OSError as error:
        raise InvalidInputError(f"the rows cannot be read ({error.strerror or error}): {path}") from error
    except InvalidInputError as error:
        raise InvalidInputError(f"{error.message}, in `{path}`", hint=error.hint) from error


def parse_sample(stream: BinaryIO, form: str) -> Sample:
    """Reads rows from an open binary file, of one of `FORMATS`.

    Raises:
        InvalidInputError: the content is not of that format, or its rows differ in length.
        RuntimeMissingError: Parquet without pyarrow.
    """
    reader = _READERS.get(form)
    if reader is None:
        raise InvalidInputError(f"rows cannot be read from this format: `{form}`", hint=f"Use {_listed(FORMATS)}.")
    try:
        return reader(stream)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"not readable as `{form}` ({error})") from error


def as_sample(rows: Any) -> Sample:
    """Takes rows as Python code has them: an array, nested lists, a data frame, or a dictionary of columns.

    Raises:
        InvalidInputError: the rows differ in length.
    """
    if isinstance(rows, Mapping):
        return _columns({str(name): column for name, column in cast("Mapping[Any, ArrayLike]", rows).items()})
    names = getattr(rows, "columns", None)
    if names is not None:
        return _columns({str(name): np.asarray(rows[name]) for name in names})
    if hasattr(rows, "toarray"):
        return np.asarray(rows.toarray())
    try:
        return np.asarray(rows)
    except ValueError as error:
        raise InvalidInputError(f"the rows do not form a rectangular array: {error}") from error


def row_count(sample: Sample) -> int:
    """Returns the number of rows.

    Raises:
        InvalidInputError: there are none, or the columns differ in length.
    """
    arrays = {"sample": sample} if isinstance(sample, np.ndarray) else dict(sample)
    counts = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if not counts or min(counts.values()) == 0:
        raise InvalidInputError("there are no rows")
    if len(set(counts.values())) > 1:
        got = ", ".join(f"`{name}` {count}" for name, count in counts.items())
        raise InvalidInputError(f"the columns have different numbers of rows: {got}")
    return next(iter(counts.values()))


def _format_of(path: Path) -> str:
    suffix = path.suffix.lower().lstrip(".")
    form = _ALIASES.get(suffix, suffix)
    if form not in FORMATS:
        raise InvalidInputError(
            f"the suffix does not say how to read the rows: {path}",
            hint=f"Use {_listed(f'.{name}' for name in FORMATS)}.",
        )
    return form


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _columns(columns: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    arrays = {name: _array(name, column) for name, column in columns.items()}
    row_count(arrays)
    return arrays


def _array(name: str, column: ArrayLike) -> NDArray[Any]:
    """Turns a column into an array; None is a missing value, so that a column of numbers with gaps stays numeric."""
    try:
        array = np.asarray(column)
    except ValueError as error:
        raise InvalidInputError(f"the column `{name}` is not rectangular: {error}") from error
    if array.dtype != np.object_:
        return array
    items = cast("list[Any]", array.tolist())
    if all(item is None or isinstance(item, (int, float)) for item in items):
        return np.array([np.nan if item is None else item for item in items], dtype=np.float64)
    return array


def _read_json(stream: BinaryIO) -> Sample:
    return _from_records(json.loads(stream.read()))


def _read_jsonl(stream: BinaryIO) -> Sample:
    return _from_records([json.loads(line) for line in stream if line.strip()])


def _from_records(value: Any) -> Sample:
    """Reads TF Serving's envelopes, a list of rows (objects or arrays), or an object of columns."""
    if isinstance(value, dict):
        record = cast("dict[str, Any]", value)
        envelope = next((key for key in ("instances", "inputs") if key in record and len(record) <= 2), None)
        return _from_records(record[envelope]) if envelope else _columns(record)
    rows = cast("Sequence[Any]", value)
    if not isinstance(value, list) or not rows:
        raise InvalidInputError("expected a list of rows or an object of columns")
    if isinstance(rows[0], dict):
        return _columns(_transpose(cast("Sequence[Mapping[str, Any]]", rows)))
    return _array("rows", rows)


def _transpose(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turns records into columns; a key that a row lacks is a missing value."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def _read_csv(stream: BinaryIO) -> Sample:
    """Reads comma-separated values. A first line with a cell that is no number is a header; empty cells are missing."""
    lines = [line for line in csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline="")) if line]
    if not lines:
        raise InvalidInputError("expected at least one row")
    header = None if all(_is_number(cell) for cell in lines[0]) else lines.pop(0)
    width = len(header or lines[0])
    for number, line in enumerate(lines, start=1 + bool(header)):
        if len(line) != width:
            raise InvalidInputError(f"row {number} has another number of cells: expected {width}, got {len(line)}")
    cells = [_parse_cells([line[column] for line in lines]) for column in range(width)]
    if header is None:
        return np.stack(cells, axis=1)
    return _columns(dict(zip(header, cells, strict=True)))


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _parse_cells(cells: Sequence[str]) -> NDArray[Any]:
    if not all(_is_number(cell) for cell in cells):
        return np.array(cells, dtype=object)
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array([float(cell or "nan") for cell in cells], dtype=np.float64)


def _read_npy(stream: BinaryIO) -> Sample:
    # Arrays of objects are pickles, so that numpy would run code from the file: never allowed here.
    return cast("NDArray[Any]", np.load(io.BytesIO(stream.read()), allow_pickle=False))


def _read_npz(stream: BinaryIO) -> Sample:
    with np.load(io.BytesIO(stream.read()), allow_pickle=False) as archive:
        return _columns({name: archive[name] for name in archive.files})


def _read_parquet(stream: BinaryIO) -> Sample:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise RuntimeMissingError(
            "reading Parquet needs pyarrow, which is not installed", hint="pip install 'turnout[parquet]'"
        ) from error
    table: Any = cast("Any", parquet).read_table(io.BytesIO(stream.read()))
    return _columns({name: table.column(name).to_numpy() for name in table.column_names})


_READERS: Mapping[str, Callable[[BinaryIO], Sample]] = {
    "json": _read_json,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "npy": _read_npy,
    "npz": _read_npz,
    "parquet": _read_parquet,
}
