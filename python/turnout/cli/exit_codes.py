"""What the exit code of `turnout` means; scripts may rely on it."""

from turnout.errors import TurnoutError

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
REFUSED = 4
MISSING = 5
UNAVAILABLE = 6
DIFFERENT = 7
INTERRUPTED = 130

MEANINGS = {
    OK: "done",
    FAILED: "it failed; the message says why",
    USAGE: "wrong usage of the command, or a wrong setting",
    NOT_FOUND: "no such model, version or signature",
    REFUSED: "the file, the model or the input was refused",
    MISSING: "a library that would be needed is not installed",
    UNAVAILABLE: "the server did not answer, or not in time; trying again may help",
    DIFFERENT: "a replayed call failed, or brought another answer than the recorded one",
    INTERRUPTED: "interrupted from the keyboard",
}

_BY_CODE = {
    "config_invalid": USAGE,
    "model_not_found": NOT_FOUND,
    "signature_not_found": NOT_FOUND,
    "invalid_input": REFUSED,
    "malformed_request": REFUSED,
    "request_too_large": REFUSED,
    "artifact_invalid": REFUSED,
    "load_failed": REFUSED,
    "quarantined": REFUSED,
    "flavor_unknown": REFUSED,
    "trust_required": REFUSED,
    "parity_failed": REFUSED,
    "unsupported": REFUSED,
    "execution_failed": REFUSED,
    "runtime_missing": MISSING,
    "overloaded": UNAVAILABLE,
    "queue_full": UNAVAILABLE,
    "deadline_exceeded": UNAVAILABLE,
    "unavailable": UNAVAILABLE,
    "cancelled": UNAVAILABLE,
}
"""By code of the error catalogue; all others mean `FAILED`."""


def exit_code_of(error: TurnoutError) -> int:
    """Returns the exit code of a command that ended with this error."""
    return _BY_CODE.get(error.code, FAILED)
