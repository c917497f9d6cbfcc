"""A child process for a task of a push: bounded in time, and a crash of it is an error in words."""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from turnout.errors import ArtifactInvalidError, InternalError, error_classes

DEFAULT_TIMEOUT_S = 600.0
_LAST_WORDS_BYTES = 2000


def run_task(what: str, timeout_s: float, **request: Any) -> dict[str, Any]:
    """Runs one task of `turnout.pushing.child`.

    Args:
        what: the thing that is dealt with, for messages.
        timeout_s: the child is killed after so long.
        request: the task's name and its arguments, of JSON types.

    Raises:
        ArtifactInvalidError: the child crashed or took too long.
        TurnoutError: whatever the child raised, by its code.
    """
    with tempfile.TemporaryDirectory(prefix="turnout-push-") as folder:
        request_path, answer_path = Path(folder, "request.json"), Path(folder, "answer.json")
        request_path.write_text(json.dumps(request), encoding="utf-8")
        command = [sys.executable, "-m", "turnout.pushing.child", str(request_path), str(answer_path)]
        words_path = Path(folder, "words")
        with words_path.open("wb") as words:
            status = _run(command, words, what, timeout_s)
        if not answer_path.exists():
            raise _crash(what, status, words_path)
        return _read(json.loads(answer_path.read_text(encoding="utf-8")))


def _run(command: list[str], words: Any, what: str, timeout_s: float) -> int:
    """Starts the child away from the terminal's signals being mistaken for its own fault, and waits for it."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, timeout=timeout_s, check=False
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise ArtifactInvalidError(f"{what} was not dealt with in time: limit {timeout_s:.0f} s") from error


def _crash(what: str, status: int, words_path: Path) -> ArtifactInvalidError | InternalError:
    last_words = words_path.read_bytes()[-_LAST_WORDS_BYTES:].decode("utf-8", "replace").strip()
    if status < 0:
        name = signal.Signals(-status).name
        return ArtifactInvalidError(
            f"{what} ended the process that tried it: {name}",
            hint="A server would have ended with it. The runtime's last words: " + (last_words or "none"),
        )
    return ArtifactInvalidError(f"{what} ended the process that tried it: exit code {status}", hint=last_words or None)


def _read(answer: dict[str, Any]) -> dict[str, Any]:
    error = answer.get("error")
    if error is None:
        return answer["result"]
    raise error_classes().get(error["code"], InternalError)(error["message"], hint=error["hint"])
