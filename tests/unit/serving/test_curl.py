from typing import Any

import pytest

from turnout.serving.curl import example_curl
from turnout.types import Signature, TensorSpec

Inputs = dict[str, tuple[str, tuple[int | None, ...] | None]]


def signature(inputs: Inputs) -> Signature:
    return Signature("s", tuple(TensorSpec(name, name, *rest) for name, rest in inputs.items()), ())


@pytest.mark.parametrize(
    ("inputs", "body"),
    [
        ({"x": ("float32", (None, 2))}, '{"instances": [[0.0, 0.0]]}'),
        ({"x": ("int64", (None,))}, '{"instances": [0]}'),
        ({"x": ("float32", (None, None, 2))}, '{"instances": [[[0.0, 0.0]]]}'),
        ({"a": ("string", (None,)), "b": ("bool", (None, 1))}, '{"instances": [{"a": "", "b": [false]}]}'),
    ],
)
def test_an_example_is_one_row_of_zeros(inputs: Inputs, body: str) -> None:
    curl = example_curl("http://h:1", "m", signature(inputs))
    assert curl == f"curl -d '{body}' http://h:1/v1/models/m:predict"


@pytest.mark.parametrize("shape", [None, (), (None, 1000)], ids=["unknown", "scalar", "large"])
def test_there_is_no_example_where_it_would_be_long_or_a_guess(shape: tuple[int | None, ...] | None) -> None:
    assert example_curl("http://h:1", "m", signature({"x": ("float32", shape)})) is None


def test_rows_can_be_given_and_sockets_are_reached() -> None:
    rows: Any = [["it's"]]
    curl = example_curl("http+unix:///run/a b", "m", signature({"x": ("string", (None,))}), rows)
    assert curl is not None
    assert curl.startswith(
        "curl -d '{\"instances\": [[\"it'\"'\"'s\"]]}' --unix-socket '/run/a b' http://localhost/v1/"
    )
