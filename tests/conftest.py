"""What every test gets: a clean environment and bounded property tests."""

import os

import pytest
from hypothesis import settings

# `HYPOTHESIS_PROFILE=slow` searches longer than a normal run has time for.
settings.register_profile("fast", max_examples=50, deadline=None)
settings.register_profile("slow", max_examples=2_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and proxies of the person who runs the tests must not reach what is tested."""
    for name in list(os.environ):
        if name.startswith("TURNOUT_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
