from dataclasses import dataclass, replace

import pytest

from turnout.lifecycle.policy import (
    Action,
    Load,
    ModelView,
    Reload,
    Retire,
    Serve,
    Unload,
    VersionView,
    decide,
    wanted_versions,
)
from turnout.lifecycle.settings import ModelSettings
from turnout.lifecycle.state import VersionState

NOW_MS = 1000
LATEST = ModelSettings()
NOT_KEPT = ModelSettings(keep_previous=False)
MEMORY = ModelSettings(swap="memory_first")
ALL = ModelSettings(policy="all")
TWO = ModelSettings(latest_count=2)
SPECIFIC = ModelSettings(policy="specific", specific_versions=(1, 3))


def new(version: int) -> VersionView:
    return VersionView(version, VersionState.START)


def loading(version: int) -> VersionView:
    return VersionView(version, VersionState.LOADING)


def up(version: int) -> VersionView:
    return VersionView(version, VersionState.AVAILABLE)


def going(version: int) -> VersionView:
    return VersionView(version, VersionState.UNLOADING)


def down(version: int, retry_at_ms: int = NOW_MS + 1) -> VersionView:
    return VersionView(version, VersionState.END, failed=True, retry_at_ms=retry_at_ms)


def over(version: int) -> VersionView:
    return VersionView(version, VersionState.END)


def gone(view: VersionView) -> VersionView:
    return replace(view, present=False)


def partial(view: VersionView) -> VersionView:
    """Half copied, broken or in quarantine."""
    return replace(view, loadable=False)


def held(view: VersionView) -> VersionView:
    return replace(view, held=True)


def outdated(view: VersionView) -> VersionView:
    return replace(view, outdated=True)


def reloading(view: VersionView) -> VersionView:
    return replace(view, outdated=True, reloading=True)


@dataclass(frozen=True)
class Case:
    name: str
    versions: list[VersionView]
    action: Action | None
    settings: ModelSettings = LATEST
    default: int | None = None
    previous: int | None = None
    pin: int | None = None


CASES = [
    Case("nothing there, nothing to do", [], None),
    Case("the newest is loaded first", [new(1), new(2)], Load(2)),
    Case("what is loaded is served", [up(2)], Serve(2)),
    Case("what is being loaded is waited for", [loading(2), new(1)], None),
    Case("all well", [new(1), up(2)], None, default=2),
    # Availability first.
    Case("a new version is loaded beside the old", [up(1), new(2)], Load(2), default=1),
    Case("the old one stays while the new one loads", [up(1), loading(2)], None, default=1),
    Case("the new one takes over when it is warm", [up(1), up(2)], Serve(2), default=1),
    Case("the former one is kept", [up(1), up(2)], None, default=2, previous=1),
    Case("the former one goes where that is not wanted", [up(1), up(2)], Unload(1), NOT_KEPT, default=2, previous=1),
    Case("the one before the former goes", [up(1), up(2), up(3)], Unload(1), default=3, previous=2),
    Case("but not before the newest is warm", [up(1), up(2), loading(3)], None, default=2, previous=1),
    Case("a half-copied newer version changes nothing", [up(1), partial(new(2))], None, default=1),
    Case("a newer one that failed changes nothing", [up(1), down(2)], None, default=1),
    Case("it is tried again when it is time", [up(1), down(2, NOW_MS)], Load(2), default=1),
    Case("one that is held is not loaded, and nothing in its place", [held(new(2)), new(1)], None),
    Case("a version overtaken while it loads is let finish", [up(1), loading(2), new(3)], None, default=1),
    Case("and serves until the newest is warm", [up(1), up(2), new(3)], Serve(2), default=1),
    Case("and then makes room", [up(1), up(2), up(3)], Unload(1), NOT_KEPT, default=3, previous=2),
    Case("but not if it was left before", [up(1), up(2), loading(3)], None, default=1, previous=2),
    Case("not even where the newest fails", [up(1), up(2), down(3)], None, default=1, previous=2),
    Case("it comes back where it is the newest", [up(1), up(2)], Serve(2), default=1, previous=2),
    # Something rather than nothing.
    Case("the next best is loaded when the newest failed", [new(1), down(2)], Load(1)),
    Case("and the one after it when that failed too", [new(1), down(2), down(3)], Load(1)),
    Case("it stays until the newest loads", [up(1), down(2)], None, default=1),
    Case("all failed: wait", [down(1), down(2)], None),
    Case("all failed: the newest is tried first", [down(1, 0), down(2, 0)], Load(2)),
    Case("the next best is loaded when the newest is in quarantine", [new(1), partial(new(2))], Load(1)),
    # Omission.
    Case("a version that is gone makes way for one that serves", [up(1), gone(up(2))], Serve(1), default=2),
    Case("and is unloaded", [up(1), gone(up(2))], Unload(2), default=1, previous=2),
    Case("it serves until the other is warm", [new(1), gone(up(2))], Load(1), default=2),
    Case("it serves while the other loads", [loading(1), gone(up(2))], None, default=2),
    Case("and while the other fails", [down(1), gone(up(2))], None, default=2),
    Case("the last one that is gone is retired", [gone(up(2))], Retire(2), default=2),
    Case("and unloaded", [gone(up(2))], Unload(2)),
    Case("a load of a version that is gone is given up", [gone(loading(2))], Unload(2)),
    Case("the former one goes when it is gone", [gone(up(1)), up(2)], Unload(1), default=2, previous=1),
    Case("what is leaving is left alone", [going(1), up(2)], None, default=2),
    Case("a version that was unloaded is loaded again when wanted", [over(2)], Load(2)),
    Case("not before it has left", [going(2)], None),
    # Pins.
    Case("a pin is loaded although a newer one serves", [new(2), up(3)], Load(2), default=3, pin=2),
    Case("a pin that is in memory serves at once", [up(2), up(3)], Serve(2), default=3, previous=2, pin=2),
    Case("what was gone back from is kept", [up(2), up(3)], None, default=2, previous=3, pin=2),
    Case("a newer version is not loaded under a pin", [up(2), new(4)], None, default=2, pin=2),
    Case("a pin that fails changes nothing", [new(1), down(2), up(3)], None, default=3, pin=2),
    Case("a pin that is not there changes nothing", [new(1), up(3)], None, default=3, pin=2),
    Case("a pin in quarantine changes nothing", [new(1), partial(over(2)), up(3)], None, default=3, pin=2),
    Case("a pin that fails at the start falls back to the older ones", [new(1), down(2), new(3)], Load(1), pin=2),
    Case("and to newer ones last", [down(1), down(2), new(3)], Load(3), pin=2),
    Case("a pin that is not there at the start falls back", [new(1), new(3)], Load(1), pin=2),
    Case("without the pin the newest serves again", [up(2), up(3)], Serve(3), default=2, previous=3),
    Case("a pin under memory first", [new(2), up(3)], Retire(3), MEMORY, default=3, pin=2),
    # Other policies.
    Case("all: newest first", [new(1), new(2), new(3)], Load(3), ALL),
    Case("all: then the others", [new(1), new(2), up(3)], Load(2), ALL, default=3),
    Case("all: one that failed holds back no other", [new(1), down(2), up(3)], Load(1), ALL, default=3),
    Case("all: one that is gone goes", [up(1), gone(up(2)), up(3)], Unload(2), ALL, default=3),
    Case("all: although another failed", [gone(up(2)), down(1), up(3)], Unload(2), ALL, default=3),
    Case("latest 2: both", [new(1), new(2), up(3)], Load(2), TWO, default=3),
    Case("latest 2: the third goes when both are warm", [up(1), up(2), up(3)], Unload(1), TWO, default=3),
    Case("latest 2: not before", [up(1), up(2), loading(3)], None, TWO, default=2),
    Case("specific: only those", [new(1), new(2), new(4)], Load(1), SPECIFIC),
    Case("specific: the higher serves", [up(1), up(3)], Serve(3), SPECIFIC, default=1),
    Case("specific: a missing one is waited for", [up(1), new(2)], None, SPECIFIC, default=1),
    Case("specific: never another although none serves", [down(1), new(2)], None, SPECIFIC),
    Case("specific: what serves goes on while none of them does", [up(2), loading(1)], None, SPECIFIC, default=2),
    Case("specific: a pin counts as listed", [up(1), new(2)], Load(2), SPECIFIC, default=1, pin=2),
    Case("specific: none of them there", [up(2)], None, SPECIFIC, default=2),
    # Memory first.
    Case("memory first: the old one is retired", [up(1), new(2)], Retire(1), MEMORY, default=1),
    Case("memory first: and unloaded", [up(1), new(2)], Unload(1), MEMORY),
    Case("memory first: before the new one is loaded", [going(1), new(2)], None, MEMORY),
    Case("memory first: then it is", [over(1), new(2)], Load(2), MEMORY),
    Case("memory first: and served", [over(1), up(2)], Serve(2), MEMORY),
    Case("memory first: not for one that is not whole", [up(1), partial(new(2))], None, MEMORY, default=1),
    Case("memory first: not for one whose hashes are unknown", [up(1), held(new(2))], None, MEMORY, default=1),
    Case("memory first: not for one that failed", [up(1), down(2, 0)], None, MEMORY, default=1),
    Case("memory first: the old one returns when the new one fails", [over(1), down(2)], Load(1), MEMORY),
    Case("memory first: nothing is loaded beside what loads", [gone(loading(1)), new(2)], Unload(1), MEMORY),
    # Other settings.
    Case("new settings load a version anew", [outdated(up(2))], Reload(2), default=2),
    Case("also the former one", [outdated(up(1)), up(2)], Reload(1), default=2, previous=1),
    Case("one at a time", [outdated(up(1)), loading(2)], None, default=1),
    Case("not with memory first", [outdated(up(2))], None, MEMORY, default=2),
    Case("not while files are not whole", [partial(outdated(up(2)))], None, default=2),
    Case("what is being loaded anew is waited for", [reloading(up(2))], None, default=2),
    Case("nothing else is loaded meanwhile", [reloading(up(2)), new(3)], None, default=2),
    Case("not while held", [held(outdated(up(2)))], None, default=2),
    # Odd states.
    Case("a default that is no longer there is retired", [over(2)], Retire(2), default=2),
    Case("or replaced", [up(1), over(2)], Serve(1), default=2),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_next_step(case: Case) -> None:
    model = ModelView(tuple(case.versions), case.default, case.previous, case.pin)
    assert decide(model, case.settings, NOW_MS) == case.action
    backwards = replace(model, versions=tuple(reversed(case.versions)))
    assert decide(backwards, case.settings, NOW_MS) == case.action


@pytest.mark.parametrize(
    ("settings", "pin", "wanted"),
    [
        (LATEST, None, (4,)),
        (TWO, None, (4, 3)),
        (ALL, None, (4, 3, 2, 1)),
        (ALL, 2, (2, 1, 4, 3)),
        (TWO, 2, (2, 1)),
        (SPECIFIC, None, (3, 1)),
        (SPECIFIC, 2, (2, 1, 3)),
    ],
)
def test_wanted_versions(settings: ModelSettings, pin: int | None, wanted: tuple[int, ...]) -> None:
    model = ModelView((new(1), new(2), new(3), new(4), gone(new(5)), partial(new(6))), pin=pin)
    assert wanted_versions(model, settings) == wanted
