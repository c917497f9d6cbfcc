"""Settings of batching that contradict one another."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from turnout.config.layers import Origin, Resolved
from turnout.errors import ConfigError
from turnout.lifecycle.settings import ModelSettings


def check_batching(model: str, resolved: Resolved[ModelSettings]) -> Resolved[ModelSettings]:
    """Returns the settings of a model, if those of batching fit together.

    Raises:
        ConfigError: they do not.
    """
    settings, origins = resolved.settings, resolved.origins
    if settings.max_execution_rows > settings.max_batch_rows:
        raise ConfigError(
            f"setting `max_execution_rows` ({origins['max_execution_rows']}) of model `{model}` is above"
            f" `max_batch_rows` ({origins['max_batch_rows']}): expected at most {settings.max_batch_rows},"
            f" got {settings.max_execution_rows}"
        )
    _check_allowed_rows(model, settings, origins)
    return resolved


def _check_allowed_rows(model: str, settings: ModelSettings, origins: Mapping[str, Origin]) -> None:
    allowed = settings.allowed_batch_rows
    if not allowed:
        return
    subject = f"setting `allowed_batch_rows` ({origins['allowed_batch_rows']}) of model `{model}`"
    most = settings.max_execution_rows if settings.split_large_requests else 0
    fault = allowed_rows_fault(allowed, most or settings.max_batch_rows)
    if fault is not None:
        raise ConfigError(f"{subject} is not valid: {fault}")


def allowed_rows_fault(allowed: Sequence[int], most: int) -> str | None:
    """Returns what is wrong with allowed sizes of batches of at most `most` rows, in words."""
    if any(left >= right for left, right in pairwise(allowed)):
        return f"the sizes must rise: got {list(allowed)}"
    if allowed and allowed[-1] != most:
        return (
            "Last entry in allowed_batch_sizes must match max_batch_size;"
            f" last entry was {allowed[-1]}; expected {most}"
        )
    return None
