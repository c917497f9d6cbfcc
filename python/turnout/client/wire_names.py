"""Element types and signatures as TensorFlow Serving's interfaces write them.

Source: `types.proto`, `tensor_shape.proto` and `meta_graph.proto` of TensorFlow: numbers and names are facts.
"""

from turnout.types import DEFAULT_SIGNATURE, Signature

_TYPES = (
    ("float32", "DT_FLOAT", 1), ("float64", "DT_DOUBLE", 2), ("int32", "DT_INT32", 3), ("uint8", "DT_UINT8", 4),
    ("int16", "DT_INT16", 5), ("int8", "DT_INT8", 6), ("string", "DT_STRING", 7), ("complex64", "DT_COMPLEX64", 8),
    ("int64", "DT_INT64", 9), ("bool", "DT_BOOL", 10), ("bfloat16", "DT_BFLOAT16", 14), ("uint16", "DT_UINT16", 17),
    ("complex128", "DT_COMPLEX128", 18), ("float16", "DT_HALF", 19), ("uint32", "DT_UINT32", 22),
    ("uint64", "DT_UINT64", 23),
)  # fmt: skip

DTYPE_BY_NAME = {name: dtype for dtype, name, _ in _TYPES}
DTYPE_BY_NUMBER = {number: dtype for dtype, _, number in _TYPES}

VERSION_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}

STATUS_NAMES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""The status codes of gRPC by their number."""


def default_first(signatures: dict[str, Signature]) -> tuple[Signature, ...]:
    """Returns signatures with the default one first and the others by name; the wire keeps no order."""
    names = sorted(signatures, key=lambda name: (name != DEFAULT_SIGNATURE, name))
    return tuple(signatures[name] for name in names)
