"""What `turnout profile` measures: how long each operator of a model takes, by the runtime that serves it."""

import json
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from turnout import _dataplane
from turnout.config.resolve import Config
from turnout.data.arrays import inputs_to_wire
from turnout.data.rows import arrange_rows, split_rows
from turnout.data.samples import Sample, row_count
from turnout.data.signatures import choose_signature
from turnout.errors import ConfigError, ExecutionError
from turnout.flavors.registry import detect
from turnout.flavors.resolve import resolve_artifact
from turnout.lifecycle.snapshot import servable_json
from turnout.repository.versions import choose_version
from turnout.types import Signature

Progress: TypeAlias = Callable[[int, int], None]
"""(calls done, calls in all); called after each call."""

MAX_CALLS = 10_000
"""The time of every operator in every call is kept."""


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """What is measured.

    Attributes:
        signature: which one is called; None takes the default.
        sample: rows to call it with; None has them made as the warm-up makes them.
        rows: rows of each call; None takes all of the sample, or one that is made.
        calls: calls that are measured.
        warm_up_calls: calls before these, which are not.
    """

    signature: str | None = None
    sample: Sample | None = None
    rows: int | None = None
    calls: int = 50
    warm_up_calls: int = 5


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """The time of one operator, or of all operators of one type.

    Attributes:
        op: the type.
        name: the operator's name in the graph that is executed; empty for a type.
        count: operators of the type; 1 for one.
        runs: how often they ran, in all calls that count.
        total_us: microseconds of all calls that count.
        call_us: microseconds of a call, the mean.
        share: part of the time of all operators, from 0 to 1; None where the time of others is in it, which count.
    """

    op: str
    name: str
    count: int
    runs: int
    total_us: float
    call_us: float
    share: float | None


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """Where the time of a model goes. The slowest tenth of the calls does not count: others got the processor then.

    Attributes:
        model: its name.
        version: which version.
        engine: what executes it.
        signature: which signature was called.
        rows: rows of a call.
        calls: calls that were measured.
        calls_counted: calls that count.
        call_us: microseconds of a call as a whole, the mean. Measuring takes time itself.
        operators_us: microseconds of all operators of a call together; more than `call_us` where they run beside each
            other.
        types: by type, the longest first.
        operators: one by one, the longest first.
    """

    model: str
    version: int
    engine: str
    signature: str
    rows: int
    calls: int
    calls_counted: int
    call_us: float
    operators_us: float
    types: tuple[OperatorTime, ...]
    operators: tuple[OperatorTime, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns a record of JSON types."""
        return asdict(self)


def profile_path(path: Path, options: ProfileOptions, config: Config, progress: Progress) -> ModelProfile:
    """Loads a model file, a version's folder or a model's folder, with its settings, and measures it.

    Raises:
        ConfigError: the number of calls is out of its bounds, or the file has to be converted first.
        InvalidInputError: the sample does not fit the signature.
        TurnoutError: it cannot be loaded or executed, or its engine does not tell.
    """
    if not 1 <= options.calls <= MAX_CALLS:
        raise ConfigError(f"calls that can be measured: expected 1 to {MAX_CALLS}, got {options.calls}")
    _refuse_unconverted(path)
    name, version = choose_version(path)
    artifact = resolve_artifact(version.path, version.manifest)
    settings = config.model(name).settings.of_servable()
    with tempfile.TemporaryDirectory(prefix="turnout-profile-") as folder:
        (records := Path(folder, "records")).mkdir()
        servable = servable_json(1, name, version.version, artifact, settings, Path(folder))
        profiler = _dataplane.Profiler(json.dumps(servable), records)
        signatures = [Signature.from_json(record) for record in json.loads(profiler.signatures())]
        signature = choose_signature(name, version.version, signatures, options.signature)
        rows = _call(profiler, signatures.index(signature), signature, options, progress)
        measured: dict[str, Any] = json.loads(profiler.finish())
    calls_us: list[float] = measured["call_us"]
    counted = fastest_calls(calls_us)
    operators, types = summarize(measured["operators"], counted)
    return ModelProfile(
        model=name,
        version=version.version,
        engine=artifact.engine,
        signature=signature.name,
        rows=rows,
        calls=len(calls_us),
        calls_counted=len(counted),
        call_us=statistics.fmean(calls_us[call] for call in counted),
        operators_us=sum(each.call_us for each in operators if each.share is not None),
        types=types,
        operators=operators,
    )


def _refuse_unconverted(path: Path) -> None:
    if path.is_file() and (found := detect(path)).flavor != "onnx":
        hint = f"`turnout push {path} --name NAME` converts it; profile what it publishes."
        raise ConfigError(f"only what an engine executes has operators: got {found.form}: `{path}`", hint=hint)


def _call(
    profiler: _dataplane.Profiler, index: int, signature: Signature, options: ProfileOptions, progress: Progress
) -> int:
    """Makes all calls and returns the rows of each."""
    total = options.warm_up_calls + options.calls
    if options.sample is None:
        rows = options.rows or 1
        tensors = None
    else:
        columns = arrange_rows(options.sample, signature)
        rows = min(options.rows or row_count(columns), row_count(columns))
        tensors = inputs_to_wire(next(split_rows(columns, rows)), signature)
    for number in range(total):
        is_measured = number >= options.warm_up_calls
        if tensors is None:
            _run_generated(profiler, index, rows, is_measured)
        else:
            profiler.run(index, tensors, is_measured)
        progress(number + 1, total)
    return rows


def _run_generated(profiler: _dataplane.Profiler, index: int, rows: int, is_measured: bool) -> None:
    try:
        profiler.run_generated(index, rows, is_measured)
    except ExecutionError as error:
        hint = "Made-up rows suit not every model: give real ones by `--input`."
        raise ExecutionError(error.message, hint=hint) from error


def fastest_calls(calls_us: Sequence[float]) -> tuple[int, ...]:
    """Returns which calls count, in order: all but the slowest tenth."""
    by_time = sorted(range(len(calls_us)), key=lambda call: calls_us[call])
    return tuple(sorted(by_time[: len(calls_us) - len(calls_us) // 10]))


def summarize(
    operators: Sequence[Mapping[str, Any]], counted: Sequence[int]
) -> tuple[tuple[OperatorTime, ...], tuple[OperatorTime, ...]]:
    """Returns the times of operators one by one, and by type; each with the longest first.

    Args:
        operators: `operators` of what `Profiler.finish` returns.
        counted: which calls count, by index.
    """
    totals = [sum(each["call_us"][call] for call in counted) for each in operators]
    pairs = list(zip(operators, totals, strict=True))
    all_us = sum(total for each, total in pairs if not each["has_others"])
    by_type: dict[str, list[tuple[Mapping[str, Any], float]]] = {}
    for each, total in pairs:
        by_type.setdefault(each["op"], []).append((each, total))

    def time_of(group: Sequence[tuple[Mapping[str, Any], float]], name: str) -> OperatorTime:
        own_us = sum(total for _, total in group)
        first, _ = group[0]
        return OperatorTime(
            op=first["op"],
            name=name,
            count=len(group),
            runs=sum(each["call_runs"][call] for each, _ in group for call in counted),
            total_us=own_us,
            call_us=own_us / len(counted),
            share=None if first["has_others"] else own_us / all_us if all_us else 0.0,
        )

    one_by_one = [time_of([pair], pair[0]["name"]) for pair in pairs]
    return _longest_first(one_by_one), _longest_first(time_of(group, "") for group in by_type.values())


def _longest_first(times: Iterable[OperatorTime]) -> tuple[OperatorTime, ...]:
    return tuple(sorted(times, key=lambda each: (-each.total_us, each.op, each.name)))
