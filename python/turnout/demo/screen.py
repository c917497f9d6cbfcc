"""What the demonstration shows while it runs: a live table on a terminal, a line a second elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from turnout.demo.figures import Summary, latest, summarize
from turnout.demo.traffic import Traffic

_REFRESH_S = 0.25
_WINDOW_S = 1.0


class Screen:
    """Follows the traffic. Lines said meanwhile stand above the table."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._console = Console(file=sys.stderr, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._last_line_s = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refresh()
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Prints a line that stays."""
        self._console.print(f"{self._traffic.now_s:5.1f} s  {text}")

    def watch(self, seconds: float) -> None:
        """Shows the traffic for some seconds."""
        self.watch_until(lambda: False, seconds)

    def watch_until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Shows the traffic until `done`, at most `limit_s` seconds; returns whether it was."""
        end_s = time.monotonic() + limit_s
        while not done():
            if time.monotonic() >= end_s:
                return False
            self.refresh()
            time.sleep(_REFRESH_S)
        return True

    def refresh(self) -> None:
        """Shows the figures of the last second."""
        now_s = self._traffic.now_s
        summary = summarize(latest(self._traffic.answers, now_s, _WINDOW_S), min(_WINDOW_S, now_s))
        if self._live is not None:
            self._live.update(self._table(summary), refresh=True)
        elif now_s - self._last_line_s >= _WINDOW_S:
            self._last_line_s = now_s
            self.say(self._line(summary))

    def _line(self, summary: Summary) -> str:
        accuracy = ", ".join(f"version {version} {share:.0%} right" for version, share in summary.accuracy.items())
        failed = len(self._traffic.failures)
        return (
            f"{summary.per_second:6.0f} requests/s, p50 {summary.p50_ms:.2f} ms, p99 {summary.p99_ms:.2f} ms, "
            f"{accuracy or 'no answers'}, failed {failed}"
        )

    def _table(self, summary: Summary) -> Table:
        table = Table("requests/s", "p50", "p99", "accuracy by version, last second", "answered", "failed")
        bars = "\n".join(
            f"version {version}  {'█' * round(share * 20):<20} {share:.0%}"
            for version, share in summary.accuracy.items()
        )
        failed = len(self._traffic.failures)
        table.add_row(
            f"{summary.per_second:.0f}",
            f"{summary.p50_ms:.2f} ms",
            f"{summary.p99_ms:.2f} ms",
            bars,
            f"{len(self._traffic.answers)}",
            f"[{'red' if failed else 'green'}]{failed}[/]",
        )
        return table
