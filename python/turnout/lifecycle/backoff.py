"""How long to wait before a failed load is tried again."""

_MAX_DOUBLINGS = 62
"""Keeps the power of two within an int64, far beyond any sensible limit."""


def retry_delay_ms(failures: int, initial_ms: int, limit_ms: int) -> int:
    """Returns the wait after a number of failures in a row: it doubles each time, up to a limit.

    Args:
        failures: at least 1.
        initial_ms: the wait after the first.
        limit_ms: the longest wait.
    """
    return min(limit_ms, initial_ms * 2 ** min(failures - 1, _MAX_DOUBLINGS))
