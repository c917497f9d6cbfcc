"""A child process for a task of a push: bounded in time, and a crash of it is an error in words."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from turnout.errors import ArtifactInvalidError, InternalError, TurnoutError, error_classes

DEFAULT_TIMEOUT_S = 600.0
_LAST_WORDS_BYTES = 2000


def run_task(what: str, timeout_s: float, *, trust: bool = False, **request: Any) -> dict[str, Any]:
    """Runs one task of `turnout.pushing.child`.

    Args:
        what: the thing that is dealt with, for messages.
        timeout_s: the child, and whatever it has started, is killed after so long.
        trust: whether code that lies in the current folder may be imported, as pickles need.
        request: the task's name and its arguments, of JSON types.

    Raises:
        ArtifactInvalidError: the child crashed or took too long.
        TurnoutError: whatever the child raised, by its code.
    """
    with tempfile.TemporaryDirectory(prefix="turnout-push-") as folder:
        request_path, answer_path = Path(folder, "request.json"), Path(folder, "answer.json")
        request_path.write_text(json.dumps({"timeout_s": timeout_s, **request}), encoding="utf-8")
        # Without `-P` Python would import whatever is named like a library and lies in the current folder.
        safe = [] if trust else ["-P"]
        command = [sys.executable, *safe, "-m", "turnout.pushing.child", str(request_path), str(answer_path)]
        words_path = Path(folder, "words")
        with words_path.open("wb") as words:
            status = _run(command, words, what, timeout_s)
        if not answer_path.exists():
            raise _crash(what, status, words_path)
        return _read(json.loads(answer_path.read_text(encoding="utf-8")))


def _run(command: list[str], words: IO[bytes], what: str, timeout_s: float) -> int:
    """Starts the child in a session of its own, so that all that it has started can be ended with it, and waits."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True)
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired as error:
        raise ArtifactInvalidError(
            f"{what} was not dealt with in time: limit {timeout_s:.0f} s", hint="`--timeout-s` raises the limit."
        ) from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _crash(what: str, status: int, words_path: Path) -> ArtifactInvalidError:
    last_words = words_path.read_bytes()[-_LAST_WORDS_BYTES:].decode("utf-8", "replace").strip()
    if status >= 0:
        return ArtifactInvalidError(
            f"{what} ended the process that tried it: exit code {status}", hint=last_words or None
        )
    name = signal.Signals(-status).name
    reason = "Perhaps memory ran out." if name == "SIGKILL" else "A server would have ended with it."
    return ArtifactInvalidError(
        f"{what} ended the process that tried it: {name}",
        hint=f"{reason} Its last words: {last_words or 'none'}",
    )


def _read(answer: dict[str, Any]) -> dict[str, Any]:
    error = answer.get("error")
    if error is None:
        return answer["result"]
    raise error_classes().get(error["code"], InternalError)(error["message"], hint=error["hint"], **error["context"])


def error_record(error: TurnoutError) -> dict[str, Any]:
    """Returns the record by which an exception leaves a child process."""
    context = json.loads(json.dumps(error.context, default=str))
    return {"code": error.code, "message": error.message, "hint": error.hint, "context": context}
