"""What must not become a version: faithless conversions, code without trust, artifacts that crash their runtime."""

import os
import signal
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

import turnout
from turnout.errors import ArtifactInvalidError, InvalidInputError, ParityError, TrustRequiredError
from turnout.pushing import isolation

pytestmark = pytest.mark.filterwarnings("default")  # the frameworks warn on their own behalf


def flowers() -> tuple[Any, Any]:
    """A fitted classifier, and its rows."""
    rows, species = cast("tuple[Any, Any]", load_iris(return_X_y=True))
    return cast("Any", LogisticRegression(max_iter=500)).fit(rows, species), rows


def versions(repository: Path) -> list[Path]:
    """Whatever a reader of the repository would take for a version."""
    return [path for path in repository.glob("*/*") if path.name.isdecimal()]


def test_a_conversion_that_answers_differently_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = flowers()
    # The converter is sabotaged: it is given a model that has learnt something else.
    other = cast("Any", LogisticRegression(max_iter=500)).fit(rows[:, ::-1], flowers()[0].predict(rows))
    honest = model.predict(rows)
    monkeypatch.setattr(type(other), "predict", lambda self, rows: honest[: len(rows)])  # pyright: ignore
    other.coef_ = -other.coef_
    with pytest.raises(ParityError) as caught:
        turnout.push(other, "m", repository=tmp_path, sample=rows)
    assert "row" in str(caught.value)
    assert versions(tmp_path) == []


def test_a_column_that_float32_cannot_hold_is_named(tmp_path: Path) -> None:
    seconds = 1_700_000_000 + np.arange(4000.0)
    rows = np.column_stack([np.sin(seconds), seconds])
    model = cast("Any", HistGradientBoostingRegressor(max_iter=20)).fit(rows, seconds % 7)
    with pytest.raises(ParityError) as caught:
        turnout.push(model, "m", repository=tmp_path, sample=rows)
    assert "float32 cannot hold the column `x1`" in f"{caught.value} {caught.value.hint}"
    assert versions(tmp_path) == []


def test_a_sample_that_does_not_fit_is_told(tmp_path: Path) -> None:
    model, rows = flowers()
    with pytest.raises(InvalidInputError):
        turnout.push(model, "m", repository=tmp_path, sample=rows[:, :3])
    assert versions(tmp_path) == []


class Bomb:
    """A pickle that leaves a trace when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (os.mkdir, (str(self.trace),))


def test_a_pickle_is_not_read_without_trust(tmp_path: Path) -> None:
    import pickle

    path, trace = tmp_path / "bomb.pkl", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(TrustRequiredError):
        turnout.push(path, "m", repository=tmp_path / "models")
    assert not trace.exists()


def test_a_crash_of_the_trial_is_told_by_its_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = flowers()
    killing = ["/bin/sh", "-c", f"echo last words; kill -{signal.SIGSEGV:d} $$"]
    run = isolation._run  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(isolation, "_run", lambda command, *rest: run(killing, *rest))  # pyright: ignore
    with pytest.raises(ArtifactInvalidError, match="SIGSEGV") as caught:
        turnout.push(model, "m", repository=tmp_path, sample=rows)
    assert "last words" in (caught.value.hint or "")
    assert versions(tmp_path) == []


def test_a_trial_that_never_ends_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = flowers()
    run = isolation._run  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(isolation, "_run", lambda command, *rest: run(["sleep", "60"], *rest))  # pyright: ignore
    with pytest.raises(ArtifactInvalidError, match="in time"):
        turnout.push(model, "m", repository=tmp_path, sample=rows, timeout_s=0.2)
    assert versions(tmp_path) == []
