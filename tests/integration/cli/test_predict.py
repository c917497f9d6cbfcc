import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import turnout
from tests.support.command import check_recording, run
from tests.support.models import FLOWERS, IRIS, LABELS
from turnout.operations.quick import MODEL

COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
FILTERS = {r"\d\.\d{4,}(e-\d+)?": "NUMBER", r"/\S*/iris\.onnx": "FOLDER/iris.onnx", r"http://127\.0\.0\.1:\d+": "URL"}


def write_rows(folder: Path, suffix: str) -> Path:
    path = folder / f"rows.{suffix}"
    rows = np.array(FLOWERS)
    if suffix == "csv":
        path.write_text("\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in FLOWERS)]))
    elif suffix == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in FLOWERS))
    elif suffix == "json":
        path.write_text(json.dumps({"instances": FLOWERS}))
    elif suffix == "npy":
        np.save(path, rows)
    elif suffix == "npz":
        np.savez(path, x=rows)
    else:
        arrow: Any = pyarrow  # it ships no types
        parquet: Any = pyarrow.parquet
        columns = {name: rows[:, column] for column, name in enumerate(COLUMNS)}
        parquet.write_table(arrow.table(columns), path)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[turnout.Server]:
    settings = {"cache_dir": str(tmp_path_factory.mktemp("cache")), "loops": 1}
    with turnout.Server(IRIS, name=MODEL, settings=settings) as server:
        yield server.wait_ready(20)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "npy", "npz", "parquet"])
def test_reads_every_format(suffix: str, tmp_path: Path) -> None:
    outcome = run(["predict", IRIS, "--input", write_rows(tmp_path, suffix)], tmp_path)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert [json.loads(line)["label"] for line in outcome.stdout.splitlines()] == LABELS


@pytest.mark.parametrize("door", ["rest_url", "grpc_url"])
def test_asks_a_server(door: str, server: turnout.Server, tmp_path: Path) -> None:
    arguments = ["predict", MODEL, "-i", write_rows(tmp_path, "csv"), "--url", getattr(server, door), "--json"]
    records = [json.loads(line) for line in run(arguments, tmp_path).stdout.splitlines()]
    assert {(record["model"], record["version"]) for record in records} == {(MODEL, 1)}
    assert [record["prediction"]["label"] for record in records] == LABELS


def test_reads_standard_input_and_the_address_from_the_environment(server: turnout.Server, tmp_path: Path) -> None:
    rows = "".join(f"{json.dumps({'x': row})}\n" for row in FLOWERS)
    variables = {"TURNOUT_URL": server.rest_url}
    outcome = run(["predict", MODEL, "-i", "-"], tmp_path, standard_input=rows, variables=variables)
    check_recording("predict_standard_input", outcome, FILTERS)


def test_many_rows_are_sent_in_pieces(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.tile(np.array(FLOWERS), (50, 1)))
    outcome = run(["predict", IRIS, "-i", "rows.npy", "--batch-rows", "7", "--json"], tmp_path)
    assert [json.loads(line)["prediction"]["label"] for line in outcome.stdout.splitlines()] == LABELS * 50


@pytest.mark.parametrize("door", ["rest_url", "grpc_url", None])
def test_the_value_that_is_no_number_is_named(door: str | None, server: turnout.Server, tmp_path: Path) -> None:
    path = write_rows(tmp_path, "csv")
    path.write_text(path.read_text().replace("6.0", "six"))
    model = [MODEL, "--url", getattr(server, door)] if door else [IRIS]
    outcome = run(["predict", *model, "-i", path.name], tmp_path)
    check_recording("predict_no_number", outcome, {r"\$ turnout .*": "$ turnout predict …"})


@pytest.mark.parametrize(
    ("name", "arguments", "rows"),
    [
        ("predict_wrong_width", [IRIS, "-i", "-"], "[1, 2]"),
        ("predict_no_json", [IRIS, "-i", "-"], "hello"),
        ("predict_ragged", [IRIS, "-i", "-", "--format", "csv"], "1,2,3,4\n1,2,3\n"),
        ("predict_no_file", [IRIS, "-i", "absent.csv"], ""),
        ("predict_no_signature", [IRIS, "-i", "-", "--signature", "other"], "[1, 2, 3, 4]"),
        ("predict_no_server", ["iris", "-i", "-", "--url", "http://127.0.0.1:1"], "[1, 2, 3, 4]"),
    ],
)
def test_says_what_is_wrong(name: str, arguments: list[str | Path], rows: str, tmp_path: Path) -> None:
    check_recording(name, run(["predict", *arguments], tmp_path, standard_input=rows), FILTERS)


def test_an_unknown_model_is_named(server: turnout.Server, tmp_path: Path) -> None:
    arguments = ["predict", "other", "-i", "-", "--url", server.rest_url]
    check_recording("predict_unknown_model", run(arguments, tmp_path, standard_input="[1]"), FILTERS)
