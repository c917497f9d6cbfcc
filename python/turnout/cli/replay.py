"""`turnout replay`."""

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from turnout.cli import exit_codes
from turnout.cli.output import JsonFlag, note, print_json, print_line, print_table, warn
from turnout.cli.predict import DEFAULT_URL

if TYPE_CHECKING:  # it brings numpy, which help and completion can do without
    from turnout.replaying.replay import Outcome, Progress

_BAR_CELLS = 24
_BAR_INTERVAL_S = 0.1


def replay(
    logs: Annotated[list[Path], typer.Argument(help="Files of a request log, warm-up files, or folders of logs.")],
    server: Annotated[
        str, typer.Option("--server", envvar="TURNOUT_URL", help="A server: http://HOST:PORT or grpc://HOST:PORT.")
    ] = DEFAULT_URL,
    model: Annotated[str | None, typer.Option(help="Which model to ask. [default: the one of each record]")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Which version. [default: the one being served]")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Calls a second. [default: as fast as answers come]")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Calls under way at a time.")] = 4,
    limit: Annotated[int | None, typer.Option(min=1, help="Calls at most. [default: all]")] = None,
    rtol: Annotated[float, typer.Option(min=0.0, help="Floats may differ by this part of the recorded value…")] = 1e-4,
    atol: Annotated[float, typer.Option(min=0.0, help="…and by this.")] = 1e-5,
    timeout_ms: Annotated[int, typer.Option(min=1, help="Milliseconds for one call.")] = 30_000,
    as_json: JsonFlag = False,
) -> int:
    """Send recorded calls to a server, and compare its answers with the recorded ones.

    Whole numbers, truth values and text have to be the same; NaN equals NaN. Exit code 7 says that an answer differs or
    that a call failed.
    """
    from turnout.client.blocking import Client
    from turnout.client.retry import RetryPolicy
    from turnout.replaying.compare import Tolerance
    from turnout.replaying.records import find_files
    from turnout.replaying.replay import Order, replay

    files = find_files(logs)
    order = Order(model, version, rate, concurrency, limit, Tolerance(rtol, atol))
    with Client(server, timeout_ms=timeout_ms, retry=RetryPolicy(attempts=1)) as client, _Bar() as bar:
        _check_reachable(client.live, server)
        outcome = replay(files, client, order, bar.show)
    for where in outcome.cut_short:
        warn(f"the file ends inside a record: {where}", "It is being written, or its server was killed.")
    for kind, count in sorted(outcome.skipped.items()):
        warn(f"records of `{kind}` were left out: {count}", "Calls of Predict are replayed.")
    if as_json:
        print_json(_record(outcome))
    else:
        _print(outcome)
    return exit_codes.OK if outcome.is_good else exit_codes.DIFFERENT


def _check_reachable(live: Callable[[], bool], server: str) -> None:
    """Says once that nothing is there, rather than for each call."""
    from turnout.errors import UnavailableError

    if not live():
        raise UnavailableError(f"no answer from `{server}`", hint="Is the server running, and is this its address?")


class _Bar:
    """A line on a terminal that says how far it is; nothing where standard error is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._begun = self._last = time.monotonic()

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def show(self, progress: "Progress") -> None:
        """Draws the line anew, a few times a second."""
        now = time.monotonic()
        if not self._shown or now - self._last < _BAR_INTERVAL_S:
            return
        self._last = now
        full = round(progress.part * _BAR_CELLS)
        bar = "█" * full + "░" * (_BAR_CELLS - full)
        rate = progress.answered / max(now - self._begun, 1e-9)
        sys.stderr.write(f"\r\x1b[K{bar} {progress.part:4.0%}  {progress.answered} answers  {rate:.0f}/s")
        sys.stderr.flush()


def _print(outcome: "Outcome") -> None:
    failed = outcome.failed.total()
    rows: list[tuple[object, ...]] = [("same", outcome.same), ("different", outcome.different), ("failed", failed)]
    if outcome.unjudged:
        rows.append(("without a recorded answer", outcome.unjudged))
    print_table(("answers", "calls"), rows)
    print_line()
    print_table(
        ("milliseconds", "calls", "mean", "p50", "p90", "p99", "max"),
        (
            (name, len(times), *(f"{value:.2f}" for value in _figures(times).values()))
            for name, times in (
                ("recorded, on the server", outcome.recorded_ms),
                ("now, at the client", outcome.replayed_ms),
            )
            if times
        ),
    )
    versions = ", ".join(f"version {version}: {count}" for version, count in sorted(outcome.versions.items(), key=str))
    print_line(f"\n{outcome.calls} calls in {outcome.took_s:.1f} s" + (f"; {versions}" if versions else ""))
    for trouble in outcome.troubles:
        note(f"{'failed' if trouble.code else 'different'}: {trouble.where}: {trouble.message}")
    hidden = outcome.different + failed - len(outcome.troubles)
    if hidden:
        note(f"… and {hidden} more")


def _record(outcome: "Outcome") -> dict[str, Any]:
    return {
        "calls": outcome.calls,
        "same": outcome.same,
        "different": outcome.different,
        "failed": dict(sorted(outcome.failed.items())),
        "without_answer": outcome.unjudged,
        "skipped": dict(sorted(outcome.skipped.items())),
        "cut_short": outcome.cut_short,
        "versions": {str(version): count for version, count in sorted(outcome.versions.items(), key=str)},
        "recorded_ms": _figures(outcome.recorded_ms) or None,
        "replayed_ms": _figures(outcome.replayed_ms) or None,
        "took_s": outcome.took_s,
        "troubles": [asdict(trouble) for trouble in outcome.troubles],
    }


def _figures(times_ms: Sequence[float]) -> dict[str, float]:
    """Returns mean and percentiles (nearest rank); empty without times."""
    if not times_ms:
        return {}
    ordered = sorted(times_ms)
    ranks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    picked = {name: ordered[math.ceil(part * len(ordered)) - 1] for name, part in ranks.items()}
    return {"mean": sum(ordered) / len(ordered), **picked}
