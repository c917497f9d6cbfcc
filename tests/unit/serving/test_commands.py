import queue

import pytest

from turnout.errors import ConfigError
from turnout.serving.commands import CommandDesk

Answered = queue.SimpleQueue[tuple[int, str | None, str]]


def refuse(message: bytes, timeout_ms: int) -> None:
    raise ConfigError(f"got {message!r} for {timeout_ms} ms")


def fail(message: bytes, timeout_ms: int) -> None:
    raise ZeroDivisionError(message, timeout_ms)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("done", (7, None, "")),
        ("refused", (7, "config_invalid", r"got b'\x00\xfe' for 5 ms")),
        ("failing", (7, "internal", "the command failed unexpectedly")),
        ("unknown", (7, "unsupported", "this server does not do that: `unknown`")),
    ],
)
def test_every_command_is_answered(kind: str, answer: tuple[int, str | None, str]) -> None:
    answered = Answered()
    desk = CommandDesk(lambda command, code, message: answered.put((command, code, message)))
    desk.add("done", lambda _message, _timeout_ms: None)
    desk.add("refused", refuse)
    desk.add("failing", fail)
    desk.take({"event": "command", "id": 7, "kind": kind, "message": "00fe", "timeout_ms": 5})
    assert answered.get(timeout=5) == answer
