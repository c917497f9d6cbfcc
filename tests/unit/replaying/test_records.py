"""Files of records, made by TensorFlow Serving's own message classes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.serving_stubs import serving_stubs
from tests.support.tfrecords import frame, predict_log, write_logs
from turnout.errors import InvalidInputError, MalformedRequestError
from turnout.replaying.records import Call, CutShort, OtherKind, find_files, parse_call, read_calls

STUBS = serving_stubs()


def log(value: float) -> Any:
    """A recorded call of a model that doubles."""

    def tensor(number: float) -> Any:
        proto = STUBS.tensor_pb2.TensorProto(dtype=STUBS.types_pb2.DT_FLOAT, float_val=[number])
        proto.tensor_shape.dim.add(size=1)
        return proto

    request = STUBS.predict_pb2.PredictRequest()
    request.model_spec.name = "double"
    request.inputs["x"].CopyFrom(tensor(value))
    response = STUBS.predict_pb2.PredictResponse()
    response.model_spec.version.value = 3
    response.outputs["y"].CopyFrom(tensor(2 * value))
    return predict_log(request, response)


def test_calls_are_read_in_the_order_of_the_file(tmp_path: Path):
    path = tmp_path / "log"
    write_logs(path, [log(1.0), log(-2.5)])
    first, second = read_calls(path)
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    assert (first.where, second.where) == (f"`{path}`, record 0", f"`{path}`, record 1")
    assert (first.model, first.signature, first.version, first.duration_ms) == ("double", None, 3, None)
    assert (second.inputs["x"].tolist(), second.outputs["y"].tolist()) == ([-2.5], [-5.0])
    assert second.inputs["x"].dtype == np.float32


def test_a_file_that_ends_inside_a_record_says_so(tmp_path: Path):
    path = tmp_path / "log"
    whole = frame(log(1.0).SerializeToString())
    for length in (1, 11, 12, len(whole) - 5, len(whole) - 1):
        path.write_bytes(whole + whole[:length])
        call, end = read_calls(path)
        assert isinstance(call, Call)
        assert end == CutShort(f"`{path}`, record 1")


def test_what_is_corrupted_is_refused_with_its_place(tmp_path: Path):
    path = tmp_path / "log"
    whole = frame(log(1.0).SerializeToString())
    for position in range(len(whole)):
        changed = bytearray(whole + whole)
        changed[len(whole) + position] ^= 1
        path.write_bytes(changed)
        records = read_calls(path)
        next(records)
        with pytest.raises(MalformedRequestError, match=r"a record is corrupted: `.*`, record 1"):
            next(records)


def test_records_of_other_kinds_are_named():
    for kind in ("classify_log", "regress_log", "multi_inference_log", "session_run_log"):
        message = STUBS.prediction_log_pb2.PredictionLog()
        getattr(message, kind).SetInParent()
        assert parse_call(message.SerializeToString(), "here") == OtherKind("here", kind)
    assert parse_call(b"", "here") == OtherKind("here", "unknown")


def test_what_is_no_message_is_refused():
    bad_tensor = log(1.0)
    bad_tensor.predict_log.request.inputs["x"].tensor_content = b"123"
    for data in (b"\xff", b"text", bad_tensor.SerializeToString()):
        with pytest.raises(MalformedRequestError, match=r"a record is no `PredictionLog`: here: "):
            parse_call(data, "here")


def test_folders_give_the_closed_files_of_all_models_the_oldest_first(tmp_path: Path):
    for name in ("b/2-x.tfrecord", "a/3-x.tfrecord", "a/1-x.tfrecord", "a/4-x.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.name for path in find_files([tmp_path])]
    assert names == ["1-x.tfrecord", "2-x.tfrecord", "3-x.tfrecord"]
    assert find_files([tmp_path / "a/4-x.part"]) == [tmp_path / "a/4-x.part"]
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(InvalidInputError, match=path.name):
            find_files([path])
