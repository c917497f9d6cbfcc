"""Whether the server may be sent requests: a pure rule."""

from collections.abc import Sequence
from dataclasses import dataclass

from turnout.lifecycle.settings import Ready

_NAMED = 5
"""Models that a reason names; it stands in the body of `/readyz`."""


@dataclass(frozen=True, slots=True)
class ModelReadiness:
    """What counts of one model.

    Attributes:
        name: the model's name.
        attempted: whether its first load has ended, well or not, or there was nothing to load.
        serves: whether it answers requests.
        reason: why it does not, in words; empty where that is not known.
    """

    name: str
    attempted: bool
    serves: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the server may be sent requests.

    Attributes:
        ready: the answer.
        reason: why not, in words; empty where it is ready.
    """

    ready: bool
    reason: str


def judge_readiness(models: Sequence[ModelReadiness], mode: Ready, *, was_ready: bool) -> Readiness:
    """Says whether the server is ready.

    Args:
        models: every model of the sources.
        mode: `any`: one model must serve; `all`: every one must; `first`: one must, and the others may still load.
        was_ready: once ready, a server stays so as long as one model serves: a version or a model that fails later
            must not take the others off the air.
    """
    serving = [model for model in models if model.serves]
    if serving and (was_ready or mode == "first"):
        return Readiness(ready=True, reason="")
    loading = [model.name for model in models if not model.attempted]
    if loading and not was_ready:
        return Readiness(ready=False, reason=f"loading: {_list(loading)}")
    if not models:
        return Readiness(ready=False, reason="there is no model")
    failed = [model for model in models if not model.serves]
    if not serving or (mode == "all" and failed):
        reasons = [f"{model.name} ({model.reason})" if model.reason else model.name for model in failed]
        return Readiness(ready=False, reason=f"not serving: {_list(reasons)}")
    return Readiness(ready=True, reason="")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
