"""The messages of Predict against protobuf's own reading and writing of them."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.serving_stubs import serving_stubs
from turnout import _dataplane

STUBS = serving_stubs()

# dtype: (number of `DataType`, typed field, what the field holds)
FIELDS: dict[str, tuple[int, str, Any]] = {
    "float32": (1, "float_val", np.float32),
    "float64": (2, "double_val", np.float64),
    "int32": (3, "int_val", np.int32),
    "uint8": (4, "int_val", np.uint8),
    "int16": (5, "int_val", np.int16),
    "int8": (6, "int_val", np.int8),
    "int64": (9, "int64_val", np.int64),
    "bool": (10, "bool_val", np.bool_),
    "uint16": (17, "int_val", np.uint16),
    "float16": (19, "half_val", np.float16),
    "uint32": (22, "uint32_val", np.uint32),
    "uint64": (23, "uint64_val", np.uint64),
}

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, NDArray[Any]]:
    """A dtype's name, and values of any bit pattern that it has."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    kind = np.dtype(FIELDS[name][2])
    shape = draw(shapes)
    count = int(np.prod(shape)) * kind.itemsize
    data = draw(st.binary(min_size=count, max_size=count))
    if name == "bool":
        data = bytes(byte & 1 for byte in data)
    return name, np.frombuffer(data, kind).reshape(shape)


def typed(name: str, array: NDArray[Any]) -> Any:
    """A `TensorProto` with typed fields, as protobuf itself writes it."""
    number, field, _ = FIELDS[name]
    proto = STUBS.tensor_pb2.TensorProto(dtype=number)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.reshape(-1)
    values = flat.view(np.uint16) if name == "float16" else flat
    getattr(proto, field).extend(values.tolist())
    return proto


@given(arrays(), st.none() | st.integers(-5, 2**62), st.text(max_size=5))
def test_protobuf_reads_the_requests(case: tuple[str, NDArray[Any]], version: int | None, signature: str) -> None:
    name, array = case
    inputs = [("x", name, array.shape, array.tobytes())]
    encoded = _dataplane.encode_predict_request("model", version, signature, inputs)
    request = STUBS.predict_pb2.PredictRequest.FromString(encoded)
    spec = request.model_spec
    assert (spec.name, spec.signature_name) == ("model", signature)
    assert (spec.version.value if spec.HasField("version") else None) == version
    proto = request.inputs["x"]
    assert proto.dtype == FIELDS[name][0]
    assert tuple(dim.size for dim in proto.tensor_shape.dim) == array.shape
    assert proto.tensor_content == array.tobytes()


@given(st.lists(st.binary(max_size=6), max_size=6))
def test_protobuf_reads_the_texts_of_requests(texts: list[bytes]) -> None:
    encoded = _dataplane.encode_predict_request("m", None, "", [("x", "string", (len(texts),), texts)])
    assert list(STUBS.predict_pb2.PredictRequest.FromString(encoded).inputs["x"].string_val) == texts


@given(st.dictionaries(st.text(max_size=3), arrays(), max_size=3), st.integers(0, 2**62))
def test_what_protobuf_writes_is_read(outputs: dict[str, tuple[str, NDArray[Any]]], version: int) -> None:
    response = STUBS.predict_pb2.PredictResponse()
    response.model_spec.version.value = version
    for key, (name, array) in outputs.items():
        response.outputs[key].CopyFrom(typed(name, array))
    got_version, got = _dataplane.decode_predict_response(response.SerializeToString())
    assert (got_version, {key for key, *_ in got}) == (version, set(outputs))
    for key, name, shape, data in got:
        expected_name, expected = outputs[key]
        assert (name, shape) == (expected_name, expected.shape)
        assert isinstance(data, bytearray)
        nan = name.startswith("float") and np.isnan(expected).any()
        # Python's floats may change the bits of a NaN on their way into the message.
        same = np.array_equal(np.frombuffer(data, expected.dtype), expected.reshape(-1), equal_nan=bool(nan))
        assert same


@given(st.binary(max_size=80))
def test_noise_is_an_error_or_an_answer(noise: bytes) -> None:
    try:
        _dataplane.decode_predict_response(noise)
    except ValueError:
        return
