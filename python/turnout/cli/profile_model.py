"""`turnout profile`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from turnout.cli.config import ConfigFile
from turnout.cli.output import JsonFlag, print_json, print_line, print_table
from turnout.errors import ConfigError, InvalidInputError

if TYPE_CHECKING:  # it brings numpy and pydantic, which help and completion can do without
    from turnout.data.samples import Sample
    from turnout.operations.profiling import ModelProfile, OperatorTime

_BAR_WIDTH = 30


def profile_model(
    path: Annotated[Path, typer.Argument(help="A model file, a version's folder or a model's folder.")],
    source: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="A file of rows to call it with. [default: rows made as the warm-up does]"),
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="How to read the rows. [default: by suffix]")] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="Rows of each call. [default: all of the file, or 1]")] = None,
    calls: Annotated[int, typer.Option(min=1, max=10_000, help="Calls that are measured.")] = 50,
    warm_up_calls: Annotated[int, typer.Option(min=0, max=10_000, help="Calls before these.")] = 5,
    signature: Annotated[str | None, typer.Option(help="Which signature. [default: the model's first]")] = None,
    each: Annotated[bool, typer.Option("--each", help="List the operators one by one instead of by type.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Lines of the table.")] = 20,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the model: `xla=true`.")
    ] = None,
    config_file: ConfigFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure how long each operator of a model takes.

    The model is loaded by the runtime that serves it, with the settings that the server would give it. Its operators
    run in one thread unless `intra_op_threads` says otherwise. For SavedModels and ONNX.
    """
    from turnout.config.resolve import Assigned, load_config
    from turnout.operations.profiling import ProfileOptions, profile_path

    assigned = Assigned(models=_split(settings or ()), model_prefix="--set ")
    config = load_config(file=config_file, assigned=assigned)
    options = ProfileOptions(
        signature=signature,
        sample=None if source is None else _read(source, form),
        rows=rows,
        calls=calls,
        warm_up_calls=warm_up_calls,
    )
    profile = profile_path(path, options, config, _progress())
    if as_json:
        print_json(profile.to_json())
    else:
        _print_profile(profile, profile.operators if each else profile.types, top)


def _split(settings: Sequence[str]) -> dict[str, str]:
    wrong = next((setting for setting in settings if "=" not in setting), None)
    if wrong is not None:
        raise ConfigError(f"a setting has no value: expected `NAME=VALUE`, got `{wrong}`")
    pairs = (setting.partition("=") for setting in settings)
    return {name.removeprefix("model.").replace("-", "_"): value for name, _, value in pairs}


def _read(source: Path, form: str | None) -> "Sample":
    from turnout.data.samples import read_sample

    if not source.is_file():
        raise InvalidInputError(f"no such file: `{source}`")
    return read_sample(source, form)


def _progress() -> Callable[[int, int], None]:
    """Shows a person at a terminal how far it is, in one line that ends up empty."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None

    def show(done: int, total: int) -> None:
        filled = _BAR_WIDTH * done // total
        bar = "#" * filled + "." * (_BAR_WIDTH - filled)
        text = f"measuring [{bar}] {done} of {total} calls"
        sys.stderr.write(f"\r{text}" if done < total else f"\r{' ' * len(text)}\r")
        sys.stderr.flush()

    return show


def _print_profile(profile: "ModelProfile", times: "Sequence[OperatorTime]", top: int) -> None:
    rows = "1 row" if profile.rows == 1 else f"{profile.rows} rows"
    print_line(f"{profile.model} version {profile.version}, {profile.signature}: {profile.calls} calls of {rows}")
    left_out = profile.calls - profile.calls_counted
    said = f", without the slowest {left_out}" if left_out else ""
    print_line(
        f"{profile.call_us:.1f} µs a call, measuring included{said}; in operators {profile.operators_us:.1f} µs\n"
    )
    is_by_type = all(not time.name for time in times)
    first = ("operators", "count") if is_by_type else ("operator", "type")
    print_table(
        (*first, "runs a call", "total ms", "µs a call", "share"),
        [_row(time, profile.calls_counted, is_by_type=is_by_type) for time in times[:top]],
    )
    if len(times) > top:
        print_line(f"and {len(times) - top} more: `--top {len(times)}` shows all")
    if any(time.share is None for time in times[:top]):
        print_line("\nWithout a share: the time of other operators in this table is in it.")


def _row(time: "OperatorTime", calls: int, *, is_by_type: bool) -> tuple[str, ...]:
    first = (time.op, str(time.count)) if is_by_type else (time.name, time.op)
    share = "" if time.share is None else f"{time.share:.1%}"
    return (*first, f"{time.runs / calls:g}", f"{time.total_us / 1e3:.3f}", f"{time.call_us:.1f}", share)
