from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.models import IRIS
from turnout.config.resolve import load_config
from turnout.errors import ConfigError, InvalidInputError, SignatureNotFoundError
from turnout.operations.profiling import ProfileOptions, fastest_calls, profile_path, summarize


def operator(op: str, name: str, call_us: list[float], call_runs: list[int], *, has_others: bool = False) -> Any:
    return {"op": op, "name": name, "call_us": call_us, "call_runs": call_runs, "has_others": has_others}


def test_the_slowest_tenth_of_the_calls_does_not_count() -> None:
    assert fastest_calls([5.0]) == (0,)
    assert fastest_calls([float(time) for time in range(9, 0, -1)]) == tuple(range(9))
    assert fastest_calls([3.0, 99.0, *[1.0] * 8]) == (0, 2, 3, 4, 5, 6, 7, 8, 9)
    assert len(fastest_calls([1.0] * 50)) == 45


def test_times_add_up_by_type_and_one_by_one() -> None:
    operators = [
        operator("Add", "a", [1.0, 3.0, 50.0], [1, 1, 1]),
        operator("Mul", "m", [6.0, 6.0, 50.0], [2, 2, 2]),
        operator("Add", "b", [0.0, 4.0, 50.0], [0, 1, 1]),
        operator("While", "w", [20.0, 30.0, 50.0], [1, 1, 1], has_others=True),
    ]
    one_by_one, by_type = summarize(operators, (0, 1))
    assert [(each.op, each.count, each.runs, each.total_us, each.call_us, each.share) for each in by_type] == [
        ("While", 1, 2, 50.0, 25.0, None),
        ("Mul", 1, 4, 12.0, 6.0, 0.6),
        ("Add", 2, 3, 8.0, 4.0, 0.4),
    ]
    assert [(each.name, each.total_us, each.share) for each in one_by_one] == [
        ("w", 50.0, None), ("m", 12.0, 0.6), ("a", 4.0, 0.2), ("b", 4.0, 0.2),
    ]  # fmt: skip


def test_operators_without_a_time_have_no_share_of_nothing() -> None:
    _, by_type = summarize([operator("Add", "a", [0.0], [1])], (0,))
    assert by_type[0].share == 0.0


def profile(folder: Path, **options: Any) -> Any:
    config = load_config(environ={}, home=folder, search=False)
    return profile_path(IRIS, ProfileOptions(**options), config, lambda _done, _total: None)


def test_an_onnx_model_is_measured_by_its_own_runtime(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    config = load_config(environ={}, home=tmp_path, search=False)
    found = profile_path(
        IRIS, ProfileOptions(calls=20, warm_up_calls=2), config, lambda done, total: calls.append((done, total))
    )
    assert {(each.op, each.count, each.runs) for each in found.types} == {
        ("LinearClassifier", 1, 18), ("Scaler", 1, 18), ("Normalizer", 1, 18),
    }  # fmt: skip
    assert (found.calls, found.calls_counted, found.rows) == (20, 18, 1)
    assert calls == [(done, 22) for done in range(1, 23)]
    assert sum(each.share or 0 for each in found.types) == pytest.approx(1)
    assert 0 < found.operators_us <= found.call_us


def test_rows_of_a_sample_are_what_is_called_with(tmp_path: Path) -> None:
    sample = np.ones((7, 4), np.float32)
    assert profile(tmp_path, sample=sample, calls=1).rows == 7
    assert profile(tmp_path, sample=sample, rows=3, calls=1).rows == 3
    assert profile(tmp_path, rows=5, calls=1).rows == 5
    with pytest.raises(InvalidInputError, match="input"):
        profile(tmp_path, sample=np.ones((7, 3), np.float32), calls=1)


def test_what_cannot_be_measured_says_why(tmp_path: Path) -> None:
    with pytest.raises(SignatureNotFoundError):
        profile(tmp_path, signature="nowhere")
    for calls in (0, 10_001):
        with pytest.raises(ConfigError, match="expected 1 to 10000"):
            profile(tmp_path, calls=calls)
