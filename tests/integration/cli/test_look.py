import json
import pickle
from pathlib import Path

import turnout
from tests.support.command import check_recording, run
from tests.support.models import IRIS, add_version, wait_settled
from turnout.repository.pin import Pin, write_pin

FILTERS = {
    r"/\S*/(iris\.onnx|model\.pkl|models)": r"FOLDER/\1",
    r"engine  onnx [\d.]+": "engine  onnx VERSION",
    r"\d{4}-\d\d-\d\dT[\d:.+]+": "TIME",
}


def test_inspect_shows_what_a_model_answers_to(tmp_path: Path) -> None:
    check_recording("inspect_onnx", run(["inspect", IRIS], tmp_path), FILTERS)


def test_inspect_looks_into_the_folders_of_models(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "iris", 4)
    record = json.loads(run(["inspect", folder, "--json"], tmp_path).stdout)
    assert record["path"] == str(folder / "4")
    assert (record["flavor"], record["engine"]) == ("onnx", "onnx")
    assert [signature["name"] for signature in record["signatures"]] == ["serving_default"]


def test_inspect_shows_the_metrics_of_a_version(tmp_path: Path) -> None:
    turnout.push(IRIS, "iris", repository=tmp_path / "models", metrics={"auc": 0.9, "rows": 1500})
    lines = run(["inspect", "models/iris"], tmp_path).stdout.splitlines()
    assert [line.split() for line in lines[4:6]] == [["metrics", "auc", "0.9"], ["rows", "1500"]]
    record = json.loads(run(["inspect", "models/iris", "--json"], tmp_path).stdout)
    assert record["metrics"] == {"auc": 0.9, "rows": 1500}


def test_inspect_never_runs_code_from_a_file(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return (Path.write_text, (tmp_path / "sprung", "ran"))  # type: ignore[return-value]

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Trap()))
    outcome = run(["inspect", tmp_path / "model.pkl"], tmp_path)
    assert not (tmp_path / "sprung").exists()
    assert "It is code" in outcome.stdout


def test_inspect_says_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    check_recording("inspect_unknown", run(["inspect", "notes.txt"], tmp_path), FILTERS)


def test_list_shows_what_a_folder_holds(tmp_path: Path) -> None:
    for version in (1, 2):
        folder = add_version(tmp_path / "models", "iris", version)
    write_pin(folder, Pin(1, "me", "2026-01-01T00:00:00Z", ""))
    (tmp_path / "models/iris/2/turnout.json").write_text("{}")
    check_recording("list_folder", run(["list", "models"], tmp_path), FILTERS)


def test_list_shows_what_a_server_serves(tmp_path: Path) -> None:
    for version in (1, 2):
        add_version(tmp_path / "models", "iris", version)
    settings = {"cache_dir": str(tmp_path / "cache"), "settle_ms": 0, "loops": 1}
    model_settings = {"policy": "all", "labels": {"stable": 1}}
    with turnout.Server(tmp_path / "models", settings=settings, model_settings=model_settings) as server:
        wait_settled(server)
        check_recording("list_server", run(["list"], tmp_path, variables={"TURNOUT_URL": server.rest_url}), FILTERS)
        (first, _) = json.loads(run(["list", "--url", server.rest_url, "--json"], tmp_path).stdout)
        assert (first["version"], first["state"], first["default"]) == (2, "AVAILABLE", True)


def test_list_says_that_nobody_answers(tmp_path: Path) -> None:
    outcome = run(["list", "--url", "http://127.0.0.1:1"], tmp_path)
    assert outcome.exit_code == 6
    assert "no answer from `127.0.0.1:1`" in outcome.stderr
