"""A subject becomes ONNX with signatures, and is held to its original's answers."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from turnout.convert.base import Head, Kind, Subject
from turnout.convert.blame import Blame, find_blame
from turnout.convert.graph import Output, finish, input_specs
from turnout.convert.parity import Comparison, compare
from turnout.convert.tables import Layout, Table
from turnout.convert.trees import thresholds_of_trees
from turnout.errors import ExecutionError, InvalidInputError, ParityError, UnsupportedError
from turnout.types import DEFAULT_SIGNATURE, JsonValue, Signature

Runner: TypeAlias = Callable[[bytes, Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]
"""Executes an ONNX model on inputs by name and returns its outputs by name."""


@dataclass(frozen=True, slots=True)
class HeadParity:
    """The verdict on one output: what the manifest keeps and the report shows.

    Attributes:
        method: the framework's name for it.
        kind: what the output means.
        max_difference: the greatest difference of any element.
        rows_off: rows that break the rule.
        ties: labels that differ where the best two classes are level.
    """

    method: str
    kind: Kind
    max_difference: float
    rows_off: int
    ties: int

    def to_json(self) -> dict[str, JsonValue]:
        """Returns a record of JSON types."""
        return {
            "method": self.method,
            "kind": self.kind.value,
            "max_difference": self.max_difference if np.isfinite(self.max_difference) else None,
            "rows_off": self.rows_off,
            "ties": self.ties,
        }


@dataclass(frozen=True, slots=True)
class Converted:
    """A model that answers as its original does, shown row by row.

    Attributes:
        model: the ONNX file.
        signatures: what it answers to, the default first.
        rows: how many rows were compared.
        heads: the verdicts.
        notes: what a person should know.
    """

    model: bytes
    signatures: tuple[Signature, ...]
    rows: int
    heads: tuple[HeadParity, ...]
    notes: tuple[str, ...] = field(default=())


def convert(subject: Subject, table: Table, run: Runner, default: str | None = None) -> Converted:
    """Converts a model and compares its answers to the rows of a table.

    Outputs that the model can do without are left out, and noted, where their conversion is impossible or unfaithful.

    Args:
        subject: the model.
        table: the rows; every one counts.
        run: executes ONNX.
        default: the method that becomes the default signature; None for what `predict` returns.

    Raises:
        UnsupportedError: the model cannot be converted.
        ParityError: the converted model answers differently; the message shows the worst row and names the cause.
        InvalidInputError: `default` is no method of the model, or the framework refuses the rows.
    """
    heads = _in_order(subject, default)
    answers = {head.method: _ask(head, table) for head in heads}
    notes = list(subject.notes)
    while True:
        attempt = _attempt(subject, heads, answers, table, run, notes)
        if isinstance(attempt, Converted):
            return attempt
        heads = tuple(head for head in heads if head.method not in attempt)


def _in_order(subject: Subject, default: str | None) -> tuple[Head, ...]:
    if default is None:
        return subject.heads
    chosen = [head for head in subject.heads if head.method == default]
    if not chosen:
        known = _quoted(head.method for head in subject.heads)
        raise InvalidInputError(
            f"the model has no such method for the default signature: `{default}`", hint=f"It has {known}."
        )
    return (*chosen, *(head for head in subject.heads if head.method != default))


def _ask(head: Head, table: Table) -> NDArray[Any]:
    try:
        return head.answer(table)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"`{head.method}` of the framework refuses the sample: {error}") from error


def _attempt(
    subject: Subject,
    heads: tuple[Head, ...],
    answers: Mapping[str, NDArray[Any]],
    table: Table,
    run: Runner,
    notes: list[str],
) -> Converted | Collection[str]:
    """Converts these outputs, or returns the methods that are to be left out, which are noted."""
    optional = [head.method for head in heads[1:] if head.optional]
    outputs = [Output.like(_tensor_name(head, subject.layout), answers[head.method]) for head in heads]
    try:
        model = finish(subject.write(heads), subject.layout, outputs).SerializeToString()
    except UnsupportedError as error:
        if not optional:
            raise
        notes.append(f"left out: {_quoted(optional)} ({error.message})")
        return optional
    got = _run(run, model, table)
    verdicts = [
        _compare(subject, head, answers[head.method], got[out.tensor], table)
        for head, out in zip(heads, outputs, strict=True)
    ]
    failed = [(head, verdict) for head, verdict in zip(heads, verdicts, strict=True) if not verdict.passed]
    for head, verdict in failed:
        if head.method not in optional:
            output = outputs[heads.index(head)]
            raise _refusal(subject, head, verdict, table, (answers[head.method], got[output.tensor]))
    if failed:
        unfaithful = [head.method for head, _ in failed]
        notes.append(f"left out: {_quoted(unfaithful)} (answers differently)")
        return unfaithful
    parities = tuple(_parity(head, verdict) for head, verdict in zip(heads, verdicts, strict=True))
    return Converted(model, _signatures(subject, heads, outputs), len(table), parities, tuple(notes))


def _run(run: Runner, model: bytes, table: Table) -> Mapping[str, NDArray[Any]]:
    try:
        return run(model, table.wire())
    except ExecutionError as error:
        raise ParityError(f"the converted model fails where the original answers: {error.message}") from error


def _compare(subject: Subject, head: Head, expected: NDArray[Any], got: NDArray[Any], table: Table) -> Comparison:
    differs = head.kind is Kind.LABELS and expected.shape == got.shape and bool((expected != got).any())
    gap = subject.gap(table) if differs and subject.gap else None
    return compare(head.kind, expected, got, gap)


def _parity(head: Head, verdict: Comparison) -> HeadParity:
    return HeadParity(head.method, head.kind, verdict.max_difference, int(verdict.off.sum()), verdict.tied)


def _tensor_name(head: Head, layout: Layout) -> str:
    """Returns the graph's name for an output, which must not be that of a column."""
    is_taken = layout.named and any(column.name == head.output for column in layout.columns)
    return f"output/{head.output}" if is_taken or head.output == "x" else head.output


def _signatures(subject: Subject, heads: tuple[Head, ...], outputs: list[Output]) -> tuple[Signature, ...]:
    """Returns the default signature, and each method under its own name whatever the default is."""
    inputs = input_specs(subject.layout)
    by_method = [
        Signature(head.method, inputs, (output.spec(head.output),)) for head, output in zip(heads, outputs, strict=True)
    ]
    return (Signature(DEFAULT_SIGNATURE, inputs, by_method[0].outputs), *by_method)


def _refusal(
    subject: Subject,
    head: Head,
    verdict: Comparison,
    table: Table,
    answers: tuple[NDArray[Any], NDArray[Any]],
) -> ParityError:
    expected, got = answers
    if expected.shape != got.shape:
        return ParityError(
            f"`{head.method}` of the converted model has another shape:"
            f" expected {list(expected.shape)}, got {list(got.shape)}"
        )
    worst = verdict.worst_row
    thresholds = thresholds_of_trees(subject.draws.trees, subject.layout.width)
    blame = find_blame(head, table, verdict.off, thresholds)
    message = (
        f"`{head.method}` of the converted model differs in {int(verdict.off.sum())} of {verdict.rows} rows;"
        f" worst is row {worst}: expected {_shown(expected[worst])}, got {_shown(got[worst])}"
    )
    return ParityError(
        message + (_explain(blame) if blame else ""),
        hint=_ADVICE.format(column=blame.column) if blame else None,
        model=subject.title,
        row=worst,
        inputs=table.describe(worst),
        column=blame.column if blame else None,
    )


_ADVICE = (
    "Requests carry float32, which holds 7 digits. Fit the model on smaller numbers:"
    " for `{column}`, say, the difference to a date or a base value."
)


def _explain(blame: Blame) -> str:
    return (
        f"\ncause: float32 cannot hold the column `{blame.column}`: {blame.value!r} becomes {blame.float32!r}"
        f" (explains {blame.rows} of {blame.tried} rows)"
    )


def _quoted(methods: Iterable[str]) -> str:
    return ", ".join(f"`{method}`" for method in methods)


def _shown(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=6, threshold=8, edgeitems=3)
