import json
from pathlib import Path

from tests.support.command import check_recording, run

SIZED_TO_THE_MACHINE = {
    r'(cache_dir +)"[^"]*"': r'\1"CACHE"',
    r'(request_log_dir +)"[^"]*"': r'\1"LOG"',
    r"((?:executor_threads|loops) +)\d+": r"\1CORES",
    r"((?:inflight_bytes|max_body_bytes) +)\d+": r"\1BYTES",
    r"  +": "  ",
}


def test_show_says_where_each_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "turnout.toml").write_text('ready = "all"\n[models.iris]\nmerge = "never"\n')
    (tmp_path / "models/iris").mkdir(parents=True)
    (tmp_path / "models/iris/model.toml").write_text('latest_count = 2\nmerge = "auto"\nlabels = {stable = 1}\n')
    arguments = ["config", "show", "--config", "turnout.toml", "--model", "iris", "--repository", "models"]
    outcome = run(arguments, tmp_path, variables={"TURNOUT_REST_PORT": "9001"})
    check_recording("config_show", outcome, SIZED_TO_THE_MACHINE)


def test_show_for_programs(tmp_path: Path) -> None:
    outcome = run(["config", "show", "--json"], tmp_path, variables={"TURNOUT_REST_PORT": "9001"})
    record = json.loads(outcome.stdout)
    assert record["file"] is None
    assert record["server"]["rest_port"] == {"value": 9001, "origin": "environment", "where": "TURNOUT_REST_PORT"}
    assert record["server"]["ready"] == {"value": "any", "origin": "default", "where": None}


def test_show_says_where_a_model_lies(tmp_path: Path) -> None:
    (tmp_path / "turnout.toml").write_text("[models.iris]\npath = 'flowers'\n")
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers/model.toml").write_text("latest_count = 2\n")
    outcome = run(["config", "show", "--config", "turnout.toml", "--model", "iris", "--json"], tmp_path)
    model = json.loads(outcome.stdout)["models.iris"]
    assert model["path"] == {"value": f"{tmp_path}/flowers", "origin": "turnout.toml", "where": "turnout.toml"}
    assert model["latest_count"] == {"value": 2, "origin": "model.toml", "where": f"{tmp_path}/flowers/model.toml"}
