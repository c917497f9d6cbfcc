import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import pytest

from turnout.config.resolve import Assigned, Config, find_file, load_config
from turnout.config.schema import ModelSchema, Schema, ServerSchema
from turnout.config.settings import GIB, MIB, ServerSettings
from turnout.errors import ConfigError
from turnout.host.machine import Machine
from turnout.lifecycle.settings import ModelSettings

MACHINE = Machine(affinity_cores=4, quota_cores=2.0, memory_bytes=64 * GIB, memory_limit_bytes=None)


@dataclasses.dataclass(frozen=True)
class Sources:
    """What each source says, in one place."""

    flags: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    environ: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    file: str = ""
    own_file: str = ""


def load(folder: Path, sources: Sources) -> Config:
    path = folder / "turnout.toml"
    path.write_text(sources.file)
    return load_config(file=path, flags=sources.flags, environ=sources.environ, machine=MACHINE, home=folder)


def own_file(folder: Path, sources: Sources) -> Path:
    path = folder / "model.toml"
    path.write_text(sources.own_file)
    return path


SERVER_CASES = [
    pytest.param(Sources(), 8501, "default", "", id="default"),
    pytest.param(Sources(file="rest_port = 1"), 1, "turnout.toml", "turnout.toml", id="file"),
    pytest.param(
        Sources(file="rest_port = 1", environ={"TURNOUT_REST_PORT": "2"}),
        2,
        "environment",
        "TURNOUT_REST_PORT",
        id="environment over file",
    ),
    pytest.param(
        Sources(file="rest_port = 1", environ={"TURNOUT_REST_PORT": "2"}, flags={"rest_port": 3}),
        3,
        "flag",
        "--rest-port",
        id="flag over all",
    ),
    pytest.param(Sources(file="rest_port = 1", flags={"rest_port": None}), 1, "turnout.toml", "", id="flag not given"),
]


@pytest.mark.parametrize(("sources", "value", "kind", "where"), SERVER_CASES)
def test_the_strongest_source_of_a_server_setting_wins(
    sources: Sources, value: int, kind: str, where: str, tmp_path: Path
) -> None:
    server = load(tmp_path, sources).server
    origin = server.origins["rest_port"]
    assert (server.settings.rest_port, origin.kind) == (value, kind)
    assert origin.where.endswith(where)


MODEL_CASES = [
    pytest.param(Sources(), "auto", "default", id="default"),
    pytest.param(Sources(own_file='merge = "never"'), "never", "model.toml", id="the model's own file"),
    pytest.param(
        Sources(own_file='merge = "never"', file='[models.iris]\nmerge = "auto"'),
        "auto",
        "turnout.toml",
        id="the operator's file over the model's own",
    ),
    pytest.param(
        Sources(file='[models.iris]\nmerge = "auto"', environ={"TURNOUT_MODEL_MERGE": "never"}),
        "never",
        "environment",
        id="environment over the operator's file",
    ),
    pytest.param(Sources(file='[models.other]\nmerge = "never"'), "auto", "default", id="another model's table"),
]


@pytest.mark.parametrize(("sources", "value", "kind"), MODEL_CASES)
def test_the_strongest_source_of_a_model_setting_wins(sources: Sources, value: str, kind: str, tmp_path: Path) -> None:
    resolved = load(tmp_path, sources).model("iris", own_file(tmp_path, sources))
    assert (resolved.settings.merge, resolved.origins["merge"].kind) == (value, kind)


def test_a_flag_beats_what_is_set_by_name(tmp_path: Path) -> None:
    given = Assigned({"rest_port": "1", "grpc_port": "2"})
    server = load_config(flags={"rest_port": 3}, assigned=given, environ={}, machine=MACHINE, home=tmp_path).server
    assert (server.settings.rest_port, server.settings.grpc_port) == (3, 2)
    assert (server.origins["rest_port"].where, server.origins["grpc_port"].where) == ("--rest-port", "--set grpc_port")


@pytest.mark.parametrize(
    ("assigned", "message", "hint"),
    [
        (Assigned({"max_steams": 1}), "in `--set max_steams`: `max_steams`", "Did you mean `max_streams`?"),
        (Assigned({"max_queue": 1}), "in `--set max_queue`: `max_queue`", "Did you mean `--set model.max_queue`?"),
        (Assigned(models={"merg": 1}), "in `--set model.merg`: `merg`", "Did you mean `merge`?"),
    ],
)
def test_a_wrong_name_is_shown_as_it_was_written(assigned: Assigned, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(assigned=assigned, environ={}, machine=MACHINE, home=tmp_path)
    assert caught.value.hint == hint


def test_a_flag_for_every_model_beats_all(tmp_path: Path) -> None:
    environ = {"TURNOUT_MODEL_MERGE": "auto"}
    config = load_config(assigned=Assigned(models={"merge": "never"}), environ=environ, machine=MACHINE, home=tmp_path)
    assert config.model("iris").origins["merge"].where == "--set model.merge"


@pytest.mark.parametrize(
    ("sources", "message", "hint"),
    [
        pytest.param(
            Sources(file="rest_prot = 1"),
            r"unknown setting in `.*turnout.toml`: `rest_prot`",
            "Did you mean `rest_port`?",
            id="unknown in the file",
        ),
        pytest.param(
            Sources(environ={"TURNOUT_REST_PROT": "1"}),
            "unknown setting in `TURNOUT_REST_PROT`: `rest_prot`",
            "Did you mean `rest_port`?",
            id="unknown in the environment",
        ),
        pytest.param(
            Sources(file="[models.iris]\nmerg = 1"),
            "unknown setting in .*: `merg`",
            "Did you mean `merge`?",
            id="model",
        ),
        pytest.param(
            Sources(file="[model.iris]\nmerge = 'never'"),
            "in `.*turnout.toml`: `model`",
            "Did you mean `models`?",
            id="table",
        ),
        pytest.param(
            Sources(file="max_queue = 1"),
            "turnout.toml`: `max_queue`",
            "Did you mean `[models.NAME]`?",
            id="a model's own",
        ),
        pytest.param(
            Sources(environ={"TURNOUT_MAX_QUEUE": "1"}),
            "unknown setting in `TURNOUT_MAX_QUEUE`: `max_queue`",
            "Did you mean `TURNOUT_MODEL_MAX_QUEUE`?",
            id="a model's own in the environment",
        ),
        pytest.param(
            Sources(file="xyzzy = 1"), "`xyzzy`", "`turnout config show` lists every setting.", id="nothing close"
        ),
        pytest.param(
            Sources(file='rest_port = "8501"'), "expected an integer, got '8501'", None, id="text for an integer"
        ),
        pytest.param(Sources(file="rest_port = 70000"), "expected at most 65535, got 70000", None, id="above"),
        pytest.param(Sources(file="loops = 0"), "expected at least 1, got 0", None, id="below"),
        pytest.param(
            Sources(file='ready = "some"'), "expected 'any', 'all' or 'first', got 'some'", None, id="no such word"
        ),
        pytest.param(Sources(file="reuse_port = 1"), "expected `true` or `false`, got 1", None, id="no boolean"),
        pytest.param(
            Sources(environ={"TURNOUT_REST_PORT": "many"}),
            "setting `rest_port` in `TURNOUT_REST_PORT` is not valid: expected an integer, got 'many'",
            None,
            id="no number in the environment",
        ),
        pytest.param(Sources(file="rest_port"), "is not valid TOML", None, id="no TOML"),
        pytest.param(Sources(file="models = 1"), r"expected tables `\[models.NAME\]`, got 1", None, id="no tables"),
        pytest.param(Sources(file="[models]\niris = 1"), "`models.iris` in .* expected a table", None, id="no table"),
        pytest.param(
            Sources(file="repository = '/models'\n[models.iris]\npath = 'iris'"),
            r"turnout.toml` says twice what to serve: `repository`, and `path` in `\[models.iris\]`",
            "Give each model a path, or put all of them into the repository.",
            id="repository and path",
        ),
        pytest.param(
            Sources(file="[models.'a/b']\npath = 'iris'"),
            "has a path and no model's name, it contains `/` or `:`: `a/b`",
            None,
            id="path of a name that is none",
        ),
        pytest.param(
            Sources(file='[models.iris]\npath = "a\\u0000b"'),
            r"setting `path` in .* is not valid: expected a path, got 'a\\x00b'",
            None,
            id="no path",
        ),
        pytest.param(
            Sources(environ={"TURNOUT_MODEL_PATH": "/models"}),
            "unknown setting in `TURNOUT_MODEL_PATH`: `path`",
            "`turnout config show` lists every setting.",
            id="one path for every model",
        ),
        pytest.param(
            Sources(file="inflight_bytes = 2048"),
            r"`max_body_bytes` \(default\) is above `inflight_bytes` \(`.*turnout.toml`\)",
            "A body counts towards the bytes in flight, so that such a body could never be accepted.",
            id="contradiction",
        ),
    ],
)
def test_wrong_settings_are_refused_in_words(sources: Sources, message: str, hint: str | None, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, sources)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "name", ["trust", "python", "interpreter", "interpreters", "library", "intra_op_threads", "max_body_bytes", "path"]
)
def test_a_file_in_the_repository_cannot_set_what_is_the_operator_s(name: str, tmp_path: Path) -> None:
    sources = Sources(own_file=f"{name} = true")
    with pytest.raises(ConfigError, match=f"the operator's alone: `{name}`"):
        load(tmp_path, sources).model("iris", own_file(tmp_path, sources))


@pytest.mark.parametrize(
    ("own", "operator", "expected"),
    [(512, None, 512), (1024, None, 1024), (1025, None, None), (64, 32, None), (4096, 8192, 8192)],
)
def test_a_file_in_the_repository_can_lower_a_limit_and_never_raise_it(
    own: int, operator: int | None, expected: int | None, tmp_path: Path
) -> None:
    table = "" if operator is None else f"[models.iris]\nmax_queue = {operator}"
    sources = Sources(own_file=f"max_queue = {own}", file=table)
    config, path = load(tmp_path, sources), own_file(tmp_path, sources)
    if expected is None:
        with pytest.raises(ConfigError, match=r"`max_queue` in .* would raise a limit"):
            config.model("iris", path)
    else:
        assert config.model("iris", path).settings.max_queue == expected


def test_the_model_s_folder_is_read_anew_each_time(tmp_path: Path) -> None:
    config = load(tmp_path, Sources())
    assert config.settings_for("iris", tmp_path).latest_count == 1
    own_file(tmp_path, Sources(own_file="latest_count = 3"))
    assert config.settings_for("iris", tmp_path).latest_count == 3
    assert config.settings_for("iris", None).latest_count == 1


def test_versions_and_labels_can_stand_in_variables(tmp_path: Path) -> None:
    environ = {"TURNOUT_MODEL_SPECIFIC_VERSIONS": "1, 3", "TURNOUT_MODEL_LABELS": "stable=1, canary=3"}
    settings = load(tmp_path, Sources(environ=environ)).model("iris").settings
    assert settings.specific_versions == (1, 3)
    assert settings.labels == {"stable": 1, "canary": 3}


def test_what_kubernetes_injects_for_a_service_named_turnout_is_no_setting(tmp_path: Path) -> None:
    environ = {
        "TURNOUT_PORT": "tcp://10.0.0.1:8501",
        "TURNOUT_PORT_8501_TCP_ADDR": "10.0.0.1",
        "TURNOUT_SERVICE_HOST": "10.0.0.1",
        "TURNOUT_SERVICE_PORT_REST": "8501",
        "TURNOUT_DEBUG": "1",
        "TURNOUT_HOST": "0.0.0.0",
    }
    assert load(tmp_path, Sources(environ=environ)).server.settings.host == "0.0.0.0"


def test_defaults_are_sized_to_the_machine(tmp_path: Path) -> None:
    settings = load(tmp_path, Sources()).server.settings
    assert (settings.loops, settings.executor_threads) == (2, 2)
    assert (settings.inflight_bytes, settings.max_body_bytes) == (GIB, 64 * MIB)
    assert settings.cache_dir == str(tmp_path / ".cache/turnout")
    small = Machine(affinity_cores=1, quota_cores=None, memory_bytes=GIB, memory_limit_bytes=128 * MIB)
    settings = load_config(environ={"XDG_CACHE_HOME": "/c"}, machine=small, home=tmp_path).server.settings
    assert (settings.inflight_bytes, settings.max_body_bytes, settings.cache_dir) == (32 * MIB, 32 * MIB, "/c/turnout")


def test_a_user_without_a_home_has_one_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", refuse)
    assert load_config(environ={}, machine=MACHINE).server.settings.cache_dir.startswith(tempfile.gettempdir())


def test_the_file_is_looked_for_where_only_the_operator_writes(tmp_path: Path) -> None:
    usual = tmp_path / ".config/turnout/turnout.toml"
    assert find_file(None, {}, tmp_path) is None
    usual.parent.mkdir(parents=True)
    usual.write_text("")
    assert find_file(None, {}, tmp_path) == usual
    assert find_file(None, {"TURNOUT_CONFIG": "/x.toml"}, tmp_path) == Path("/x.toml")
    assert find_file(Path("y.toml"), {"TURNOUT_CONFIG": "/x.toml"}, tmp_path) == Path("y.toml")


def test_a_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        load_config(file=tmp_path / "absent.toml", environ={}, machine=MACHINE, home=tmp_path)


@pytest.mark.parametrize(("schema", "settings"), [(ServerSchema, ServerSettings), (ModelSchema, ModelSettings)])
def test_every_setting_can_be_given_and_says_what_it_means(schema: type[Schema], settings: type[Any]) -> None:
    fields = {field.name for field in dataclasses.fields(settings) if field.metadata.get("is_setting", True)}
    assert set(schema.model_fields) == fields
    assert [name for name, field in schema.model_fields.items() if not field.description] == []


def test_a_model_s_path_is_relative_to_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "[models.a]\npath = 'x/a'\nmerge = 'never'\n[models.b]\npath = '/b'\n[models.c]\nmerge = 'never'"
    config = load(tmp_path, Sources(file=file))
    assert config.model_paths == {"a": tmp_path / "x/a", "b": Path("/b")}
    assert config.model("a").settings.merge == "never"
    assert (config.model_folder("a"), config.model_folder("c")) == (tmp_path / "x/a", None)
    monkeypatch.chdir(tmp_path)
    assert load_config(file=Path("turnout.toml"), environ={}, home=tmp_path).model_paths["a"] == tmp_path / "x/a"


def test_a_repository_from_a_stronger_source_beats_the_paths_of_the_file(tmp_path: Path) -> None:
    sources = Sources(file="[models.a]\npath = 'a'", environ={"TURNOUT_REPOSITORY": "/models"})
    assert load(tmp_path, sources).model_folder("a") == Path("/models/a")


BATCHING_CASES = [
    pytest.param("allowed_batch_rows = [1, 8]\nmax_batch_rows = 8", None, id="the last is the most rows"),
    pytest.param("max_execution_rows = 0\nmax_batch_rows = 8", None, id="0 takes the most rows"),
    pytest.param(
        "allowed_batch_rows = [2, 4]\nmax_batch_rows = 8\nmax_execution_rows = 4\nsplit_large_requests = true",
        None,
        id="the last is the most rows of one execution",
    ),
    pytest.param(
        "allowed_batch_rows = [1, 4]\nmax_batch_rows = 8",
        "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8",
        id="the last is less",
    ),
    pytest.param("allowed_batch_rows = [4, 4, 8]\nmax_batch_rows = 8", "the sizes must rise", id="twice the same"),
    pytest.param("max_execution_rows = 9\nmax_batch_rows = 8", "is above `max_batch_rows`", id="too many rows"),
    pytest.param("allowed_batch_rows = [0, 8]", "at least 1", id="no rows"),
]


@pytest.mark.parametrize(("text", "message"), BATCHING_CASES)
def test_settings_of_batching_must_fit_together(text: str, message: str | None, tmp_path: Path) -> None:
    if message is None:
        assert load(tmp_path, Sources(file=f"[models.iris]\n{text}")).model("iris").settings
        return
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, Sources(file=f"[models.iris]\n{text}")).model("iris")
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, Sources()).model("iris", own_file(tmp_path, Sources(own_file=text)))


def test_what_batching_is_not_asked_for_loads_nothing_anew() -> None:
    plain, unused = ModelSettings(), ModelSettings(batch_timeout_us=7, max_enqueued_batches=3)
    assert plain.of_servable() == unused.of_servable()
    asked = ModelSettings(merge="always", batch_timeout_us=7, max_enqueued_batches=3)
    assert (asked.of_servable().batching.batch_timeout_us, asked.of_servable().batching.max_execution_rows) == (7, 1024)


def test_allowed_rows_can_stand_in_the_environment(tmp_path: Path) -> None:
    environ = {"TURNOUT_MODEL_ALLOWED_BATCH_ROWS": "1, 2,1024", "TURNOUT_MODEL_MERGE": "always"}
    assert load(tmp_path, Sources(environ=environ)).model("iris").settings.allowed_batch_rows == (1, 2, 1024)
