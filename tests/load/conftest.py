"""Tests under load: real servers in processes of their own, every answer checked.

They run for seconds to minutes each and are marked `load`: `pytest -m "not load"` leaves them out.
"""

from pathlib import Path

import pytest

from tests.support.load import build_tool

FOLDER = Path(__file__).parent
TIMEOUT_S = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder, and gives it time."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.load)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session", autouse=True)
def load_tool() -> None:
    """Builds the load generator before the first test needs it."""
    build_tool()
