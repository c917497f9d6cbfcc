"""Building and finishing ONNX graphs: fresh names, inputs as clients send them, declared shapes that are true."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnout.convert.tables import MATRIX_INPUT, Column, Layout
from turnout.errors import UnsupportedError
from turnout.host.extras import require
from turnout.types import TensorSpec

OPSET = 18
ML_OPSET = 3
IR_VERSION = 9
"""Old enough for every ONNX Runtime that is supported, new enough for every operator that is used here."""

ML_DOMAIN = "ai.onnx.ml"
BATCH = "batch"
"""The name of the first dimension, the same in every input and output."""

MATRIX = "turnout_matrix"
"""What converters call the matrix of all columns; `finish` gives it the name that clients use."""


def onnx_library() -> Any:
    """Returns the module `onnx`.

    Raises:
        RuntimeMissingError: it is not installed.
    """
    return require("onnx", "sklearn")


class GraphBuilder:
    """Collects nodes and constants under names that cannot clash with those of others."""

    def __init__(self, prefix: str = "turnout") -> None:
        self._onnx = onnx_library()
        self._prefix = prefix
        self._count = 0
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def name(self, hint: str) -> str:
        """Returns a name that was not given out before."""
        self._count += 1
        return f"{self._prefix}/{hint}_{self._count}"

    def constant(self, value: NDArray[Any], hint: str = "constant") -> str:
        """Adds a constant and returns its name. Arrays of objects are taken as text."""
        name = self.name(hint)
        self.constants.append(self._onnx.numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, domain: str = "", **attributes: Any) -> str:
        """Adds a node with one output and returns the output's name."""
        name = output or self.name(operator)
        node = self._onnx.helper.make_node(
            operator, list(inputs), [name], name=self.name(f"node_{operator}"), domain=domain, **attributes
        )
        self.nodes.append(node)
        return name

    def cast(self, tensor: str, dtype: np.dtype[Any]) -> str:
        """Adds a conversion of the element type."""
        return self.add("Cast", tensor, to=self._onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def model(self, inputs: Sequence[Any], outputs: Sequence[str]) -> Any:
        """Returns a model of what was added; the outputs' types are left to `finish`."""
        helper = self._onnx.helper
        values = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(self.nodes, "turnout", list(inputs), values, self.constants)
        return with_versions(helper.make_model(graph))


def with_versions(model: Any) -> Any:
    """Says which versions of the operators a model uses: those that every converter is asked for."""
    make = onnx_library().helper.make_opsetid
    replace_items(model.opset_import, [make("", OPSET), make(ML_DOMAIN, ML_OPSET)])
    model.ir_version = IR_VERSION
    return model


def matrix_input(width: int) -> Any:
    """Returns the declaration of the one matrix that converters of numbers start from."""
    return tensor_info(MATRIX, np.dtype(np.float32), (width,))


def tensor_info(name: str, dtype: np.dtype[Any], trailing: tuple[int, ...]) -> Any:
    """Returns the declaration of a tensor whose first dimension is the batch."""
    onnx = onnx_library()
    element = onnx.TensorProto.STRING if dtype.kind in "OSU" else onnx.helper.np_dtype_to_tensor_dtype(dtype)
    return onnx.helper.make_tensor_value_info(name, element, [BATCH, *trailing])


@dataclass(frozen=True, slots=True)
class Output:
    """An output as clients are to see it: element type and dimensions are those of the framework's own answer.

    Attributes:
        tensor: its name in the graph.
        dtype: element type; float64 is answered as float32, as all converters compute.
        trailing: its dimensions after the first.
    """

    tensor: str
    dtype: np.dtype[Any]
    trailing: tuple[int, ...]

    @classmethod
    def like(cls, tensor: str, answer: NDArray[Any]) -> "Output":
        """Returns the output that answers as the framework does."""
        is_wide = answer.dtype == np.float64 or answer.dtype == np.float16
        return cls(tensor, np.dtype(np.float32) if is_wide else answer.dtype, tuple(answer.shape[1:]))

    def spec(self, name: str) -> TensorSpec:
        """Returns what the signature says."""
        return TensorSpec(name, self.tensor, _dtype_name(self.dtype), (None, *self.trailing))


def input_specs(layout: Layout) -> tuple[TensorSpec, ...]:
    """Returns the inputs of every signature of a model."""
    if not layout.named:
        return (TensorSpec(MATRIX_INPUT, MATRIX_INPUT, "float32", (None, layout.width)),)
    return tuple(TensorSpec(column.name, column.name, column.dtype, (None,)) for column in layout.columns)


def finish(model: Any, layout: Layout, outputs: Sequence[Output]) -> Any:
    """Gives a model the inputs of its layout, and outputs whose declared types and shapes are what they answer.

    Args:
        model: as a converter made it; it takes `MATRIX`, or each column by name as [batch, 1].
        layout: what clients send.
        outputs: what the model's outputs become, in the same order.

    Raises:
        UnsupportedError: the converter declares an element type that cannot become the framework's.
    """
    model = with_versions(onnx_library().compose.add_prefix(model, _INNER))
    graph = model.graph
    builder = GraphBuilder("turnout/edge")
    columns = _take_columns(builder, layout) if layout.named else {MATRIX: MATRIX_INPUT}
    inner: dict[str, str] = {f"{_INNER}{name}": tensor for name, tensor in columns.items()}
    rename_inputs(graph, inner)
    front = list(builder.nodes)
    builder.nodes.clear()
    raw: list[tuple[str, int, int]] = [(value.name, *_declared(value)) for value in graph.output]
    for (name, element, rank), output in zip(raw, outputs, strict=True):
        _fix_output(builder, inner.get(name, name), element, rank, output)
    replace_items(graph.input, _inputs(layout))
    replace_items(graph.node, [*front, *graph.node, *builder.nodes])
    graph.initializer.extend(builder.constants)
    replace_items(graph.output, [tensor_info(output.tensor, output.dtype, output.trailing) for output in outputs])
    replace_items(graph.value_info, [])
    onnx_library().checker.check_model(model)
    return model


_INNER = "inner/"
"""Put before all names of a converter's own, so that none can be the name of a column or an output."""


def _inputs(layout: Layout) -> list[Any]:
    if not layout.named:
        return [tensor_info(MATRIX_INPUT, np.dtype(np.float32), (layout.width,))]
    return [tensor_info(column.name, _column_dtype(column), ()) for column in layout.columns]


def _take_columns(builder: GraphBuilder, layout: Layout) -> dict[str, str]:
    """Adds [batch] → [batch, 1] for each column, and the matrix of them; returns the new names by the converter's."""
    axis = builder.constant(np.array([1], dtype=np.int64), "axis")
    inner = {column.name: builder.add("Unsqueeze", column.name, axis) for column in layout.columns}
    if all(column.dtype == "float32" for column in layout.columns):
        inner[MATRIX] = builder.add("Concat", *inner.values(), axis=1)
    return inner


def _column_dtype(column: Column) -> np.dtype[Any]:
    return np.dtype(object) if column.dtype == "string" else np.dtype(np.float32)


def rename_inputs(graph: Any, names: Mapping[str, str]) -> None:
    """Renames tensors where nodes read them."""
    for node in graph.node:
        replace_items(node.input, [names.get(name, name) for name in node.input])


def _declared(value: Any) -> tuple[int, int]:
    """Returns the element type and the rank that a converter declares for an output; element type 0 is unknown."""
    tensor = value.type.tensor_type
    return tensor.elem_type, len(tensor.shape.dim)


def _fix_output(builder: GraphBuilder, raw: str, element: int, rank: int, output: Output) -> None:
    """Adds what turns the converter's output into the framework's: element type, shape and the name for clients."""
    is_text = element == onnx_library().TensorProto.STRING
    if element and is_text != (output.dtype.kind in "OSU"):
        raise UnsupportedError(
            f"the converter answers `{output.tensor}` with another element type: expected `{output.dtype}`"
        )
    if element and not is_text and element != _element(output.dtype):
        raw = builder.cast(raw, output.dtype)
    if element and rank != 1 + len(output.trailing):
        shape = builder.constant(np.array([-1, *output.trailing], dtype=np.int64), "shape")
        raw = builder.add("Reshape", raw, shape)
    builder.add("Identity", raw, output=output.tensor)


def _element(dtype: np.dtype[Any]) -> int:
    return int(onnx_library().helper.np_dtype_to_tensor_dtype(dtype))


def replace_items(repeated: Any, items: Iterable[Any]) -> None:
    """Replaces the content of a repeated field, which protobuf does not let one assign."""
    kept = list(items)
    del repeated[:]
    repeated.extend(kept)


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return "string" if dtype.kind in "OSU" else dtype.name
