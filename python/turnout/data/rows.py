"""Rows from a file as the inputs of a signature, and answers as rows again."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from turnout.data.arrays import check_finite
from turnout.data.prediction import Prediction
from turnout.data.samples import Sample, row_count
from turnout.errors import InvalidInputError
from turnout.types import Signature, TensorSpec

Columns: TypeAlias = Mapping[str, NDArray[Any]]


def arrange_rows(sample: Sample, signature: Signature) -> dict[str, NDArray[Any]]:
    """Names rows as the signature does.

    Columns are taken by name where every input has one; all columns together, in their order, are the one matrix of a
    signature with one input; the columns of a matrix are taken by position for a signature with several inputs.

    Raises:
        InvalidInputError: the rows fit none of these, or have a value that the element type of its input cannot hold.
    """
    row_count(sample)
    if isinstance(sample, Mapping):
        return _arrange_columns(dict(sample), signature)
    return _arrange_matrix(sample, signature)


def split_rows(inputs: Columns, batch_rows: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yields the inputs in pieces of at most `batch_rows` rows, in order."""
    total = row_count(inputs)
    for start in range(0, total, batch_rows):
        yield {name: array[start : start + batch_rows] for name, array in inputs.items()}


def answer_rows(prediction: Prediction) -> Iterator[dict[str, Any]]:
    """Yields one record of JSON types for each row of the answer; a single one where the outputs share no rows."""
    counts = {array.shape[0] if array.ndim else None for array in prediction.values()}
    columns = {name: _json_values(array) for name, array in prediction.items()}
    if len(counts) != 1 or None in counts:
        yield columns
        return
    for row in range(next(iter(counts)) or 0):
        yield {name: values[row] for name, values in columns.items()}


def _json_values(array: NDArray[Any]) -> Any:
    if array.dtype.kind == "c":
        return array.astype(str).tolist()
    if array.dtype.name in ("float16", "float32"):
        return array.astype(np.str_).astype(np.float64).tolist()  # the shortest text that means the same: 0.1
    if array.dtype.kind == "O":
        texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in array.reshape(-1)]
        return np.array(texts, dtype=object).reshape(array.shape).tolist()
    return array.tolist()


def _arrange_columns(columns: dict[str, NDArray[Any]], signature: Signature) -> dict[str, NDArray[Any]]:
    names = [spec.name for spec in signature.inputs]
    if all(name in columns for name in names):
        for spec in signature.inputs:
            _check_column(spec.name, columns[spec.name], spec.dtype)
        return {name: columns[name] for name in names}
    if len(names) == 1 and _takes_width(signature.inputs[0], len(columns)):
        for name, column in columns.items():
            _check_column(name, column, signature.inputs[0].dtype)
        return {names[0]: np.stack(list(columns.values()), axis=1)}
    missing = ", ".join(f"`{name}`" for name in names if name not in columns)
    got = ", ".join(f"`{name}`" for name in columns)
    raise InvalidInputError(f"the rows lack columns that the model needs: {missing}; got {got}")


def _arrange_matrix(matrix: NDArray[Any], signature: Signature) -> dict[str, NDArray[Any]]:
    names = [spec.name for spec in signature.inputs]
    if len(names) == 1:
        for position, column in enumerate(matrix.T if matrix.ndim == 2 else [matrix]):
            _check_column(str(position), column, signature.inputs[0].dtype)
        return {names[0]: matrix}
    if matrix.ndim == 2 and matrix.shape[1] == len(names):
        for position, spec in enumerate(signature.inputs):
            _check_column(spec.name, matrix[:, position], spec.dtype)
        return {name: matrix[:, position] for position, name in enumerate(names)}
    listed = ", ".join(f"`{name}`" for name in names)
    raise InvalidInputError(
        f"the rows do not fit the model: expected a column for each of {listed}, got shape {list(matrix.shape)}",
        hint="Name the columns, in a CSV header or as keys.",
    )


def _check_column(name: str, column: NDArray[Any], dtype: str) -> None:
    """Refuses the first value that is no number where one is asked for, and numbers that would become infinite.

    The server could tell only the first value of a column that it cannot read, and it sees the rows in pieces.
    """
    if dtype == "string" or column.ndim != 1:
        return
    if column.dtype.kind in "OSU":
        items: list[Any] = column.tolist()
        bad = next((row for row, item in enumerate(items) if not _reads_as_number(item)), None)
        if bad is None:  # as text, each of them would be a number
            bad = next((row for row, item in enumerate(items) if not isinstance(item, bool | int | float)), None)
        if bad is not None:
            raise InvalidInputError(
                f"the column `{name}` has a value that is no number, in row {bad + 1} of {len(items)}: {items[bad]!r}"
            )
    check_finite(name, column, dtype)


def _reads_as_number(item: object) -> bool:
    try:
        float(cast("Any", item))
    except (TypeError, ValueError):
        return False
    return True


def _takes_width(spec: TensorSpec, width: int) -> bool:
    return spec.shape is None or (len(spec.shape) == 2 and spec.shape[1] in (None, width))
