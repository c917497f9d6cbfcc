import logging

import pytest

from tests.support.lifecycle import ROOT, SETTLE_MS, World, warnings
from turnout.errors import ConfigError, RuntimeMissingError
from turnout.lifecycle.complaints import model_problems
from turnout.lifecycle.records import ModelRecord
from turnout.lifecycle.settings import ModelSettings
from turnout.lifecycle.state import VersionState
from turnout.repository.layout import ModelSource
from turnout.repository.scan import Problem


def test_the_newest_version_is_loaded_and_serves(world: World) -> None:
    world.put("digits", 1)
    world.put("digits", 2)
    world.look()
    world.work()
    assert [spec["version"] for spec in world.plane.loading.values()] == [2]
    assert world.plane.default("digits") is None
    world.load_all()
    assert world.plane.default("digits") == 2
    assert [(version.version, version.state) for version in world.model("digits").versions] == [
        (2, VersionState.AVAILABLE)
    ]
    assert world.kinds("digits") == [("loading", 2), ("loaded", 2), ("serving", 2)]


def test_the_snapshot_is_as_the_seam_says(world: World) -> None:
    world.settings["digits"] = ModelSettings(labels={"stable": 2}, merge="never", max_queue=7)
    world.put("digits", 2)
    world.settle()
    [spec] = world.plane.snapshot["servables"]
    assert spec == {
        "id": 1,
        "model": "digits",
        "version": 2,
        "engine": {"kind": "onnx", "library": "/lib"},
        "artifact": {
            "path": "/models/digits/2",
            "entry": "model.onnx",
            "private_copy": None,
            "files": [{"name": "model.onnx", "size_bytes": 3, "sha256": None}],
        },
        "warmup": None,
        "signatures": [],
        "settings": {
            "merge": "never",
            "max_batch_rows": 1024,
            "max_queue": 7,
            "intra_op_threads": 0,
            "savedmodel": {"tags": ["serve"], "inter_op_threads": None, "session_config": []},
            "interpreters": 0,
            "batching": {
                "timeout_us": 0,
                "max_enqueued_batches": 1,
                "allowed_rows": [],
                "pad_lengths": False,
                "split_requests": False,
                "max_execution_rows": 1,
            },
        },
    }
    assert world.plane.route("digits") == {
        "name": "digits",
        "default": 1,
        "labels": {"stable": 2},
        "problem": "",
        "request_log_rate": 0.0,
        "versions": [{"version": 2, "servable": 1, "state": "AVAILABLE", "error_code": "", "error_message": ""}],
    }
    assert world.plane.snapshot["ready"] == {"ready": True, "reason": ""}


def test_a_swap_loads_serves_and_keeps_the_former(world: World) -> None:
    world.put("digits", 1)
    world.settle()
    world.put("digits", 2)
    world.look()
    world.work()
    assert world.plane.default("digits") == 1
    world.load_all()
    assert world.plane.default("digits") == 2
    assert world.plane.versions("digits") == {1, 2}
    world.put("digits", 3)
    world.settle()
    assert world.plane.versions("digits") == {2, 3}
    assert world.kinds("digits")[3:] == [
        ("loading", 2),
        ("loaded", 2),
        ("serving", 2),
        ("retired", 1),
        ("loading", 3),
        ("loaded", 3),
        ("serving", 3),
        ("retired", 2),
        ("unloading", 1),
        ("unloaded", 1),
    ]


def test_one_snapshot_per_turn_however_much_happened(world: World) -> None:
    for number in range(50):
        world.put(f"m{number}", 1)
    world.look()
    before = world.plane.snapshot["sequence"]
    world.tell(*[task() for task in (world.tasks.pop() for _ in range(len(world.tasks)))])
    assert world.plane.snapshot["sequence"] == before + 1
    world.tell()
    world.look()
    assert world.plane.snapshot["sequence"] == before + 1, "nothing changed, nothing is applied"


def test_a_failed_load_is_retried_with_growing_waits(world: World) -> None:
    world.put("digits", 1)
    world.look()
    world.fail_all()
    [version] = world.model("digits").versions
    assert version.state is VersionState.END
    assert version.fault is not None
    assert (version.fault.code, version.fault.message) == ("load_failed", "the graph is cut")
    for wait_ms in (1000, 2000, 4000):
        world.wait(wait_ms - 1)
        world.work()
        assert not world.plane.loading
        assert world.reconciler.next_wake_ms() == world.clock.now_ms + 1
        world.wait(1)
        world.work()
        assert world.plane.loading
        world.fail_all()
    world.wait(8000)
    world.load_all()
    assert world.plane.default("digits") == 1
    assert world.model("digits").versions[0].fault is None


def test_changed_files_are_tried_at_once(world: World) -> None:
    world.put("digits", 1)
    world.look()
    for _ in range(5):
        world.fail_all()
        world.wait(60_000)
    world.fail_all()
    world.put("digits", 1, generation=2)
    world.look()
    world.load_all()
    assert world.plane.default("digits") == 1


def test_a_failure_is_said_once_and_its_end_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "turnout")
    world.put("digits", 1)
    world.look()
    for _ in range(5):
        world.fail_all()
        world.wait(60_000)
    assert warnings(caplog) == ["model `digits` version 1: the graph is cut"]
    world.load_all()
    assert "no longer: the graph is cut" in [record.getMessage() for record in caplog.records]


def test_a_version_that_cannot_be_resolved_says_what_to_install(world: World) -> None:
    world.put("digits", 1)
    error = RuntimeMissingError("ONNX Runtime is not installed", hint="pip install 'turnout[onnx]'")
    world.unresolvable[ROOT / "digits" / "1"] = error
    world.look()
    world.work()
    [version] = world.plane.route("digits")["versions"]
    assert version == {
        "version": 1,
        "servable": None,
        "state": "END",
        "error_code": "runtime_missing",
        "error_message": "ONNX Runtime is not installed\nhint: pip install 'turnout[onnx]'",
    }
    assert world.journal.open == set()


def test_one_bad_model_holds_back_no_other(world: World) -> None:
    for name in ("a", "b", "c"):
        world.put(name, 1)
    world.unresolvable[ROOT / "b" / "1"] = RuntimeMissingError("missing")
    world.models["c"].readable = False
    world.settle()
    assert world.plane.default("a") == 1
    assert world.status.ready
    assert not world.plane.loading


def test_a_fault_of_ours_about_one_model_holds_back_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_for_a(model: ModelRecord) -> list[Problem]:
        if model.name == "a":
            raise ZeroDivisionError("oops")
        return model_problems(model)

    monkeypatch.setattr("turnout.lifecycle.reconcile.model_problems", fail_for_a)
    world.put("a", 1)
    world.put("b", 1)
    world.settle()
    world.wait(1000)
    world.wait(1000)
    assert world.plane.default("b") == 1
    assert len([text for text in warnings(caplog) if "ZeroDivisionError('oops')" in text]) == 1


# Omission and absence.


def test_a_version_that_is_removed_is_unloaded(world: World) -> None:
    world.put("digits", 1)
    world.settle()
    world.put("digits", 2)
    world.settle()
    world.remove("digits", 2)
    world.settle()
    assert world.plane.default("digits") == 1
    assert world.plane.versions("digits") == {1}
    world.remove("digits", 1)
    world.settle()
    assert world.plane.default("digits") is None
    assert world.plane.versions("digits") == set()
    assert [(v.version, v.state.value) for v in world.model("digits").versions] == [(2, "END"), (1, "END")]


def test_a_model_that_is_removed_is_forgotten_when_its_memory_is_free(world: World) -> None:
    world.put("digits", 1)
    world.put("iris", 1)
    world.settle()
    del world.models["digits"]
    world.look()
    assert world.plane.route("digits")["default"] is None
    assert world.model("digits").versions[0].state is VersionState.UNLOADING, "it may still answer"
    world.drain_all()
    assert sorted(world.status.models) == ["iris"]
    world.put("digits", 1)
    world.settle()
    assert world.plane.default("digits") == 1


@pytest.mark.parametrize("what", ["root", "model"])
def test_what_is_loaded_goes_on_serving_while_the_disk_is_away(world: World, what: str) -> None:
    world.put("digits", 1)
    world.settle()
    world.put("digits", 2)
    world.settle()
    world.root_readable, world.models["digits"].readable = what != "root", what != "model"
    world.models["digits"].versions.clear()
    world.look()  # what is wrong is shown once
    sequence = world.plane.snapshot["sequence"]
    for _ in range(5):
        world.look()
        world.wait(60_000)
    assert world.plane.snapshot["sequence"] == sequence
    assert world.plane.versions("digits") == {1, 2}
    assert world.status.ready
    world.root_readable = world.models["digits"].readable = True
    world.put("digits", 3)
    world.settle()
    assert world.plane.default("digits") == 3


def test_an_absent_disk_is_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put("digits", 1)
    world.settle()
    world.root_readable = False
    for _ in range(5):
        world.look()
    assert warnings(caplog) == ["the disk is gone"]
    assert [problem.message for problem in world.status.problems] == ["the disk is gone"]
    world.root_readable = True
    world.look()
    assert world.status.problems == ()


def test_changed_files_of_a_loaded_version_are_said_and_change_nothing(world: World) -> None:
    world.put("digits", 1)
    world.settle()
    sequence = world.plane.snapshot["sequence"]
    world.put("digits", 1, generation=2)
    world.settle()
    assert world.plane.snapshot["sequence"] == sequence
    [problem] = world.status.problems
    assert problem.message == "the files of a loaded version have changed; what was loaded goes on serving"
    assert problem.hint == "A version never changes; publish the next one."


def test_a_version_that_goes_while_it_loads_is_given_up(world: World) -> None:
    world.put("digits", 1)
    world.look()
    world.work()
    world.remove("digits", 1)
    world.look()
    assert not world.plane.loading
    assert world.plane.cancelled
    assert world.journal.open == set()
    world.drain_all()
    assert world.model("digits").versions[0].state is VersionState.END


def test_a_version_that_goes_before_it_is_prepared_is_never_applied(world: World) -> None:
    world.put("digits", 1)
    world.look()
    [_, *_] = world.tasks
    world.tell(world.tasks.pop(0)())  # its settings; now the load is being prepared
    assert world.model("digits").versions[0].state is VersionState.LOADING
    world.remove("digits", 1)
    world.look()
    world.work()
    assert not world.plane.loading
    assert not world.plane.cancelled
    assert world.journal.open == set()
    assert world.status.settled


# Settling and hashes.


def test_files_that_are_not_still_are_looked_at_again_and_then_loaded(world: World) -> None:
    world.put("digits", 1)
    world.look(quiet=False)
    world.work()
    assert not world.plane.loading
    assert world.reconciler.next_wake_ms() == world.clock.now_ms + 1000
    world.wait(1000)
    assert world.looks_wanted == 1
    world.work()
    assert not world.plane.loading, "time alone settles nothing"
    world.look(quiet=False)
    world.load_all()
    assert world.plane.default("digits") == 1


# Pins.


def test_a_pin_rolls_back_at_once_and_holds_against_newer_versions(world: World) -> None:
    world.put("digits", 1)
    world.settle()
    world.put("digits", 2)
    world.settle()
    world.pin("digits", 1)
    world.look()
    assert world.plane.default("digits") == 1, "no load was needed"
    world.put("digits", 3)
    world.settle()
    assert world.plane.default("digits") == 1
    assert world.plane.versions("digits") == {1, 2}
    world.pin("digits", None)
    world.settle()
    assert world.plane.default("digits") == 3


def test_a_pin_that_cannot_be_met_is_said(world: World) -> None:
    world.put("digits", 2)
    world.pin("digits", 1)
    world.settle()
    assert world.plane.default("digits") == 2
    [problem] = world.status.problems
    assert problem.message == "the pinned version cannot be served, so what serves now goes on: 1"
    assert problem.hint == "Pin another version, or clear the pin: `turnout rollback --clear`."


# Settings.


def test_new_settings_load_the_version_anew_without_a_gap(world: World) -> None:
    world.put("digits", 1)
    world.settle()
    world.change_settings("digits", ModelSettings(max_queue=5))
    world.look()
    world.work()
    assert world.plane.default("digits") == 1
    [identity] = world.plane.loading
    world.load_all()
    assert world.plane.route("digits")["default"] == identity
    assert world.plane.loaded[identity]["settings"]["max_queue"] == 5
    assert list(world.plane.loaded) == [identity]


def test_new_settings_that_do_not_load_change_nothing_and_are_said(world: World) -> None:
    world.put("digits", 1)
    world.settle()
    first = world.plane.route("digits")["default"]
    world.change_settings("digits", ModelSettings(intra_op_threads=5))
    world.look()
    world.fail_all()
    world.wait(60_000)
    world.work()
    assert not world.plane.loading, "the same settings are not tried again"
    assert world.plane.route("digits")["default"] == first
    assert [p.message for p in world.status.problems] == ["it goes on with its former settings: the graph is cut"]
    world.change_settings("digits", ModelSettings())
    world.settle()
    assert world.plane.route("digits")["default"] == first


def test_wrong_settings_leave_the_former_ones(world: World) -> None:
    world.settings["digits"] = ModelSettings(labels={"stable": 1})
    world.put("digits", 1)
    world.settle()
    world.change_settings("digits", ConfigError("unknown key: `colour`"))
    world.settle()
    assert world.plane.route("digits")["labels"] == {"stable": 1}
    assert [problem.message for problem in world.status.problems] == ["unknown key: `colour`"]


def test_wrong_settings_at_the_start_keep_the_model_out(world: World) -> None:
    world.settings["digits"] = ConfigError("unknown key: `colour`")
    world.put("digits", 1)
    world.settle()
    assert not world.plane.loading
    assert world.status.reason == "not serving: digits (unknown key: `colour`)"
    world.settings["digits"] = ModelSettings()
    world.reconciler.reconfigure()
    world.load_all()
    assert world.plane.default("digits") == 1


# Readiness.


def test_ready_when_each_was_tried_and_one_serves(world: World) -> None:
    assert world.status.reason == "looking for models"
    assert not world.status.settled
    world.put("a", 1)
    world.put("b", 1)
    world.look()
    assert world.status.reason == "loading: a, b"
    world.work()
    [first, second] = world.plane.loading
    world.tell(world.plane.finish(first))
    assert not world.status.ready
    assert world.status.reason == "loading: b"
    world.tell(world.plane.fail(second))
    assert world.status.ready


def test_the_first_that_serves_suffices_where_that_is_wanted() -> None:
    world = World(ready="first", sources=(ModelSource("other", ROOT / "other"),))
    world.put("a", 1)
    world.put("b", 1)
    world.look()
    world.work()
    assert not world.status.ready
    [first, second] = world.plane.loading
    world.tell(world.plane.finish(first))
    assert world.status.ready
    assert not world.status.attempted
    world.tell(world.plane.fail(second))
    assert not world.status.attempted, "a source was not looked at yet"
    world.wait(30_000)
    assert world.status.attempted
    assert world.plane.route("other") == {
        "name": "other",
        "default": None,
        "labels": {},
        "problem": "no look at `/models/other` has ended within 30 s",
        "request_log_rate": 0.0,
        "versions": [],
    }


def test_a_failed_load_is_tried_again_so_often() -> None:
    world = World(max_retries=2)
    world.put("digits", 1)
    world.look()
    world.work()
    for _ in range(3):
        world.fail_all()
        world.wait(100_000)
        world.work()
    assert not world.plane.loading
    world.wait(3_600_000)
    world.work()
    assert not world.plane.loading
    world.put("digits", 1, generation=2)
    world.settle()
    assert world.plane.default("digits") == 1, "new files begin anew"


def test_all_must_serve_where_that_is_wanted() -> None:
    world = World(ready="all")
    world.put("a", 1)
    world.put("b", 1)
    world.look()
    world.work()
    [first, second] = world.plane.loading
    world.tell(world.plane.finish(first), world.plane.fail(second))
    assert world.status.reason == "not serving: b (version 1: the graph is cut)"
    world.wait(1000)
    world.load_all()
    assert world.status.ready


def test_a_later_failure_does_not_turn_readiness_off(world: World) -> None:
    world.put("a", 1)
    world.settle()
    world.put("a", 2)
    world.put("b", 1)
    world.look()
    assert world.status.ready
    world.fail_all()
    assert world.status.ready


def test_an_empty_or_absent_repository_is_not_ready(world: World) -> None:
    world.look()
    assert world.status.reason == "there is no model"
    world.root_readable = False
    world.look()
    assert world.status.reason == "there is no model; the disk is gone"


# The journal and quarantine.


def test_a_start_is_not_over_before_the_version_that_is_wanted_most_is_loaded() -> None:
    world = World()
    world.settings["digits"] = ModelSettings(policy="all")
    world.put("digits", 1)
    world.write("digits", 2)
    world.look()
    world.load_all()
    assert world.plane.default("digits") == 1
    assert not world.status.ready, "users would be given a version that is about to go"
    world.wait(2 * SETTLE_MS)
    world.look()
    world.load_all()
    assert world.plane.default("digits") == 2
    assert world.status.ready


def test_a_start_is_over_when_the_version_that_is_wanted_most_has_failed() -> None:
    world = World()
    world.put("digits", 1)
    world.put("digits", 2)
    world.look()
    world.fail_all()
    world.load_all()
    assert world.plane.default("digits") == 1
    assert world.status.ready


def test_labels_of_versions_that_are_not_loaded_are_a_problem() -> None:
    world = World()
    world.settings["digits"] = ModelSettings(labels={"stable": 1, "newest": 2, "gone": 77})
    world.put("digits", 1)
    world.put("digits", 2)
    world.settle()
    assert [problem.message for problem in world.status.problems] == [
        "label `gone` names a version that is not there: 77",
        "label `stable` names a version that is not loaded: 1",
    ]
    assert world.plane.route("digits")["problem"] == "label `gone` names a version that is not there: 77"
    world.change_settings("digits", ModelSettings(policy="all", labels={"stable": 1}))
    world.settle()
    assert world.status.problems == ()
    assert world.plane.route("digits")["problem"] == ""
