"""The states of a version and the moves between them, as data; the names are those of TensorFlow Serving's status."""

from collections.abc import Mapping
from enum import StrEnum

from turnout.errors import InternalError


class VersionState(StrEnum):
    """Where a version stands. An error is a mark beside the state, not a state."""

    START = "START"
    """Known and not loaded yet."""
    LOADING = "LOADING"
    """Being loaded and warmed up; answers nothing."""
    AVAILABLE = "AVAILABLE"
    """Warm; answers requests that name it, and the others where it is the default."""
    UNLOADING = "UNLOADING"
    """Out of the routes; the requests that it still answers end, then its memory is given back."""
    END = "END"
    """Not in memory: unloaded, or failed where there is an error beside it."""


TRANSITIONS: Mapping[VersionState, frozenset[VersionState]] = {
    VersionState.START: frozenset({VersionState.LOADING, VersionState.END}),
    VersionState.LOADING: frozenset({VersionState.AVAILABLE, VersionState.UNLOADING, VersionState.END}),
    VersionState.AVAILABLE: frozenset({VersionState.UNLOADING}),
    VersionState.UNLOADING: frozenset({VersionState.END}),
    VersionState.END: frozenset({VersionState.START}),
}
"""The moves that are allowed; a version is loaded again by way of START."""


def advance(current: VersionState, target: VersionState) -> VersionState:
    """Returns the new state.

    Raises:
        InternalError: the move is not in the table, which is a fault of the caller.
    """
    if target not in TRANSITIONS[current]:
        raise InternalError(f"bug: a version cannot move from {current} to {target}")
    return target
