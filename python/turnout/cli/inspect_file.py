"""`turnout inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from turnout.cli.output import JsonFlag, format_bytes, print_json, print_line

if TYPE_CHECKING:
    from turnout.operations.inspection import Inspection
    from turnout.types import Signature, TensorSpec


def inspect_file(
    path: Annotated[Path, typer.Argument(help="A model file, a version's folder or a model's folder.")],
    as_json: JsonFlag = False,
) -> None:
    """Say how a model was saved and what it answers to.

    A model that has to be converted before it can be served is recognised without being loaded.
    """
    from turnout.operations.inspection import inspect_path

    inspection = inspect_path(path)
    if as_json:
        print_json(inspection.to_json())
    else:
        _print_inspection(inspection)


def _print_inspection(inspection: "Inspection") -> None:
    print_line(f"path    {inspection.path}")
    print_line(f"flavor  {inspection.flavor} ({inspection.form})")
    print_line(f"size    {format_bytes(inspection.size_bytes)}")
    if inspection.engine:
        print_line(f"engine  {inspection.engine} {inspection.runtime}")
    for position, (name, figure) in enumerate(inspection.metrics.items()):
        print_line(f"{'        ' if position else 'metrics '}{name} {figure:g}")
    for signature in inspection.signatures:
        _print_signature(signature)
    if inspection.note:
        print_line(f"\n{inspection.note}")


def _print_signature(signature: "Signature") -> None:
    print_line(f"\nsignature {signature.name}")
    for title, specs in (("input ", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            print_line(f"  {title}  {describe_tensor(spec)}")


def describe_tensor(spec: "TensorSpec") -> str:
    """Returns a tensor in words: `x: float32 [?, 4]`."""
    if spec.shape is None:
        return f"{spec.name}: {spec.dtype} of unknown rank"
    shape = ", ".join("?" if dimension is None else str(dimension) for dimension in spec.shape)
    return f"{spec.name}: {spec.dtype} [{shape}]"
