import pytest

from turnout.client.retry import RetryPolicy, check_timeout
from turnout.errors import ConfigError, InvalidInputError, QueueFullError, TurnoutError

POLICY = RetryPolicy(attempts=4, first_delay_ms=10, longest_delay_ms=25)


@pytest.mark.parametrize(
    ("attempt", "error", "remaining_ms", "jitter", "expected"),
    [
        pytest.param(1, QueueFullError("full"), 1000, 0.0, 5.0, id="half of the pause without jitter"),
        pytest.param(1, QueueFullError("full"), 1000, 1.0, 10.0, id="the whole pause with full jitter"),
        pytest.param(2, QueueFullError("full"), 1000, 1.0, 20.0, id="twice as long the second time"),
        pytest.param(3, QueueFullError("full"), 1000, 1.0, 25.0, id="never longer than the bound"),
        pytest.param(4, QueueFullError("full"), 1000, 1.0, None, id="attempts are bounded"),
        pytest.param(1, QueueFullError("full"), 9, 1.0, None, id="the deadline would pass meanwhile"),
        pytest.param(1, InvalidInputError("bad"), 1000, 1.0, None, id="it cannot succeed later"),
    ],
)
def test_delay(attempt: int, error: TurnoutError, remaining_ms: float, jitter: float, expected: float | None) -> None:
    assert POLICY.delay_ms(attempt, error, remaining_ms, jitter) == expected


def test_a_deadline_leaves_some_time() -> None:
    assert check_timeout(1) == 1
    for timeout_ms in (0, -5):
        with pytest.raises(ConfigError, match=f"`timeout_ms` is out of range: expected at least 1, got {timeout_ms}"):
            check_timeout(timeout_ms)
