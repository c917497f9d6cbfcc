"""When a failed call is tried again: a pure decision, bounded by attempts and by the caller's deadline."""

from dataclasses import dataclass

from turnout.errors import ConfigError, TurnoutError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently calls are tried again.

    Attributes:
        attempts: calls in all, the first one included.
        first_delay_ms: pause before the second attempt; each later one is twice as long.
        longest_delay_ms: bound of one pause.
    """

    attempts: int = 3
    first_delay_ms: float = 20.0
    longest_delay_ms: float = 1000.0

    def delay_ms(self, attempt: int, error: TurnoutError, remaining_ms: float, jitter: float) -> float | None:
        """Returns how long to wait before the next attempt, or None to give up.

        Args:
            attempt: how many attempts were made.
            error: what the last one raised.
            remaining_ms: what is left of the caller's deadline.
            jitter: in [0, 1): spreads clients that failed together over the second half of the pause.
        """
        if not error.retryable or attempt >= self.attempts:
            return None
        pause = min(self.longest_delay_ms, self.first_delay_ms * 2 ** (attempt - 1)) * (0.5 + jitter / 2)
        return pause if pause < remaining_ms else None


def check_timeout(timeout_ms: int) -> int:
    """Returns the deadline of a call.

    Raises:
        ConfigError: it leaves no time at all.
    """
    if timeout_ms < 1:
        raise ConfigError(f"`timeout_ms` is out of range: expected at least 1, got {timeout_ms}")
    return timeout_ms
