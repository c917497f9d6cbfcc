"""Rows of input as a framework takes them, in their own element types, and as the wire carries them."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from turnout.data.samples import Sample, row_count
from turnout.errors import InvalidInputError, RuntimeMissingError

MATRIX_INPUT = "x"
"""The input of a model that was fitted without column names."""

ColumnType: TypeAlias = Literal["float32", "string"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of input, and what carries it on the wire."""

    name: str
    dtype: ColumnType = "float32"


@dataclass(frozen=True, slots=True)
class Layout:
    """What clients send: one matrix of all columns, or one input for each column.

    Attributes:
        columns: in the order of the fit; `x0`, `x1`, … where they have no names.
        named: whether each column is an input of its own.
    """

    columns: tuple[Column, ...]
    named: bool

    @classmethod
    def matrix(cls, width: int) -> "Layout":
        """Returns the layout of a model that was fitted without column names."""
        return cls(tuple(Column(f"{MATRIX_INPUT}{index}") for index in range(width)), named=False)

    @classmethod
    def by_name(cls, names: Sequence[str], dtypes: Mapping[str, ColumnType] | None = None) -> "Layout":
        """Returns the layout of a model that was fitted with named columns."""
        known = dtypes or {}
        return cls(tuple(Column(name, known.get(name, "float32")) for name in names), named=True)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.columns)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in the caller's own element types; every column is an array of one dimension, all of one length."""

    layout: Layout
    values: tuple[NDArray[Any], ...]

    def __len__(self) -> int:
        return len(self.values[0])

    def take(self, rows: NDArray[np.intp]) -> "Table":
        """Returns some of the rows, in the order given."""
        return replace(self, values=tuple(column[rows] for column in self.values))

    def with_column(self, index: int, column: NDArray[Any]) -> "Table":
        """Returns the table with one column replaced."""
        return replace(self, values=(*self.values[:index], column, *self.values[index + 1 :]))

    def matrix(self) -> NDArray[Any]:
        """Returns all columns as one array of [rows, columns], in the element type that holds them all."""
        return np.stack(self.values, axis=1)

    def by_name(self) -> dict[str, NDArray[Any]]:
        """Returns the columns by name."""
        return {column.name: value for column, value in zip(self.layout.columns, self.values, strict=True)}

    def frame(self) -> Any:
        """Returns the columns as a pandas data frame, which models of named columns ask for.

        Raises:
            RuntimeMissingError: pandas is not installed.
        """
        try:
            pandas: Any = importlib.import_module("pandas")
        except ImportError as error:
            message = "the model was fitted on a data frame, and asking it needs pandas, which is not installed"
            raise RuntimeMissingError(message, hint="pip install pandas") from error
        return pandas.DataFrame(self.by_name())

    def wire(self) -> dict[str, NDArray[Any]]:
        """Returns the inputs as a request would carry them: float32 and text, by the names that clients use."""
        if not self.layout.named:
            return {MATRIX_INPUT: self.matrix().astype(np.float32)}
        columns = zip(self.layout.columns, self.values, strict=True)
        return {column.name: _on_wire(column, value) for column, value in columns}

    def describe(self, row: int) -> dict[str, Any]:
        """Returns one row by column name, as plain Python values."""
        return {
            name: column[row].item() if hasattr(column[row], "item") else column[row]
            for name, column in self.by_name().items()
        }


def table_of(sample: Sample, layout: Layout) -> tuple[Table, tuple[str, ...]]:
    """Arranges rows for a model.

    Returns:
        The table, and the names of columns that the model does not use (a file of rows often holds the target too).

    Raises:
        InvalidInputError: a column is missing, is no column of numbers where one is wanted, or the width is wrong.
    """
    row_count(sample)
    if isinstance(sample, Mapping):
        columns, unused = _by_name(dict(sample), layout)
    else:
        columns, unused = _by_position(sample, layout), ()
    pairs = zip(layout.columns, columns, strict=True)
    return Table(layout, tuple(_checked(column, values) for column, values in pairs)), unused


def _by_position(matrix: NDArray[Any], layout: Layout) -> list[NDArray[Any]]:
    if matrix.ndim != 2 or matrix.shape[1] != layout.width:
        raise InvalidInputError(
            f"the sample does not fit the model: expected [rows, {layout.width}], got {list(matrix.shape)}"
        )
    return [matrix[:, index] for index in range(layout.width)]


def _by_name(columns: dict[str, NDArray[Any]], layout: Layout) -> tuple[list[NDArray[Any]], tuple[str, ...]]:
    if set(columns) == {MATRIX_INPUT} and not layout.named:
        return _by_position(columns[MATRIX_INPUT], layout), ()
    if not layout.named:
        if len(columns) != layout.width:
            raise InvalidInputError(
                f"the sample does not fit the model: expected {layout.width} columns, got {len(columns)}",
                hint="The model was fitted without column names, so the columns are taken by position.",
            )
        return list(columns.values()), ()
    # LightGBM keeps the names of a data frame with `_` for each space.
    found = {**{name.replace(" ", "_"): name for name in columns}, **{name: name for name in columns}}
    missing = [column.name for column in layout.columns if column.name not in found]
    if missing:
        raise InvalidInputError(f"the sample lacks columns of the model: {', '.join(f'`{name}`' for name in missing)}")
    used = [found[column.name] for column in layout.columns]
    return [columns[name] for name in used], tuple(name for name in columns if name not in used)


def _checked(column: Column, values: NDArray[Any]) -> NDArray[Any]:
    if values.ndim != 1:
        raise InvalidInputError(f"the column `{column.name}` holds no scalars: got shape {list(values.shape)}")
    if column.dtype == "float32" and values.dtype.kind not in "biuf":
        numbers = _numbers(values)
        if numbers is None:
            raise InvalidInputError(f"the column `{column.name}` is not numeric: got, for example, {values[0]!r}")
        return numbers
    return values


def _numbers(values: NDArray[Any]) -> NDArray[Any] | None:
    """Unboxes a column of Python numbers, which data frames of mixed types hold; None where they are something else."""
    if values.dtype != np.object_ or any(isinstance(item, (str, bytes)) for item in cast("list[Any]", values.tolist())):
        return None
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        return None


def _on_wire(column: Column, values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.float32) if column.dtype == "float32" else values.astype(np.str_)
