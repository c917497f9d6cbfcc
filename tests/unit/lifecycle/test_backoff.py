import pytest

from turnout.lifecycle.backoff import retry_delay_ms


@pytest.mark.parametrize(
    ("failures", "delay_ms"),
    [(1, 1000), (2, 2000), (3, 4000), (6, 32_000), (7, 60_000), (100, 60_000), (10_000, 60_000)],
)
def test_the_wait_doubles_up_to_the_limit(failures: int, delay_ms: int) -> None:
    assert retry_delay_ms(failures, initial_ms=1000, limit_ms=60_000) == delay_ms
