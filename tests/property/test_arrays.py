from typing import Any, cast

import ml_dtypes
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from typing_extensions import Buffer

from turnout.data.arrays import from_wire, to_wire
from turnout.errors import InvalidInputError
from turnout.types import DTYPES

NUMERIC = [name for name in DTYPES if name not in ("string", "bfloat16")]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=8, min_side=0, max_side=3)


def there_and_back(array: NDArray[Any]) -> NDArray[Any]:
    name, dtype, shape, data = to_wire("x_bytes", array)
    payload: Any = data if isinstance(data, list) else bytearray(cast("Buffer", data))
    return from_wire((name, dtype, shape, payload))[1]


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    """Arrays of every numeric type, of either byte order, as views with steps and in either memory order."""
    dtype = np.dtype(draw(st.sampled_from(NUMERIC)))
    dtype = draw(st.sampled_from([dtype.newbyteorder("<"), dtype.newbyteorder(">")]))
    array = draw(hnp.arrays(dtype, SHAPES))
    if draw(st.booleans()):
        array = array.T
    if array.ndim and draw(st.booleans()):
        array = array[::-1]
    return array


@given(arrays())
def test_numbers_come_back_bit_for_bit(array: NDArray[Any]) -> None:
    back = there_and_back(array)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.shape == array.shape
    assert back.tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


@given(hnp.arrays(np.uint16, SHAPES))
def test_bfloat16_comes_back_bit_for_bit(bits: NDArray[np.uint16]) -> None:
    array = bits.view(ml_dtypes.bfloat16)
    assert there_and_back(array).tobytes() == array.tobytes()


@given(hnp.arrays(object, SHAPES, elements=st.one_of(st.binary(max_size=9), st.text(max_size=9))))
def test_strings_come_back_as_their_bytes(array: NDArray[Any]) -> None:
    back = there_and_back(array)
    assert back.shape == array.shape
    expected = [item if isinstance(item, bytes) else item.encode() for item in array.reshape(-1).tolist()]
    assert back.reshape(-1).tolist() == expected


@given(hnp.arrays(np.int64, SHAPES), st.sampled_from(["int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64"]))
def test_integers_are_converted_whole_or_refused(array: NDArray[np.int64], dtype: str) -> None:
    bounds = np.iinfo(dtype)
    fits = array.size == 0 or (int(array.min()) >= bounds.min and int(array.max()) <= bounds.max)
    try:
        tensor = to_wire("x", array, dtype)
    except InvalidInputError:
        assert not fits
    else:
        assert fits
        assert bytes(cast("Buffer", tensor[3])) == array.astype(dtype).tobytes()
