"""TFRecord files by hand, and TensorFlow's own reader and writer in a process of their own."""

import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.support.savedmodel import PYTHON
from tests.support.serving_stubs import serving_stubs

_POLYNOMIAL = 0x82F63B78


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit: slow and obvious."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(data: bytes) -> bytes:
    """One record as it stands in a file."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def unframe(file: bytes) -> Iterator[bytes]:
    """The records of a whole file; every check has to hold."""
    while file:
        (length,) = struct.unpack("<Q", file[:8])
        data, rest = file[12 : 12 + length], file[12 + length :]
        assert (file[8:12], rest[:4]) == (_masked(file[:8]), _masked(data))
        yield data
        file = rest[4:]


def predict_log(request: Any, response: Any = None) -> Any:
    """A `PredictionLog` of a call."""
    log = serving_stubs().prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    if response is not None:
        log.predict_log.response.CopyFrom(response)
    return log


def write_logs(path: Path, logs: Iterable[Any]) -> None:
    """Writes messages as a file of records, and the folder that it is to lie in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(frame(log.SerializeToString()) for log in logs))


def read_logs(path: Path) -> list[Any]:
    """The `PredictionLog` messages of a file."""
    parse = serving_stubs().prediction_log_pb2.PredictionLog.FromString
    return [parse(data) for data in unframe(path.read_bytes())]


def write_by_tensorflow(path: Path, records: list[bytes]) -> None:
    """Has TensorFlow write a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = (
        "import sys, tensorflow as tf\n"
        "with tf.io.TFRecordWriter(sys.argv[1]) as writer:\n"
        "    [writer.write(bytes.fromhex(line)) for line in sys.stdin.read().splitlines()]\n"
    )
    lines = "".join(f"{record.hex()}\n" for record in records)
    subprocess.run([PYTHON, "-c", code, path], input=lines, text=True, check=True, capture_output=True)


def read_by_tensorflow(path: Path) -> list[bytes]:
    """Has TensorFlow read a file."""
    code = (
        "import sys, tensorflow as tf\n"
        "[print(record.numpy().hex()) for record in tf.data.TFRecordDataset(sys.argv[1])]\n"
    )
    read = subprocess.run([PYTHON, "-c", code, path], text=True, check=True, capture_output=True)
    return [bytes.fromhex(line) for line in read.stdout.splitlines()]
