import os

import pytest

from turnout.errors import ForkedError
from turnout.host.forks import ForkGuard


def test_the_maker_may_use_it() -> None:
    ForkGuard("the server").check()


def test_a_child_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = ForkGuard("the server")
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert guard.is_forked
    with pytest.raises(ForkedError, match=r"the server was made before `fork\(\)`") as caught:
        guard.check()
    assert "spawn" in (caught.value.hint or "")
