import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from turnout.data.samples import Sample, as_sample, parse_sample, read_sample, row_count
from turnout.errors import InvalidInputError, RuntimeMissingError


def parse(text: str, form: str) -> Sample:
    return parse_sample(io.BytesIO(text.encode()), form)


def assert_same(sample: Sample, expected: Sample) -> None:
    if isinstance(sample, np.ndarray):
        np.testing.assert_array_equal(sample, expected)
        return
    assert not isinstance(expected, np.ndarray)
    assert list(sample) == list(expected)
    for name, array in sample.items():
        np.testing.assert_array_equal(array, expected[name])


COLUMNS: dict[str, Any] = {"a": np.array([1.0, np.nan]), "b": np.array(["x", "y"], dtype=object)}
MATRIX = np.array([[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("json", "[[1, 2], [3, 4]]", MATRIX),
        ("json", '{"instances": [[1, 2], [3, 4]]}', MATRIX),
        ("json", '{"inputs": {"a": [1, null], "b": ["x", "y"]}, "signature_name": "predict"}', COLUMNS),
        ("json", '{"a": [1, null], "b": ["x", "y"]}', COLUMNS),
        ("json", '[{"a": 1, "b": "x"}, {"b": "y"}]', COLUMNS),
        ("jsonl", '{"a": 1, "b": "x"}\n\n{"a": null, "b": "y"}\n', COLUMNS),
        ("jsonl", "[1, 2]\n[3, 4]\n", MATRIX),
        ("csv", "1,2\n3,4\n", MATRIX),
        ("csv", "\ufeffa,b\r\n1,x\r\n,y\r\n", COLUMNS),
        ("csv", 'name\n"one, two"\n', {"name": np.array(["one, two"], dtype=object)}),
    ],
    ids=["rows", "instances", "inputs", "columns", "records", "lines", "line-arrays", "bare-csv", "csv", "quoted"],
)
def test_text_is_read(form: str, text: str, expected: Sample):
    assert_same(parse(text, form), expected)


def test_whole_numbers_stay_whole():
    sample = parse("id,x\n9007199254740993,0.5\n", "csv")
    assert not isinstance(sample, np.ndarray)
    assert sample["id"].dtype == np.int64
    assert sample["id"][0] == 9007199254740993


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("json", "{", "not readable as `json`"),
        ("json", "3", "expected a list of rows"),
        ("json", "[]", "expected a list of rows"),
        ("json", "[[1, 2], [3]]", "not rectangular"),
        ("json", '{"a": [1], "b": [1, 2]}', "different numbers of rows: `a` 1, `b` 2"),
        ("csv", "", "at least one row"),
        ("csv", "a,b\n1\n", "row 2 has another number of cells: expected 2, got 1"),
        ("csv", "a\n", "no rows"),
        ("npy", "nonsense", "not readable as `npy`"),
        ("xml", "", "cannot be read from this format: `xml`"),
    ],
)
def test_what_cannot_be_read_is_said(form: str, text: str, message: str):
    with pytest.raises(InvalidInputError, match=message):
        parse(text, form)


def test_arrays_are_read_and_pickles_in_them_are_not(tmp_path: Path):
    path = tmp_path / "rows.npy"
    np.save(path, MATRIX)
    assert_same(read_sample(path), MATRIX)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInputError, match=r"allow_pickle=False.*rows\.npy"):
        read_sample(path)


def test_archives_are_columns(tmp_path: Path):
    columns: dict[str, NDArray[Any]] = {"a": np.array([1.5, 2.5]), "image": np.zeros((2, 8, 8))}
    np.savez(tmp_path / "rows.npz", allow_pickle=False, **columns)
    assert_same(read_sample(tmp_path / "rows.npz"), columns)


def test_parquet_is_read(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"a": [1.0, None], "b": ["x", "y"]}), tmp_path / "rows.parquet")
    assert_same(read_sample(tmp_path / "rows.parquet"), COLUMNS)


def test_parquet_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(RuntimeMissingError) as caught:
        parse("", "parquet")
    assert caught.value.hint == "pip install 'turnout[parquet]'"


def test_files_are_named(tmp_path: Path):
    with pytest.raises(InvalidInputError, match=r"cannot be read .*missing\.json"):
        read_sample(tmp_path / "missing.json")
    with pytest.raises(InvalidInputError, match="suffix does not say"):
        read_sample(tmp_path / "rows.txt")
    (tmp_path / "bad.json").write_text(json.dumps({"a": [1], "b": []}))
    with pytest.raises(InvalidInputError, match=r"there are no rows, in `.*bad\.json"):
        read_sample(tmp_path / "bad.json")


class Frame:
    """What a data frame of any library looks like to us."""

    columns = ("a", "b")

    def __getitem__(self, name: str) -> list[Any]:
        return {"a": [1, None], "b": ["x", "y"]}[name]


def test_python_rows_are_taken():
    assert_same(as_sample([[1, 2], [3, 4]]), MATRIX)
    assert_same(as_sample(Frame()), COLUMNS)
    assert_same(as_sample({"a": [1, None], "b": np.array(["x", "y"], dtype=object)}), COLUMNS)
    assert row_count(as_sample([[1, 2], [3, 4]])) == 2
    with pytest.raises(InvalidInputError, match="rectangular"):
        as_sample([[1, 2], [3]])


def test_reading_needs_no_framework():
    code = (
        "import sys, turnout.data.samples; print(sorted({'sklearn', 'onnx', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
