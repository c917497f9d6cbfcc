"""The profile of a SavedModel, judged by the trace of TensorFlow's own session."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.command import run
from tests.support.models import IRIS
from tests.support.savedmodel import PYTHON, make_models, require_tensorflow
from tests.support.tensorflow_session import Job, Outcome, ask_tensorflow, rising

pytestmark = pytest.mark.timeout(180)
"""TensorFlow takes 8 s to be imported and 10 to make the models, on an idle machine."""

ROWS = {"layers": (32, 64), "nested": (4, 64)}
XLA = "graph_options { optimizer_options { global_jit_level: ON_1 cpu_global_jit: true } }"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_tensorflow()
    folder = tmp_path_factory.mktemp("profile")
    make_models(folder, "layers", "nested", "table", "counter")
    return folder / "models"


@pytest.fixture(scope="module")
def judged(repository: Path) -> dict[str, Outcome]:
    jobs = [Job(str(repository / name / "1"), shape) for name, shape in ROWS.items()]
    jobs.append(Job(str(repository / "layers" / "1"), ROWS["layers"], XLA))
    return dict(zip([*ROWS, "xla"], ask_tensorflow(PYTHON, jobs), strict=True))


def profile(home: Path, *arguments: str | Path) -> dict[str, Any]:
    done = run(["profile", *arguments, "--json", "--calls", "20"], home)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def runs_by_type(record: Mapping[str, Any]) -> dict[str, float]:
    return {each["op"]: each["runs"] / record["calls_counted"] for each in record["types"]}


@pytest.mark.parametrize("model", ROWS)
def test_operators_are_those_that_tensorflow_runs(
    model: str, repository: Path, judged: dict[str, Outcome], tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", rising(ROWS[model]))
    record = profile(tmp_path, repository / model, "--input", tmp_path / "rows.npy")
    assert runs_by_type(record) == judged[model].operators
    assert (record["rows"], record["calls"], record["calls_counted"]) == (ROWS[model][0], 20, 18)
    assert record["types"][0]["op"] in {"_MklMatMul", "MatMul", "_FusedMatMul", "AddV2", "Less", "StridedSlice"}
    for table in ("types", "operators"):
        assert sum(each["share"] for each in record[table]) == pytest.approx(1)
        assert sum(each["total_us"] for each in record[table]) == pytest.approx(record["operators_us"] * 18)


def test_settings_are_those_of_the_server(repository: Path, judged: dict[str, Outcome], tmp_path: Path) -> None:
    arguments = (repository / "layers", "--rows", "32", "--set", "xla=true")
    assert "_XlaRun" in judged["xla"].operators
    assert runs_by_type(profile(tmp_path, *arguments)) == judged["xla"].operators
    wrong = run(["profile", repository / "layers", "--set", "xlaa=true"], tmp_path)
    assert "unknown setting in `--set xlaa`: `xlaa`" in wrong.stderr
    assert "Did you mean `xla`?" in wrong.stderr


def test_people_get_tables(repository: Path, tmp_path: Path) -> None:
    done = run(["profile", repository / "layers", "--calls", "3", "--top", "2"], tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0] == "layers version 1, serving_default: 3 calls of 1 row"
    assert lines[3].split("  ")[0] == "operators"
    assert len(lines[4:6]) == 2
    assert lines[6].startswith("and ")
    done = run(["profile", repository / "layers", "--calls", "3", "--each"], tmp_path)
    assert "StatefulPartitionedCall" in done.stdout


def test_models_with_files_tables_and_state_are_measured(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text('[{"word": "red"}, {"word": "none"}]')
    record = profile(tmp_path, repository / "table", "--input", "words.json")
    assert "LookupTableFindV2" in runs_by_type(record)
    assert runs_by_type(profile(tmp_path, repository / "table", "--signature", "read"))["ReadFile"] == 1
    assert runs_by_type(profile(tmp_path, repository / "counter"))["AssignAddVariableOp"] == 1


def test_what_cannot_be_measured_says_why(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({}))
    for arguments, message in (
        (["nowhere"], "nowhere"),
        (["model.pkl"], "model.pkl"),
        ([repository], "a folder of models is not one model"),
        ([IRIS, "--signature", "none"], "has no signature of that name"),
        ([IRIS, "--input", "nothing.csv"], "no such file: `nothing.csv`"),
        ([IRIS, "--set", "xla"], "expected `NAME=VALUE`, got `xla`"),
        ([IRIS, "--calls", "0"], "calls"),
        ([repository / "layers", "--set", "savedmodel_tags=train"], "Could not find meta graph def"),
    ):
        done = run(["profile", *arguments], tmp_path)
        assert done.exit_code != 0, arguments
        assert message in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_rows_that_do_not_suit_the_model_are_the_model_s_failure(repository: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((2, 3), np.float32))
    done = run(["profile", repository / "layers", "--input", "rows.npy"], tmp_path)
    assert done.exit_code != 0
    assert "Matrix size-incompatible" in done.stderr
