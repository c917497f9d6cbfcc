"""What clients ask of the control plane: each command is done on a thread of its own, and answered."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from turnout.errors import InternalError, TurnoutError, UnsupportedError

_log = logging.getLogger("turnout.serving.commands")

CommandHandler: TypeAlias = Callable[[bytes, int], None]
"""(message, milliseconds that the client waits): does it, or raises why not."""


class Answer(Protocol):
    """How a command is answered."""

    def __call__(self, command: int, code: str | None, message: str) -> None:
        """Says that it is done (`code` is None), or why not."""
        ...


class CommandDesk:
    """Does what commands ask for. The data plane bounds how many there are at one time.

    Args:
        answer: tells the data plane what became of a command.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._handlers: dict[str, CommandHandler] = {}

    def add(self, kind: str, act: CommandHandler) -> None:
        """Has commands of a kind done; called before the first one comes."""
        self._handlers[kind] = act

    def take(self, event: Mapping[str, Any]) -> None:
        """Begins to do what an event of the data plane asks for; returns at once."""
        thread = threading.Thread(target=self._do, args=(event,), name="turnout-command", daemon=True)
        thread.start()

    def _do(self, event: Mapping[str, Any]) -> None:
        code, message = None, ""
        try:
            act = self._handlers.get(event["kind"])
            if act is None:
                raise UnsupportedError(f"this server does not do that: `{event['kind']}`")  # noqa: TRY301  # one way out
            act(bytes.fromhex(event["message"]), event["timeout_ms"])
        except TurnoutError as error:
            code, message = error.code, error.message
        except Exception:
            _log.exception("a command failed: `%s`", event["kind"])
            code, message = InternalError.code, "the command failed unexpectedly"
        self._answer(event["id"], code, message)
