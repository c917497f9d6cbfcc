"""The few facts of an ONNX file that are needed before any runtime opens it, read without reading the weights.

The format is a protobuf message. Fields that are of no interest are skipped, so that gigabytes take milliseconds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias

from turnout.errors import ArtifactInvalidError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 64
"""Graphs within attributes of nodes within graphs; deeper nesting is no model."""

_MAX_TEXT_BYTES = 64 * 1024

_Visit: TypeAlias = Callable[["_Message", "OnnxSummary", int], None]


@dataclass(slots=True)
class OnnxSummary:
    """What an ONNX file says of itself.

    Attributes:
        ir_version: version of the format.
        producer: the program that wrote it; empty where it does not say.
        opsets: version of the operators by domain.
        has_graph: whether there is a graph, without which a file is no model.
        external_files: files beside it that hold tensors, in the order of first use.
    """

    ir_version: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict[str, int])
    has_graph: bool = False
    external_files: list[str] = field(default_factory=list[str])


def read_summary(path: Path) -> OnnxSummary:
    """Reads the facts of an ONNX file.

    Raises:
        ArtifactInvalidError: the file cannot be read or is not such a message.
    """
    summary = OnnxSummary()
    try:
        with path.open("rb") as stream:
            size_bytes = stream.seek(0, 2)
            _visit_model(_Message(stream, 0, size_bytes), summary, 0)
    except OSError as error:
        raise ArtifactInvalidError(f"the file cannot be read: {error.strerror or error}: `{path}`") from error
    except (_MalformedError, UnicodeDecodeError) as error:
        raise ArtifactInvalidError(f"not an ONNX file: {error}: `{path}`") from error
    return summary


class _MalformedError(Exception):
    """The bytes are no message of the format."""


@dataclass(frozen=True, slots=True)
class _Message:
    """A span of the file that holds a message."""

    stream: BinaryIO
    start: int
    end: int

    def fields(self) -> Iterator[tuple[int, int, int]]:
        """Yields (field number, value or start, end); of a number the value, of bytes their span in the file."""
        position = self.start
        while position < self.end:
            self.stream.seek(position)
            key = self._varint()
            number, wire_type = key >> 3, key & 7
            if wire_type == _VARINT:
                value = self._varint()
                position = self.stream.tell()
                yield number, value, -1
                continue
            length = self._varint() if wire_type == _BYTES else {_FIXED64: 8, _FIXED32: 4}.get(wire_type, -1)
            start = self.stream.tell()
            position = start + length
            if length < 0 or position > self.end or number == 0:
                raise _MalformedError(f"a field at byte {start} reaches beyond the end")
            yield number, start, position

    def inner(self, start: int, end: int) -> "_Message":
        """Returns the message in a span."""
        return _Message(self.stream, start, end)

    def text(self, start: int, end: int) -> str:
        """Returns the text in a span."""
        if end - start > _MAX_TEXT_BYTES:
            raise _MalformedError(f"a name of {end - start} bytes")
        self.stream.seek(start)
        return self.stream.read(end - start).decode()

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.stream.read(1)
            if not byte:
                break
            value |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:
                return value
        raise _MalformedError(f"a number is cut off at byte {self.stream.tell()}")


def _visit_model(model: _Message, summary: OnnxSummary, depth: int) -> None:
    for number, start, end in model.fields():
        if number == 1 and end < 0:
            summary.ir_version = start
        elif number == 2 and end >= 0:
            summary.producer = model.text(start, end)
        elif number == 7 and end >= 0:
            summary.has_graph = True
            _visit_graph(model.inner(start, end), summary, depth)
        elif number == 8 and end >= 0:
            _read_opset(model.inner(start, end), summary)
        elif number == 25 and end >= 0:
            _visit(model.inner(start, end), summary, depth, {7: _visit_node})  # functions


def _read_opset(entry: _Message, summary: OnnxSummary) -> None:
    domain, version = "", 0
    for number, start, end in entry.fields():
        if number == 1 and end >= 0:
            domain = entry.text(start, end)
        elif number == 2 and end < 0:
            version = start
    summary.opsets[domain] = version


def _visit(message: _Message, summary: OnnxSummary, depth: int, visits: Mapping[int, _Visit]) -> None:
    if depth > _MAX_DEPTH:
        raise _MalformedError(f"nested deeper than {_MAX_DEPTH} times")
    for number, start, end in message.fields():
        visit = visits.get(number)
        if visit is not None and end >= 0:
            visit(message.inner(start, end), summary, depth + 1)


def _visit_graph(graph: _Message, summary: OnnxSummary, depth: int) -> None:
    _visit(graph, summary, depth, {1: _visit_node, 5: _visit_tensor, 15: _visit_sparse_tensor})


def _visit_node(node: _Message, summary: OnnxSummary, depth: int) -> None:
    _visit(node, summary, depth, {5: _visit_attribute})


def _visit_attribute(attribute: _Message, summary: OnnxSummary, depth: int) -> None:
    visits: dict[int, _Visit] = {5: _visit_tensor, 6: _visit_graph, 10: _visit_tensor, 11: _visit_graph}
    _visit(attribute, summary, depth, {**visits, 22: _visit_sparse_tensor, 23: _visit_sparse_tensor})


def _visit_sparse_tensor(tensor: _Message, summary: OnnxSummary, depth: int) -> None:
    _visit(tensor, summary, depth, {1: _visit_tensor, 2: _visit_tensor})


def _visit_tensor(tensor: _Message, summary: OnnxSummary, depth: int) -> None:
    _visit(tensor, summary, depth, {13: _visit_external_data})


def _visit_external_data(entry: _Message, summary: OnnxSummary, _depth: int) -> None:
    key, value = "", ""
    for number, start, end in entry.fields():
        if number == 1 and end >= 0:
            key = entry.text(start, end)
        elif number == 2 and end >= 0:
            value = entry.text(start, end)
    if key == "location" and value not in summary.external_files:
        summary.external_files.append(value)
