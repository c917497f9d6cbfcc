"""What the reconciler makes of crashes, journals, refusals and sources that hang."""

import pytest

from tests.support.lifecycle import ROOT, MemoryJournal, World, warnings
from turnout.errors import UnavailableError
from turnout.lifecycle.journal import Suspicion
from turnout.lifecycle.settings import ModelSettings
from turnout.repository.layout import ModelSource


def suspicion(deaths: int, *, quarantined: bool, fingerprint: str, version: int = 2) -> Suspicion:
    return Suspicion("digits", version, ROOT / "digits" / str(version), fingerprint, deaths, quarantined)


def fingerprint_of(version: int) -> str:
    world = World()
    world.put("digits", version)
    world.settle()
    record = world.reconciler._models["digits"].versions[version]  # pyright: ignore[reportPrivateUsage]
    assert record.observed is not None
    return record.observed.fingerprint


def test_a_version_in_quarantine_is_not_tried_and_the_next_best_serves() -> None:
    journal = MemoryJournal((suspicion(1, quarantined=True, fingerprint=fingerprint_of(2)),))
    world = World(journal=journal)
    world.put("digits", 1)
    world.put("digits", 2)
    world.settle()
    assert world.plane.default("digits") == 1
    fault = world.model("digits").versions[0].fault
    assert fault is not None
    assert fault.code == "quarantined"
    assert fault.message == "a server died once while it loaded this version, so it is not tried again"
    assert fault.hint is not None
    assert "/nowhere/journal/suspects/" in fault.hint
    world.wait(3_600_000)
    world.work()
    assert not world.plane.loading, "never by itself"
    assert ("quarantined", 2) in world.kinds("digits")


def test_quarantine_ends_when_the_files_change() -> None:
    world = World(journal=MemoryJournal((suspicion(1, quarantined=True, fingerprint=fingerprint_of(2)),)))
    world.put("digits", 2)
    world.settle()
    assert world.plane.default("digits") is None
    world.put("digits", 2, generation=2)
    world.settle()
    assert world.plane.default("digits") == 2
    assert world.journal.suspicions == {}


def test_quarantine_ends_when_the_operator_clears_it() -> None:
    world = World(journal=MemoryJournal((suspicion(1, quarantined=True, fingerprint=fingerprint_of(2)),)))
    world.put("digits", 2)
    world.settle()
    assert world.reconciler.clear_quarantine("digits", 2)
    assert not world.reconciler.clear_quarantine("digits", 2)
    world.tell()
    world.load_all()
    assert world.plane.default("digits") == 2


def test_suspects_are_loaded_one_after_another() -> None:
    suspicions = tuple(
        Suspicion(name, version, ROOT / name / str(version), fingerprint_of(version), 1, False)
        for name, version in (("a", 1), ("b", 2))
    )
    world = World(journal=MemoryJournal(suspicions))
    for name, version in (("a", 1), ("b", 2), ("c", 1)):
        world.put(name, version)
    world.look()
    world.work()
    assert sorted(spec["model"] for spec in world.plane.loading.values()) == ["a", "c"]
    first = next(identity for identity, spec in world.plane.loading.items() if spec["model"] == "a")
    world.tell(world.plane.finish(first))
    world.work()
    assert sorted(spec["model"] for spec in world.plane.loading.values()) == ["b", "c"]
    assert sorted(world.journal.suspicions) == [2]


def test_the_journal_names_what_is_being_loaded(world: World) -> None:
    world.put("digits", 1)
    world.look()
    world.work()
    assert world.journal.open == {("digits", 1)}
    world.load_all()
    assert world.journal.open == set()
    world.put("digits", 2)
    world.look()
    world.work()
    assert world.journal.open == {("digits", 2)}
    world.reconciler.close()
    assert world.journal.open == set()


def test_a_journal_that_cannot_be_written_is_said_and_loads_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.journal, "begin", refuse)
    world.put("digits", 1)
    world.settle()
    assert world.plane.default("digits") == 1
    [problem] = world.status.problems
    assert problem.message == "the journal of loads cannot be written: [Errno 28] No space left on device"


# The data plane.


def test_a_snapshot_that_is_refused_is_offered_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put("digits", 1)
    world.plane.refuse = UnavailableError("the data plane is closed")
    world.look()
    world.work()
    for _ in range(5):
        world.wait(1000)
    assert warnings(caplog) == ["the data plane is closed"]
    world.plane.refuse = None
    world.wait(1000)
    world.load_all()
    assert world.plane.default("digits") == 1
    assert world.status.problems == ()


def test_a_servable_that_the_data_plane_lost_is_loaded_again(world: World) -> None:
    world.put("digits", 1)
    world.settle()
    [identity] = list(world.plane.loaded)
    del world.plane.loaded[identity]
    world.tell(world.plane.drained(identity))
    world.load_all()
    assert world.plane.default("digits") == 1
    assert world.plane.route("digits")["default"] != identity


def test_a_source_that_hangs_is_given_up_after_a_while() -> None:
    world = World(sources=(ModelSource("other", ROOT / "other"),))
    world.put("digits", 1)
    world.settle()
    assert world.status.reason == "looking for models"
    assert world.reconciler.next_wake_ms() == world.clock.now_ms + 30_000
    world.wait(30_000)
    assert world.status.ready
    assert [problem.message for problem in world.status.problems] == [
        "no look at `/models/other` has ended within 30 s"
    ]


def test_an_older_version_is_not_loaded_while_the_newest_becomes_still(world: World) -> None:
    world.put("digits", 1)
    world.write("digits", 2)
    world.look()
    world.work()
    assert not world.plane.loading
    assert world.status.reason == "loading: digits"
    world.wait(1000)
    world.look()
    world.load_all()
    assert world.kinds("digits") == [("loading", 2), ("loaded", 2), ("serving", 2)]


def test_a_version_that_is_written_for_ever_holds_up_nothing(world: World) -> None:
    world.put("digits", 1)
    for _ in range(8):
        world.write("digits", 2)
        world.look()
        world.load_all()
        world.wait(500)
    assert world.plane.default("digits") == 1
    assert world.status.ready


def test_a_load_that_takes_too_long_is_given_up_and_the_next_best_serves() -> None:
    world = World()
    world.settings["digits"] = ModelSettings(load_timeout_ms=5_000)
    world.put("digits", 1)
    world.put("digits", 2)
    world.look()
    world.work()
    hanging = next(iter(world.plane.loading))
    world.wait(4_999)
    assert world.model("digits").versions[0].state == "LOADING"
    assert world.reconciler.next_wake_ms() == world.clock.now_ms + 1
    world.wait(1)
    fault = world.model("digits").versions[0].fault
    assert fault is not None
    assert fault.message == "the version was not loaded within 5000 ms (`load_timeout_ms`)"
    assert hanging in world.plane.cancelled
    world.work()
    (other,) = world.plane.loading
    world.tell(world.plane.finish(other))
    assert world.plane.default("digits") == 1


def test_a_load_that_was_given_up_is_not_repeated_before_it_has_ended_and_its_files_changed() -> None:
    world = World()
    world.settings["digits"] = ModelSettings(load_timeout_ms=5_000)
    world.put("digits", 1)
    world.look()
    world.work()
    world.wait(5_000)
    world.put("digits", 1, generation=2)
    world.look()
    world.work()
    assert not world.plane.loading, "its memory is still taken"
    world.drain_all()
    world.work()
    assert len(world.plane.loading) == 1
    world.wait(5_000)
    world.drain_all()
    world.wait(3_600_000)
    world.work()
    assert not world.plane.loading, "the same files would hang again"


def test_a_load_that_hangs_while_its_files_are_read_is_given_up_and_no_suspect_later() -> None:
    world = World()
    world.settings["digits"] = ModelSettings(load_timeout_ms=5_000)
    world.put("digits", 1)
    world.look()
    while len(world.tasks) > 1 or not world.model("digits").versions:
        world.tell(world.tasks.pop(0)())
    (prepare,) = world.tasks
    world.tasks.clear()
    world.wait(5_000)
    assert world.model("digits").versions[0].fault is not None
    world.tell(prepare())
    assert not world.plane.loading
    assert world.journal.open == set()


def test_a_reload_that_takes_too_long_leaves_what_serves() -> None:
    world = World()
    world.settings["digits"] = ModelSettings(load_timeout_ms=5_000)
    world.put("digits", 1)
    world.settle()
    world.change_settings("digits", ModelSettings(load_timeout_ms=5_000, merge="never"))
    world.look()
    world.work()
    assert len(world.plane.loading) == 1
    world.wait(5_000)
    world.work()
    assert not world.plane.loading
    assert world.plane.default("digits") == 1


OTHER = ModelSource("digits", ROOT / "other")


def test_models_without_a_source_are_unloaded_and_forgotten() -> None:
    world = World()
    world.put("digits", 1)
    world.settle()
    world.reconciler.replace_sources([])
    world.tell()
    assert world.plane.default("digits") is None
    world.drain_all()
    assert "digits" not in world.status.models
    world.look()
    assert world.status.models == {}, "a look that was under way at what is no source any more"


def test_a_model_that_moves_serves_until_its_new_place_was_seen() -> None:
    world = World()
    world.put("digits", 1)
    world.settle()
    world.reconciler.replace_sources([OTHER])
    world.tell()
    world.work()
    assert world.plane.default("digits") == 1
    world.source = OTHER
    world.remove("digits", 1)
    world.put("digits", 5)
    world.look()
    world.work()
    assert world.plane.default("digits") == 1, "until the new one is warm"
    world.load_all()
    assert world.plane.default("digits") == 5


def test_what_was_wrong_with_a_source_goes_with_it() -> None:
    world = World(sources=(ModelSource("other", ROOT / "other"),))
    world.put("digits", 1)
    world.settle()
    world.wait(30_000)
    assert world.status.problems
    world.reconciler.replace_sources([world.source])
    world.tell()
    assert world.status.problems == ()
    assert {model["name"] for model in world.plane.snapshot["models"]} == {"digits"}


def test_a_model_that_comes_back_is_attempted_anew() -> None:
    world = World(sources=(ModelSource("keep", ROOT / "keep"),))
    world.put("digits", 1)
    world.settle()
    world.reconciler.replace_sources([])
    world.tell()
    world.reconciler.replace_sources([OTHER])
    world.tell()
    assert not world.status.models["digits"].attempted, "its first copy still drains"
    world.source = OTHER
    world.look()
    world.work()
    assert not world.status.models["digits"].attempted, "nothing is loaded before that has gone"
    world.drain_all()
    world.load_all()
    assert world.status.models["digits"].attempted
    assert world.plane.default("digits") == 1


def test_a_model_that_leaves_and_returns_before_anything_is_done_is_attempted_anew() -> None:
    world = World()
    world.put("digits", 1)
    world.settle()
    world.reconciler.replace_sources([])
    world.reconciler.replace_sources([OTHER])
    world.tell()
    assert not world.status.models["digits"].attempted
    world.source = OTHER
    world.look()
    world.drain_all()
    world.load_all()
    assert world.plane.default("digits") == 1
