"""The result as text: a table for the terminal, and the page of the documentation."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

from bench.cells import Sample, best_rate
from bench.result import Result
from bench.swaps import PLAN
from tests.support.load import WARMUP_S
from tests.support.swaps import GRPC_CONNECTIONS, GRPC_STREAMS, REST_CONNECTIONS, SHARE

DOORS = {"rest": "REST", "grpc": "gRPC"}
HEADINGS = (
    *("model", "door", "connections", "load", "answers/s", "spread", "of runtime"),
    *("p50", "p99", "p99.9", "server", "client"),
)

METHOD = """\
`make bench PUBLISH=1` takes these figures and writes this page from them.

**Method.** One `turnout serve` with one event loop and one executor thread, on a core of its own (`taskset`); the load
generator `turnout-load` on another one. Loopback, no TLS, one row a request, all features at their defaults (metrics,
request ids, limits, logs). A figure counts only if *every* answer was right: its status, its `x-request-id` and every
number against the runtime's own answer. {repeats} runs of {seconds:g} s after a warm-up of {warmup:g} s for each line,
all lines in turn; shown is the median, and as spread the distance from the lowest to the highest run.

- *closed*: each connection sends its next request when it has its answer. `8 × 100` are 8 connections with 100 gRPC
  streams each.
- *open 50 %*: requests are sent at half of the best closed rate, at random times (Poisson), whether or not answers
  have come. Latency counts from the time at which a request *should* have been sent.
- *of runtime* is the rate in a closed loop beside that of a bare loop over the runtime's calls of one row, on that core
  (the table below). More than 100 % is what executing requests together gains.
- *server* is the processor time of the server in user + kernel mode, *client* that of the load generator, in percent
  of a core. Where the client is near 100 % and the server is not, the figure is the client's limit.
"""

LIMITS = """\
## What the runtime can do in process

The same models in a bare loop over the runtime's C interface, one thread, nothing between. No server can give more rows
a second on one core than this.
"""

SWAPS = """\
## While versions are swapped

One `turnout serve` with its defaults and the load generator share all cores. {count} versions of a small network
replace one another, each published when the one before it serves; one of them has a table of more than 50 MB. Requests
are sent at fixed times, at {share:.0%} of what the same connections get in a closed loop: {rest} REST connections, and
{grpc} of gRPC with {streams} streams each. Before every {round} swaps come {calm:g} s of calm. p99 is that of all
answers of a kind together; every answer was checked, and none was lost. One line a run: a virtual machine that stands
still for 20 ms now and then shows in either column.
"""
SWAP_HEADINGS = ("run", "door", "answers/s", "swaps/s", "p99 calm", "p99 with swaps", "ratio")

Choose = Callable[[Iterable[float]], float]


def render_page(result: Result) -> str:
    """Returns the page in Markdown."""
    machine = result.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    virtual = "a virtual machine, " if machine.is_virtual else ""
    parts = [
        "# Benchmarks\n",
        METHOD.format(repeats=result.repeats, seconds=result.seconds, warmup=WARMUP_S),
        f"**Machine.** {machine.processor}, {virtual}{machine.cores} cores, {machine.memory_gib} GiB,"
        f" {machine.system}, kernel {machine.kernel}; Python {machine.python}, {packages}. Taken on {result.date}."
        f" Other processes used {_others(result, statistics.median):.0%} of a core in the median run,"
        f" {_others(result, max):.0%} in the worst.\n",
        *(f"- `{name}`: {meaning}" for name, meaning in result.models.items()),
        "\n## Through the server\n",
        _markdown(HEADINGS, _rows(result)),
        f"\n{LIMITS}",
        _markdown(("model", "rows a call", "µs a call", "rows/s"), _limit_rows(result)),
        "\n" + _swaps_method(),
        _markdown(SWAP_HEADINGS, _swap_rows(result)),
    ]
    return "\n".join(parts) + "\n"


def render_table(result: Result) -> str:
    """Returns the tables for a terminal."""
    tables = [
        (HEADINGS, list(_rows(result))),
        (("in process", "rows a call", "µs a call", "rows/s"), list(_limit_rows(result))),
        (SWAP_HEADINGS, list(_swap_rows(result))),
    ]
    return "\n\n".join(_plain(headings, rows) for headings, rows in tables)


def _others(result: Result, choose: Choose) -> float:
    return choose([sample.others for cell in result.cells for sample in cell.samples])


def _rows(result: Result) -> Iterator[Sequence[str]]:
    for cell in result.cells:
        load, samples = cell.load, cell.samples
        places = f"{load.connections}" if load.depth == 1 else f"{load.connections} × {load.depth}"
        rates = [sample.answers_per_s for sample in samples]
        yield (
            load.model,
            DOORS[load.door],
            places,
            "closed" if load.share is None else f"open {load.share:.0%}".replace("%", " %"),
            f"{best_rate(cell):,.0f}",
            f"{(max(rates) - min(rates)) / best_rate(cell):.0%}".replace("%", " %"),
            "" if load.share else _of_runtime(result, load.model, best_rate(cell)),
            _time([sample.p50_us for sample in samples]),
            _time([sample.p99_us for sample in samples]),
            _time([sample.p999_us for sample in samples]),
            _shares(samples),
            f"{statistics.median(sample.client for sample in samples) * 100:.0f} %",
        )


def _of_runtime(result: Result, model: str, rate_per_s: float) -> str:
    alone = [limit.rows_per_s for limit in result.limits if limit.model == model and limit.rows == 1]
    return f"{rate_per_s / alone[0]:.0%}".replace("%", " %") if alone else ""


def _time(micros: Sequence[float]) -> str:
    median = statistics.median(micros)
    return f"{median:.0f} µs" if median < 10_000 else f"{median / 1000:.1f} ms"


def _shares(samples: Sequence[Sample]) -> str:
    user = statistics.median(sample.server_user for sample in samples)
    system = statistics.median(sample.server_system for sample in samples)
    return f"{user * 100:.0f} + {system * 100:.0f} %"


def _limit_rows(result: Result) -> Iterator[Sequence[str]]:
    for limit in result.limits:
        yield (limit.model, str(limit.rows), f"{limit.call_us:,.1f}", f"{limit.rows_per_s:,.0f}")


def _swaps_method() -> str:
    return SWAPS.format(
        count=PLAN.swaps,
        share=SHARE,
        rest=REST_CONNECTIONS,
        grpc=GRPC_CONNECTIONS,
        streams=GRPC_STREAMS,
        round=PLAN.swaps // PLAN.rounds,
        calm=PLAN.calm_s,
    ).replace("%", " %")


def _swap_rows(result: Result) -> Iterator[Sequence[str]]:
    for door in DOORS:
        samples = [sample for sample in result.swaps if sample.door == door]
        for number, sample in enumerate(samples, 1):
            yield (
                str(number),
                DOORS[door],
                f"{sample.answers_per_s:,.0f}",
                f"{sample.swaps_per_s:.1f}",
                _time([sample.calm_p99_us]),
                _time([sample.swaps_p99_us]),
                f"{sample.ratio:.2f}",
            )
        if samples:
            calm, swaps = [sample.calm_p99_us for sample in samples], [sample.swaps_p99_us for sample in samples]
            ratio = statistics.median(sample.ratio for sample in samples)
            yield ("median", DOORS[door], "", "", _time(calm), _time(swaps), f"{ratio:.2f}")


def _markdown(headings: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [headings, ["---"] * 2 + ["---:"] * (len(headings) - 2), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    return "\n".join(
        "  ".join(text.ljust(width) if column < 2 else text.rjust(width) for column, (text, width) in enumerate(pairs))
        for pairs in ([*zip(row, widths, strict=True)] for row in [headings, *rows])
    )
