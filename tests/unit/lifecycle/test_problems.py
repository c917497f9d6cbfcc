import logging

import pytest

from turnout.lifecycle.events import EventKind, EventLog, LifecycleEvent
from turnout.lifecycle.forward import forward_log
from turnout.lifecycle.ports import SystemClock
from turnout.lifecycle.problems import ProblemLog
from turnout.repository.scan import Problem


def problem(message: str, topic: str = "load", version: int | None = 1) -> Problem:
    return Problem("digits", version, topic, "load_failed", message, "Look at it.")


def test_a_problem_is_said_when_it_begins_changes_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = ProblemLog()
    assert log.replace("digits", [problem("cut")])
    assert not log.replace("digits", [problem("cut")])
    assert log.replace("digits", [problem("cut"), problem("lost", "folder", None)])
    assert log.replace("digits", [problem("torn")])
    assert log.current() == [problem("torn")]
    assert not log.replace("digits", [])
    assert log.current() == []
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "model `digits` version 1: cut"),
        ("WARNING", "model `digits`: lost"),
        ("WARNING", "model `digits` version 1: torn"),
        ("INFO", "no longer: lost"),
        ("INFO", "no longer: torn"),
    ]
    assert vars(caplog.records[0])["code"] == "load_failed"
    assert vars(caplog.records[0])["version"] == 1
    assert vars(caplog.records[0])["hint"] == "Look at it."


def test_events_are_numbered_bounded_and_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = EventLog(3, SystemClock())
    heard: list[LifecycleEvent] = []

    def broken(event: LifecycleEvent) -> None:
        raise ValueError(event)

    log.listen(broken)
    log.listen(heard.append)
    for version in range(1, 6):
        log.add(EventKind.LOADED, "digits", version, detail="5 ms")
    assert [event.sequence for event in log.events()] == [3, 4, 5]
    assert [event.sequence for event in log.events(after=4)] == [5]
    assert [event.version for event in heard] == [1, 2, 3, 4, 5]
    assert "model `digits` version 1 is loaded: 5 ms" in caplog.messages
    assert caplog.messages.count("a listener of life-cycle events failed") == 5


def test_log_lines_of_the_data_plane_become_ours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fields = {"model": "digits", "name": "x", "message": "y"}
    forward_log({"event": "log", "level": "warning", "target": "engine::onnx", "message": "100 %", "fields": fields})
    [record] = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("turnout.engine.onnx", "WARNING", "100 %")
    assert vars(record)["model"] == "digits"
    assert vars(record)["name_"] == "x"
