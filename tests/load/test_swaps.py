"""Two hundred swaps of versions under load: nothing lost, no answer of a version that was not live, nothing leaked."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.load import Report
from tests.support.load_models import publish
from tests.support.served import Event, ServedProcess, Usage
from tests.support.swaps import MODEL, REPOSITORY, Plan, swap_under_load

EARLY_SWAP = 20
PLAN = Plan(swaps=200, rounds=10, calm_s=2.0, large=(10, 190))
"""The large versions leave the memory after swaps 20 and 200 comparable."""

LOG_NS = 1_000_000
"""The log's times are cut to milliseconds."""


def _live_intervals(events: Sequence[Event]) -> dict[int, tuple[int, float]]:
    """Returns from when to when each version was the default one."""
    begun = {event.version: event.monotonic_ns for event in events if event.kind == "serving"}
    ended = {event.version: event.monotonic_ns for event in events if event.kind == "retired"}
    return {version: (at, ended.get(version, float("inf"))) for version, at in begun.items()}


def _check_versions(report: Report, events: Sequence[Event]) -> None:
    intervals = _live_intervals(events)
    for group in report.groups.values():
        assert len(group.versions) > PLAN.swaps * 0.9, "most versions answered something"
        for version, span in group.versions.items():
            begun_ns, ended_ns = intervals[version]
            assert span.first_received_ns >= begun_ns, f"version {version} answered before it served"
            assert span.last_sent_ns <= ended_ns + LOG_NS, f"version {version} answered after it was retired"


@pytest.mark.timeout(600)
def test_two_hundred_swaps_under_load_lose_nothing(tmp_path: Path) -> None:
    repository = tmp_path / REPOSITORY
    publish(repository, MODEL, 1)
    usages: dict[int, Usage] = {}
    with ServedProcess(repository, tmp_path) as server:
        server.wait_ready()

        def note_usage(swaps: int) -> None:
            usages[swaps] = server.usage()

        outcome = swap_under_load(tmp_path, PLAN, server, note_usage)
        events = server.events()
    for name, group in outcome.report.groups.items():
        for phase in group.phases["swaps"]:
            assert phase.answers_per_s >= outcome.maximum.groups[name].measured.answers_per_s / 2
        # A bad calm phase tells the machine's noise. The third worst of ten is about what the worst of four would be.
        calm_us = sorted(phase.p99_us for phase in group.phases["calm"])[-3]
        assert statistics.median(phase.p99_us for phase in group.phases["swaps"]) <= 2 * calm_us
    _check_versions(outcome.report, events)
    _check_usage(usages)


def _check_usage(usages: Mapping[int, Usage]) -> None:
    """Nothing grows: compared are swaps at the same distance from a large version, so that the same is loaded."""
    early, late = usages[EARLY_SWAP], usages[PLAN.swaps]
    assert late.resident_bytes <= early.resident_bytes * 1.05
    assert late.threads <= early.threads
    assert late.descriptors <= early.descriptors
