import itertools

import pytest

from turnout.errors import InternalError
from turnout.lifecycle.state import TRANSITIONS, VersionState, advance

ALLOWED = {
    ("START", "LOADING"),
    ("START", "END"),
    ("LOADING", "AVAILABLE"),
    ("LOADING", "UNLOADING"),
    ("LOADING", "END"),
    ("AVAILABLE", "UNLOADING"),
    ("UNLOADING", "END"),
    ("END", "START"),
}


@pytest.mark.parametrize(("current", "target"), list(itertools.product(VersionState, VersionState)))
def test_every_move_is_allowed_or_raises(current: VersionState, target: VersionState) -> None:
    if (current.value, target.value) in ALLOWED:
        assert advance(current, target) is target
    else:
        with pytest.raises(InternalError, match=f"bug: a version cannot move from {current} to {target}"):
            advance(current, target)


def test_every_state_is_in_the_table_and_none_is_a_trap() -> None:
    assert set(TRANSITIONS) == set(VersionState)
    assert all(TRANSITIONS.values())
