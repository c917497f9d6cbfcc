import json
from pathlib import Path

import pytest

import turnout
from tests.support.command import check_recording, run
from tests.support.models import FLOWERS, LABELS, add_version
from tests.support.process import ServeProcess

MODELS = """\
model_config_list: {
  config: {
    name: "flowers",  # commas, comments and colons as people write them
    base_path: 'models/iris',
    model_platform: "tensorflow"
    model_version_policy: < specific { versions: [1, 2] } >
    version_labels { key: "stable" value: 1 }
  }
}
"""
BATCHING = "max_batch_size { value: 64 }\nnum_batch_threads { value: 2 }\nbatch_timeout_micros { value: 500 }\n"
SSL = "server_key: 'SECRET'\nclient_verify: true\n"
FOLDER = {r'"/\S*/models/iris"': '"FOLDER/models/iris"'}
ARGUMENTS = ["import", "tf-serving", "--model-config-file", "models.config"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, text in (("models.config", MODELS), ("batching.config", BATCHING), ("ssl.config", SSL)):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_prints_a_file_with_comments(home: Path) -> None:
    more = ["--batching-parameters-file", "batching.config", "--ssl-config-file", "ssl.config"]
    check_recording("import_tf_serving", run([*ARGUMENTS, *more], home), FOLDER)


def test_what_it_writes_is_served(home: Path) -> None:
    for version in (1, 2, 3):
        add_version(home / "models", "iris", version)
    assert run([*ARGUMENTS, "--output", "turnout.toml"], home).exit_code == 0
    with ServeProcess(home, "--config", "turnout.toml", "--set", "settle_ms=0") as server:
        server.wait_ready()
        with turnout.Client(server.rest_url) as client:
            assert client.predict("flowers", FLOWERS)["label"].tolist() == LABELS
            (model,) = client.models()
            assert (model.name, dict(model.labels)) == ("flowers", {"stable": 1})
            assert 3 not in {version.version for version in model.versions if version.state == "AVAILABLE"}


def test_a_file_that_exists_is_replaced_only_on_demand(home: Path) -> None:
    (home / "turnout.toml").write_text("rest_port = 1\n")
    arguments = [*ARGUMENTS, "--output", "turnout.toml"]
    check_recording("import_tf_serving_exists", run(arguments, home), FOLDER)
    assert (home / "turnout.toml").read_text() == "rest_port = 1\n"
    assert run([*arguments, "--force"], home).exit_code == 0
    assert "[models.flowers]" in (home / "turnout.toml").read_text()
    outcome = run(["config", "show", "--config", "turnout.toml", "--model", "flowers"], home)
    assert (outcome.exit_code, outcome.stderr) == (0, "")


def test_the_report_for_programs_has_everything(home: Path) -> None:
    outcome = run([*ARGUMENTS, "--batching-parameters-file", "batching.config", "--json"], home)
    report = json.loads(outcome.stdout)
    assert outcome.stderr == ""
    assert report["server"] == {"executor_threads": 2}
    assert report["models"]["flowers"]["max_batch_rows"] == 64
    assert {remark["kind"] for remark in report["remarks"]} == {"changed", "ignored"}
    assert report["remarks"][0].keys() == {"file", "line", "field", "kind", "text"}
    assert report["toml"].startswith("# Imported from models.config, batching.config.")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("misspelt", "model_config_list {\n  config {\n    name: 'm',\n    base_pth: '/m'\n  }\n}\n"),
        ("unclosed", "model_config_list { config { name: 'm\n' } }"),
        ("custom", "custom_model_config { }"),
        ("binary", "\x00\x01\x02"),
    ],
)
def test_says_what_is_wrong_and_where(name: str, text: str, home: Path) -> None:
    (home / "models.config").write_text(text)
    check_recording(f"import_tf_serving_{name}", run(ARGUMENTS, home), {})


def test_nothing_is_not_imported(home: Path) -> None:
    check_recording("import_tf_serving_nothing", run(["import", "tf-serving"], home), {})


def test_a_folder_that_is_missing_is_named(home: Path) -> None:
    outcome = run([*ARGUMENTS, "--output", "absent/turnout.toml"], home)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("error: cannot write the file: No such file or directory: `absent/turnout.toml`")
