import pytest

from turnout.lifecycle.readiness import ModelReadiness, Readiness, judge_readiness
from turnout.lifecycle.settings import Ready

UP = ModelReadiness("up", attempted=True, serves=True)
LOADING = ModelReadiness("loading", attempted=False, serves=False)
DOWN = ModelReadiness("down", attempted=True, serves=False, reason="version 1: cut")
EMPTY = ModelReadiness("empty", attempted=True, serves=False)


@pytest.mark.parametrize(
    ("models", "mode", "was_ready", "reason"),
    [
        ([], "any", False, "there is no model"),
        ([LOADING], "any", False, "loading: loading"),
        ([UP, LOADING], "any", False, "loading: loading"),
        ([UP, DOWN], "any", False, ""),
        ([DOWN, EMPTY], "any", False, "not serving: down (version 1: cut), empty"),
        ([UP, DOWN], "all", False, "not serving: down (version 1: cut)"),
        ([UP, UP], "all", False, ""),
        ([UP, DOWN, LOADING], "any", True, ""),
        ([UP, DOWN, LOADING], "all", True, ""),
        ([DOWN], "any", True, "not serving: down (version 1: cut)"),
        ([], "any", True, "there is no model"),
        ([UP, LOADING, DOWN], "first", False, ""),
        ([LOADING, DOWN], "first", False, "loading: loading"),
        ([DOWN], "first", False, "not serving: down (version 1: cut)"),
    ],
)
def test_readiness(models: list[ModelReadiness], mode: Ready, was_ready: bool, reason: str) -> None:
    assert judge_readiness(models, mode, was_ready=was_ready) == Readiness(not reason, reason)


def test_a_reason_names_a_few_models() -> None:
    models = [ModelReadiness(f"m{number}", attempted=False, serves=False) for number in range(12)]
    readiness = judge_readiness(models, "any", was_ready=False)
    assert readiness.reason == "loading: m0, m1, m2, m3, m4 and 7 more"
