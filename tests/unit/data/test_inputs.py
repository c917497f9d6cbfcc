from typing import Any

import numpy as np
import pytest

from turnout.data.inputs import Inputs, name_inputs
from turnout.errors import InvalidInputError
from turnout.types import Signature, TensorSpec


def signature(**shapes: tuple[int | None, ...] | None) -> Signature:
    return Signature("serving_default", tuple(TensorSpec(name, name, "float32", shapes[name]) for name in shapes), ())


ORDERS = signature(price=(None,), qty=(None,))


class Frame:
    """A data frame as far as names are concerned."""

    def __init__(self, *columns: str) -> None:
        self.columns = columns

    def __getitem__(self, column: str) -> Any:
        return self

    def to_numpy(self) -> Any:
        return np.zeros(2)


def test_rows_become_columns() -> None:
    rows = [{"price": 1.0, "qty": 2}, {"qty": 4, "price": 3.0}]
    assert name_inputs(rows, ORDERS) == {"price": [1.0, 3.0], "qty": [2, 4]}
    assert name_inputs([{"x": [1.0, 2.0]}], signature(x=(None, 2))) == {"x": [[1.0, 2.0]]}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            [{"price": 1.0, "qty": 2}, {"price": 1.0}],
            "row 1 has other keys than row 0: got `price`, expected `price`, ",
        ),
        ([{"price": 1.0}], "do not match the signature: got `price`, expected `price`, `qty`"),
        ({"price": [1.0], "qty": [2], "zip": [3]}, "got `price`, `qty`, `zip`, expected `price`, `qty`"),
        ({}, "got none, expected `price`, `qty`"),
        (Frame("price", "qty", "zip"), "got `price`, `qty`, `zip`, expected `price`, `qty`"),
        ([1.0], "one array was given, but the signature has 2 inputs: `price`, `qty`"),
    ],
    ids=["ragged rows", "rows", "extra", "empty", "extra of a frame", "bare"],
)
def test_inputs_that_do_not_fit_are_refused(inputs: Inputs, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        name_inputs(inputs, ORDERS)


@pytest.mark.parametrize(
    ("first", "second"), [((None, None), (None, None)), ((2, 3), (None,)), (None, (None,)), ((), (None,))]
)
def test_inputs_without_rows_in_common_may_differ_in_length(
    first: tuple[int | None, ...] | None, second: tuple[int | None, ...]
) -> None:
    inputs = {"a": np.ones((2, 3)), "b": np.ones(3)}
    assert name_inputs(inputs, signature(a=first, b=second)) is inputs


def test_what_has_no_length_is_left_to_the_server() -> None:
    assert name_inputs({"price": 1.0, "qty": [1]}, ORDERS) == {"price": 1.0, "qty": [1]}
    assert name_inputs({"price": np.float32(1), "qty": "x"}, ORDERS) == {"price": np.float32(1), "qty": "x"}
