"""Plain records shared by every package: signatures as they stand in manifests, snapshots and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from typing_extensions import Buffer

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128", "string",
)  # fmt: skip
"""Every element type that can cross the wire, by the name used in manifests, snapshots and the CLI."""

DEFAULT_SIGNATURE = "serving_default"
"""What a request that names no signature gets: the framework's own `predict`, as one output."""


WireTensor: TypeAlias = tuple[str, str, tuple[int, ...], Buffer | Sequence[bytes]]
"""(name, dtype, shape, data): `data` is C-contiguous little-endian bytes, or a sequence of bytes for dtype `string`."""

ResultTensor: TypeAlias = tuple[str, str, tuple[int, ...], bytearray | list[bytes]]
"""(name, dtype, shape, data) of an answer; `data` belongs to the caller."""

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What `json.loads` returns."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named input or output of a signature.

    Attributes:
        name: what clients call it.
        tensor: what the engine calls it.
        dtype: one of `DTYPES`.
        shape: dimensions, None for one that varies; None as a whole for unknown rank.
    """

    name: str
    tensor: str
    dtype: str
    shape: tuple[int | None, ...] | None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Reads the record that `to_json` writes."""
        shape = record["shape"]
        return cls(record["name"], record["tensor"], record["dtype"], None if shape is None else tuple(shape))

    def to_json(self) -> dict[str, Any]:
        """Returns a record of JSON types."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "tensor": self.tensor, "dtype": self.dtype, "shape": shape}


@dataclass(frozen=True, slots=True)
class Signature:
    """A named set of inputs and outputs that a version answers to."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Reads the record that `to_json` writes."""
        inputs = tuple(TensorSpec.from_json(spec) for spec in record["inputs"])
        outputs = tuple(TensorSpec.from_json(spec) for spec in record["outputs"])
        return cls(record["name"], inputs, outputs)

    def to_json(self) -> dict[str, Any]:
        """Returns a record of JSON types."""
        return {
            "name": self.name,
            "inputs": [spec.to_json() for spec in self.inputs],
            "outputs": [spec.to_json() for spec in self.outputs],
        }
