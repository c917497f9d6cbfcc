"""Reads files of recorded calls: TFRecord files of `PredictionLog` messages.

Source: TensorFlow's guide "TFRecord and tf.train.Example" for the file; `prediction_log.proto` and `logging.proto` of
TensorFlow Serving for the numbers of the fields.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from turnout import _dataplane
from turnout.client import protobuf
from turnout.data.arrays import outputs_from_wire
from turnout.errors import InternalError, InvalidInputError, MalformedRequestError, RequestTooLargeError

SUFFIX = ".tfrecord"
MAX_RECORD_BYTES = 2**31 - 1
"""What protobuf can hold."""

_LENGTH = struct.Struct("<Q")
_CHECK = struct.Struct("<I")
_KINDS = {
    2: "classify_log",
    3: "regress_log",
    4: "multi_inference_log",
    5: "session_run_log",
    6: "predict_log",
    7: "predict_streamed_log",
}
_PREDICT = 6
_DURATION_US = 50_001
"""Turnout's own field of the metadata."""


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call.

    Attributes:
        where: file and number of the record, for people.
        model: the model that was asked.
        signature: the signature that was asked for; None for the default one.
        version: the version that answered; None where the record does not say.
        inputs: by name.
        outputs: by name; empty where only the request was recorded.
        duration_ms: from the last byte of the request to the answer, on the server; None where the record does not say.
        size_bytes: of the record.
    """

    where: str
    model: str
    signature: str | None
    version: int | None
    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]
    duration_ms: float | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class OtherKind:
    """A record of a call that is no prediction."""

    where: str
    kind: str


@dataclass(frozen=True, slots=True)
class CutShort:
    """A file that ends inside a record, as one does that is being written."""

    where: str


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Returns files as given, and those of the request log that lie in folders, the oldest first.

    Raises:
        InvalidInputError: nothing is there.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.rglob(f"*{SUFFIX}"), key=lambda file: (file.name, file))
            if not inside:
                hint = f"A file that is still being written gets the suffix `{SUFFIX}` when it is closed."
                raise InvalidInputError(f"the folder has no files of recorded calls: `{path}`", hint=hint)
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InvalidInputError(f"no such file or folder: `{path}`")
    return found


def read_calls(path: Path) -> Iterator[Call | OtherKind | CutShort]:
    """Yields what a file holds, a record at a time.

    Raises:
        MalformedRequestError: it is no TFRecord file, or a record is no `PredictionLog`.
    """
    with path.open("rb") as file:
        number = 0
        while head := file.read(_LENGTH.size + _CHECK.size):
            data = _read_data(file, head, path, number)
            if data is None:
                yield CutShort(f"`{path}`, record {number}")
                return
            yield parse_call(data, f"`{path}`, record {number}")
            number += 1


def _read_data(file: BinaryIO, head: bytes, path: Path, number: int) -> bytes | None:
    if len(head) < _LENGTH.size + _CHECK.size:
        return None
    (length,) = _LENGTH.unpack_from(head)
    if _CHECK.unpack_from(head, _LENGTH.size)[0] != _dataplane.masked_crc32c(head[: _LENGTH.size]):
        raise _corrupted(path, number)
    if length > MAX_RECORD_BYTES:
        message = f"a record is too large: expected at most {MAX_RECORD_BYTES} bytes, got {length}"
        raise MalformedRequestError(f"{message}: `{path}`, record {number}")
    if path.stat().st_size < file.tell() + length + _CHECK.size:
        return None
    data = file.read(length)
    if _CHECK.unpack(file.read(_CHECK.size))[0] != _dataplane.masked_crc32c(data):
        raise _corrupted(path, number)
    return data


def _corrupted(path: Path, number: int) -> MalformedRequestError:
    hint = "Expected is a TFRecord file of `PredictionLog` messages: a request log or a warm-up file."
    return MalformedRequestError(f"a record is corrupted: `{path}`, record {number}", hint=hint)


def parse_call(data: bytes, where: str) -> Call | OtherKind:
    """Reads one `PredictionLog`.

    Raises:
        MalformedRequestError: it is none.
    """
    try:
        return _parse_call(data, where)
    except (InternalError, InvalidInputError, MalformedRequestError, RequestTooLargeError) as error:
        raise MalformedRequestError(f"a record is no `PredictionLog`: {where}: {error}") from error


def _parse_call(data: bytes, where: str) -> Call | OtherKind:
    fields = protobuf.read_fields(data)
    kind = next((number for number in _KINDS if number in fields), None)
    if kind != _PREDICT:
        return OtherKind(where, "unknown" if kind is None else _KINDS[kind])
    metadata = protobuf.read_fields(protobuf.payload(fields, 1))
    log = protobuf.read_fields(protobuf.payload(fields, _PREDICT))
    model, signature, inputs = _dataplane.decode_predict_request(protobuf.payload(log, 1))
    answered_by, outputs = _dataplane.decode_predict_response(protobuf.payload(log, 2))
    duration_us = protobuf.integer(metadata, _DURATION_US) if _DURATION_US in metadata else None
    return Call(
        where,
        model,
        signature or None,
        answered_by or None,
        outputs_from_wire(inputs),
        outputs_from_wire(outputs),
        None if duration_us is None else duration_us / 1000,
        len(data),
    )
