"""`turnout push`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from turnout.cli.output import JsonFlag, format_bytes, note, print_json, print_line
from turnout.errors import ConfigError

if TYPE_CHECKING:  # it brings numpy and pydantic, which help and completion can do without
    from turnout.pushing.push import PushResult
    from turnout.types import JsonValue


def push(
    file: Annotated[
        Path,
        typer.Argument(
            help="ONNX, SavedModel folder, TFLite, XGBoost JSON or UBJSON, LightGBM text; pickles with --trust."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="The model's name. [default: that of the file]")] = None,
    repository: Annotated[Path | None, typer.Option(help="The folder of models. [default: the setting]")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="The version. [default: the next free number]")] = None,
    sample: Annotated[
        Path | None, typer.Option(help="A file of rows to compare the conversion with. [default: generated rows]")
    ] = None,
    signature: Annotated[
        str | None, typer.Option(help="The method that answers by default. [default: what predict returns]")
    ] = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME=NUMBER", help="A figure to keep with the version.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Run code from the file, which a pickle is.")] = False,
    timeout_s: Annotated[float, typer.Option(min=1, help="Seconds for each step.")] = 600.0,
    as_json: JsonFlag = False,
) -> None:
    """Publish a model file or folder as a new version.

    It is converted to ONNX if need be, the answers are compared with the original's, and the result is loaded and
    run, all in child processes; only then the version appears, as a whole.
    """
    from turnout.pushing.push import push as publish

    figures = _read_metrics(metrics or ())
    if not as_json:
        note(f"converting, comparing and trying out {file}")
    result = publish(
        file,
        name or file.stem,
        repository=repository,
        sample=sample,
        signature=signature,
        version=version,
        metrics=figures,
        trust=trust,
        timeout_s=timeout_s,
    )
    for text in result.notes:
        note(f"note: {text}")
    if as_json:
        record = {"model": result.model, "version": result.version, "path": str(result.path), "title": result.title}
        print_json({**record, "notes": list(result.notes), "manifest": result.manifest.to_json()})
    else:
        _print_result(result)


def _read_metrics(texts: Sequence[str]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            metrics[name] = float(number)
        except ValueError as error:
            raise ConfigError(f"a metric is not of the form `NAME=NUMBER`: `{text}`") from error
    return metrics


def _print_result(result: "PushResult") -> None:
    manifest = result.manifest
    print_line(f"{result.model} version {result.version}: {result.title}")
    print_line(f"  folder  {result.path} ({format_bytes(result.size_bytes)})")
    if manifest.parity is not None:
        _print_parity(manifest.parity, manifest.sample)
    print_line(f"  answers to {', '.join(signature.name for signature in manifest.signatures)}")
    if result.row_us is not None:
        print_line(f"  {result.row_us:.1f} µs for one row here")
    if manifest.merge is not None and not manifest.merge.mergeable:
        print_line(f"  requests are never merged: {manifest.merge.reason}")


def _print_parity(parity: "dict[str, JsonValue]", sample: str | None) -> None:
    rows = f"{parity['rows']} generated rows" if sample == "generated" else f"{parity['rows']} rows of {sample}"
    print_line(f"  same answers as the original on {rows}:")
    outputs: Any = parity["outputs"]
    for output in outputs:
        difference = output["max_difference"]
        words = "equal" if difference == 0 else f"at most {difference:.1e} apart"
        print_line(f"    {output['method']}: {words}")
