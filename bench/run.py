"""`make bench`: measures, prints one table, writes the result and the page."""

import argparse
import dataclasses
import datetime
import os
import sys
import tempfile
from pathlib import Path

from bench.cells import CLIENT_CORE, SERVER_CORE, measure_model
from bench.in_process import measure_limits
from bench.machine import describe_machine
from bench.models import make_models
from bench.page import render_page, render_table
from bench.result import Result, read_result
from bench.swaps import measure_swaps
from tests.support.load import ROOT, build_tool

LAST = ROOT / "out" / "bench.json"
PUBLISHED = ROOT / "bench" / "result.json"
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of every line [3]")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a run [2]")
    parser.add_argument("--models", help="measure these alone, with commas between; the rest is as published")
    parser.add_argument("--swaps", action="store_true", help="measure swaps alone; the rest is as published")
    parser.add_argument("--publish", action="store_true", help="keep the result and write the page of the docs")
    parser.add_argument("--page", action="store_true", help="write the page anew from the result; measure nothing")
    arguments = parser.parse_args()
    if arguments.page:
        PAGE.write_text(render_page(read_result(PUBLISHED)))
        return
    needed = {SERVER_CORE, CLIENT_CORE}
    if not needed <= os.sched_getaffinity(0):
        sys.exit(f"error: the benchmark needs the cores {sorted(needed)} for itself")
    build_tool()
    if arguments.swaps:
        result = dataclasses.replace(read_result(PUBLISHED), swaps=measure_swaps(arguments.repeats, _tell))
    elif arguments.models is None:
        result = measure(arguments.repeats, arguments.seconds, None)
    else:
        part = measure(arguments.repeats, arguments.seconds, set(arguments.models.split(",")))
        result = merge(read_result(PUBLISHED), part)
    _show(result, publish=arguments.publish)


def merge(whole: Result, part: Result) -> Result:
    """Returns the whole with the models of the part in place of its own; the date stays that of the whole."""
    limits = [limit for limit in whole.limits if limit.model not in part.models]
    cells = [cell for cell in whole.cells if cell.load.model not in part.models]
    return dataclasses.replace(
        whole,
        models={**whole.models, **part.models},
        limits=[*limits, *part.limits],
        cells=[*cells, *part.cells],
    )


def _show(result: Result, *, publish: bool) -> None:
    _tell("")
    sys.stdout.write(render_table(result) + "\n")
    result.write(LAST)
    if publish:
        result.write(PUBLISHED)
        PAGE.write_text(render_page(result))


def measure(repeats: int, seconds: float, chosen: set[str] | None) -> Result:
    """Measures all models, or those that were chosen."""
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as name:
        folder = Path(name)
        models = [model for model in make_models(folder) if chosen is None or model.name in chosen]
        limits = [limit for model in models for limit in measure_limits(model, SERVER_CORE)]
        cells = [
            cell
            for model in models
            for cell in measure_model(model, folder, repeats=repeats, seconds=seconds, tell=_tell)
        ]
    swaps = measure_swaps(repeats, _tell) if chosen is None else ()
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    meanings = {model.name: model.meaning for model in models}
    return Result(today, describe_machine(), repeats, seconds, meanings, limits, cells, swaps)


def _tell(what: str) -> None:
    """Shows on standard error what is being measured."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{what:<40}" if what else "\r\033[K")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
