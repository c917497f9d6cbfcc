"""Element types and signatures as TensorFlow Serving's interfaces write them.

Source: `types.proto`, `tensor_shape.proto` and `meta_graph.proto` of TensorFlow: numbers and names are facts.
"""

from collections.abc import Mapping

from turnout.types import DEFAULT_SIGNATURE, Signature, TensorSpec

_TYPES = (
    ("float32", "DT_FLOAT", 1), ("float64", "DT_DOUBLE", 2), ("int32", "DT_INT32", 3), ("uint8", "DT_UINT8", 4),
    ("int16", "DT_INT16", 5), ("int8", "DT_INT8", 6), ("string", "DT_STRING", 7), ("complex64", "DT_COMPLEX64", 8),
    ("int64", "DT_INT64", 9), ("bool", "DT_BOOL", 10), ("bfloat16", "DT_BFLOAT16", 14), ("uint16", "DT_UINT16", 17),
    ("complex128", "DT_COMPLEX128", 18), ("float16", "DT_HALF", 19), ("uint32", "DT_UINT32", 22),
    ("uint64", "DT_UINT64", 23),
)  # fmt: skip

# Graphs of TensorFlow 1 declare references to variables; what they send is of the type itself.
_REFERENCE = 100
DTYPE_BY_NAME = {name + suffix: dtype for dtype, name, _ in _TYPES for suffix in ("", "_REF")}
DTYPE_BY_NUMBER = {number + offset: dtype for dtype, _, number in _TYPES for offset in (0, _REFERENCE)}

VERSION_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}

STATUS_NAMES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""The status codes of gRPC by their number."""


def make_signature(
    name: str, inputs: Mapping[str, TensorSpec | None], outputs: Mapping[str, TensorSpec | None]
) -> Signature | None:
    """Makes a signature; None where one of its tensors is None, which no client can send or read."""
    sent = tuple(spec for spec in inputs.values() if spec is not None)
    read = tuple(spec for spec in outputs.values() if spec is not None)
    return Signature(name, sent, read) if len(sent) + len(read) == len(inputs) + len(outputs) else None


def default_first(signatures: Mapping[str, Signature | None]) -> tuple[Signature, ...]:
    """Returns signatures with the default one first and the others by name; the wire keeps no order."""
    known = [signature for signature in signatures.values() if signature is not None]
    return tuple(sorted(known, key=lambda signature: (signature.name != DEFAULT_SIGNATURE, signature.name)))
