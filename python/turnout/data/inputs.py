"""What a caller gives as inputs, under the names that the signature has: arrays, data frames, rows."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from numpy.typing import ArrayLike

from turnout.errors import InvalidInputError
from turnout.types import Signature

Inputs: TypeAlias = Mapping[str, ArrayLike] | ArrayLike | Sequence[Mapping[str, ArrayLike]]
"""Arrays by input name, the one array of a signature with one input, or rows: a dictionary of values for each."""


def name_inputs(inputs: Inputs, signature: Signature | None) -> Mapping[str, ArrayLike]:
    """Gives a bare array, the columns of a data frame, or rows the names that the signature has for them.

    Element types and shapes are not judged here: that is the server's work, and its message is the same for every door.

    Args:
        inputs: what the caller gave.
        signature: what the model declares; None takes arrays by whatever names they have.

    Raises:
        InvalidInputError: the names are not those of the signature, or rows differ in their keys.
    """
    specs = signature.inputs if signature else ()
    named = _name(inputs, [spec.name for spec in specs])
    if signature is not None:
        _check_names(list(named), [spec.name for spec in specs])
    return named


def _name(inputs: Inputs, names: Sequence[str]) -> Mapping[str, ArrayLike]:
    if isinstance(inputs, Mapping):
        return inputs
    rows = _as_rows(inputs)
    if rows:
        return _transpose(rows)
    if len(names) == 1:
        return {names[0]: cast("ArrayLike", inputs)}
    frame = cast("Any", inputs)
    columns = getattr(frame, "columns", None)
    if columns is not None and names:
        return {str(column): frame[column].to_numpy() for column in columns}
    listed = _quoted(names) or "unknown"
    raise InvalidInputError(
        f"one array was given, but the signature has {len(names)} inputs: {listed}",
        hint="Pass a dictionary of arrays by input name.",
    )


def _as_rows(inputs: object) -> Sequence[Mapping[str, ArrayLike]]:
    """Returns the rows, if that is what was given."""
    items: Sequence[object] = cast("Sequence[object]", inputs) if isinstance(inputs, list | tuple) else ()
    is_rows = all(isinstance(item, Mapping) for item in items)
    return cast("Sequence[Mapping[str, ArrayLike]]", items) if is_rows else ()


def _transpose(rows: Sequence[Mapping[str, ArrayLike]]) -> dict[str, ArrayLike]:
    names = list(rows[0])
    for position, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise InvalidInputError(
                f"row {position} has other keys than row 0: got {_quoted(row)}, expected {_quoted(names)}"
            )
    return {name: cast("ArrayLike", [row[name] for row in rows]) for name in names}


def _check_names(got: Sequence[str], expected: Sequence[str]) -> None:
    if set(got) != set(expected):
        raise InvalidInputError(
            f"inputs do not match the signature: got {_quoted(got) or 'none'}, expected {_quoted(expected)}"
        )


def _quoted(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)
