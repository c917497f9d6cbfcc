"""What the tests of the life cycle share."""

import pytest

from tests.support.lifecycle import World


@pytest.fixture
def world() -> World:
    return World()
