import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from turnout.config.resolve import load_config
from turnout.errors import ConfigError
from turnout.text_proto.schema import AnyOf, FieldType, MapOf, Message
from turnout.tf_serving import messages
from turnout.tf_serving.importing import Files, Imported, import_files

MODEL = "model_config_list { config { name: 'm' base_path: '/m' %s } }"


def import_texts(folder: Path, **texts: str) -> Imported:
    """Imports files with these texts, by the names of the flags."""
    paths: dict[str, Path] = {}
    for name, text in texts.items():
        paths[name] = folder / name
        paths[name].write_text(text)
    return import_files(Files(**paths))


def import_model(folder: Path, fields: str, **texts: str) -> Imported:
    return import_texts(folder, model_config_file=MODEL % fields, **texts)


def remarks(imported: Imported) -> list[tuple[str, str]]:
    return [(remark.field, remark.kind) for remark in imported.outcome.remarks]


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ("", {}),
        ("model_version_policy { latest {} }", {"policy": "latest", "latest_count": 1}),
        ("model_version_policy { latest { num_versions: 3 } }", {"policy": "latest", "latest_count": 3}),
        ("model_version_policy { all {} }", {"policy": "all"}),
        ("model_version_policy { }", {}),
        ("model_version_policy { specific { versions: [7, 3] } }", {"policy": "specific", "specific_versions": [7, 3]}),
        ("model_version_policy { specific { } }", {"policy": "specific", "specific_versions": []}),
    ],
)
def test_policies_are_the_same(fields: str, settings: dict[str, Any], tmp_path: Path) -> None:
    imported = import_model(tmp_path, fields)
    assert tomllib.loads(imported.toml) == {"models": {"m": {"path": "/m", "keep_previous": False, **settings}}}
    assert remarks(imported) == []


@pytest.mark.parametrize(
    ("fields", "expected", "settings"),
    [
        ("model_platform: 'tensorflow'", [('model_platform: "tensorflow"', "ignored")], {}),
        ("model_platform: 'mine'", [('model_platform: "mine"', "not_yet")], {}),
        ("model_type: TENSORFLOW", [("model_type: 1", "ignored")], {}),
        ("model_type: OTHER", [("model_type: 2", "not_yet")], {}),
        ("model_type: 0", [], {}),
        (
            "version_labels { key: 'stable' value: 2 }",
            [('version_labels: {"stable": 2}', "changed")],
            {"labels": {"stable": 2}},
        ),
        ("version_labels { key: 'a' }", [('version_labels: {"a": 0}', "left_out")], {}),
        (
            "version_labels { key: 'a' value: -1 } version_labels { key: 'b c' value: 1 }",
            [('version_labels: {"a": -1}', "left_out"), ('version_labels: {"a": -1, "b c": 1}', "changed")],
            {"labels": {"b c": 1}},
        ),
        (
            "model_version_policy { specific { versions: 0 versions: 4 } }",
            [("versions: [0]", "left_out")],
            {"policy": "specific", "specific_versions": [4]},
        ),
        (
            "logging_config { sampling_config { sampling_rate: 0.5 } log_collector_config {} }",
            [
                ("logging_config.sampling_config.sampling_rate: 0.5", "changed"),
                ("logging_config.log_collector_config", "changed"),
            ],
            {},
        ),
    ],
)
def test_what_is_not_the_same_of_a_model_is_said(
    fields: str, expected: list[tuple[str, str]], settings: dict[str, Any], tmp_path: Path
) -> None:
    imported = import_model(tmp_path, fields)
    assert remarks(imported) == expected
    table = tomllib.loads(imported.toml)["models"]["m"]
    assert table == {"path": "/m", "keep_previous": False, **settings}


@pytest.mark.parametrize(
    ("base_path", "path", "kind"),
    [
        ("/a/b", "/a/b", None),
        ("file:///a/b", "/a/b", None),
        ("a/b", "FOLDER/a/b", "changed"),
        ("gs://bucket/m", None, "not_yet"),
        ("S3://bucket/m", None, "not_yet"),
        (r"/a\000b", None, "left_out"),
    ],
)
def test_paths(base_path: str, path: str | None, kind: str | None, tmp_path: Path) -> None:
    text = f"model_config_list {{ config {{ name: 'm' base_path: '{base_path}' }} }}"
    imported = import_texts(tmp_path, model_config_file=text)
    written = imported.outcome.models["m"].settings.get("path")
    assert written == (None if path is None else path.replace("FOLDER", str(tmp_path)))
    assert [remark.kind for remark in imported.outcome.remarks] == ([] if kind is None else [kind])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config { name: 'm' }", "`FILE`, line 1: the model has no `base_path`: `m`"),
        (
            "config { name: 'm' base_path: '/a' }\nconfig { name: 'm' base_path: '/b' }",
            "`FILE`, line 2: a second model has this name: `m`",
        ),
        ("configs { }", "`FILE`, line 1, column 21: expected a field of `ModelConfigList`, got `configs`"),
    ],
)
def test_files_that_upstream_refuses_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        import_texts(tmp_path, model_config_file=f"model_config_list {{ {text} }}")
    assert caught.value.message == message.replace("FILE", f"{tmp_path}/model_config_file")


def test_sources_that_were_compiled_in_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the field `custom_model_config` is not supported: it configures a source"):
        import_texts(tmp_path, model_config_file="custom_model_config { [a.b/c.D] { x: 1 } }")


@pytest.mark.parametrize("name", ["", "a/b", "12", " a", ".a", "a\\nb"])
def test_a_name_that_no_model_can_have_is_left_out_and_said(name: str, tmp_path: Path) -> None:
    text = f"model_config_list {{ config {{ name: '{name}' base_path: '/m' }} }}"
    imported = import_texts(tmp_path, model_config_file=text)
    assert imported.outcome.models == {}
    assert [remark.kind for remark in imported.outcome.remarks] == ["left_out"]
    assert tomllib.loads(imported.toml) == {}


@pytest.mark.parametrize(
    ("text", "model", "server", "kinds"),
    [
        ("", {}, {}, {}),
        ("max_batch_size { value: 64 }", {"max_batch_rows": 64, "max_queue": 640}, {}, {}),
        ("max_batch_size { }", {"max_batch_rows": None}, {}, {"max_batch_size: 0": "left_out"}),
        (
            "max_batch_size { value: 64 } max_enqueued_batches { value: 5 }",
            {"max_batch_rows": 64, "max_enqueued_batches": 5, "max_queue": 320},
            {},
            {},
        ),
        (
            "max_enqueued_batches { }",
            {"max_enqueued_batches": 1, "max_queue": 1000},
            {},
            {"max_enqueued_batches: 0": "changed"},
        ),
        (
            "max_enqueued_batches { value: 1000000 }",
            {"max_enqueued_batches": 1_000_000, "max_queue": 1_000_000},
            {},
            {},
        ),
        (
            "max_enqueued_batches { value: 1000001 }",
            {"max_enqueued_batches": None},
            {},
            {"max_enqueued_batches: 1000001": "left_out"},
        ),
        ("num_batch_threads { value: 4 }", {}, {"executor_threads": 4}, {"num_batch_threads: 4": "changed"}),
        ("num_batch_threads { value: 0 }", {}, {}, {"num_batch_threads: 0": "left_out"}),
        ("batch_timeout_micros { value: 100 }", {"batch_timeout_us": 100}, {}, {}),
        ("batch_timeout_micros { }", {"batch_timeout_us": 0}, {}, {}),
        ("batch_timeout_micros { value: -1 }", {}, {}, {"batch_timeout_micros: -1": "left_out"}),
        ("thread_pool_name { value: 'p' }", {}, {}, {'thread_pool_name: "p"': "ignored"}),
        ("allowed_batch_sizes: [1, 1000]", {"allowed_batch_rows": [1, 1000]}, {}, {}),
        ("allowed_batch_sizes: [1, 8]", {}, {}, {"allowed_batch_sizes: [1, 8]": "left_out"}),
        ("allowed_batch_sizes: [2, 1, 1000]", {}, {}, {"allowed_batch_sizes: [2, 1, 1000]": "left_out"}),
        (
            "pad_variable_length_inputs: true",
            {"pad_variable_lengths": True},
            {},
            {"pad_variable_length_inputs: true": "changed"},
        ),
        ("pad_variable_length_inputs: false", {}, {}, {}),
        ("max_execution_batch_size { value: 9 }", {}, {}, {"max_execution_batch_size: 9": "ignored"}),
        (
            "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 9 }"
            " max_batch_size { value: 90 } max_enqueued_batches { value: 2 } allowed_batch_sizes: 9",
            {
                "split_large_requests": True,
                "max_batch_rows": 90,
                "max_execution_rows": 9,
                "max_enqueued_batches": 2,
                "max_queue": 18,
                "allowed_batch_rows": [9],
            },
            {},
            {},
        ),
        (
            "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 1001 }",
            {"split_large_requests": True},
            {},
            {"max_execution_batch_size: 1001": "left_out"},
        ),
    ],
)
def test_batching(
    text: str, model: dict[str, object], server: dict[str, int], kinds: dict[str, str], tmp_path: Path
) -> None:
    imported = import_model(tmp_path, "", batching_parameters_file=text)
    assert dict(remarks(imported)) == kinds
    document = tomllib.loads(imported.toml)
    usual = {"merge": "always", "max_batch_rows": 1000, "max_enqueued_batches": 10, "max_queue": 10_000}
    wanted = {"path": "/m", "keep_previous": False, **usual, **model}
    assert document.pop("models") == {"m": {name: value for name, value in wanted.items() if value is not None}}
    assert document == server


ADAPTER = (
    "platform_configs {{ key: '{key}' value {{ source_adapter_config {{"
    " [type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig] {{ legacy_config {{ {text} }} }}"
    " }} }} }}"
)


def test_platforms_can_hold_the_batching_parameters(tmp_path: Path) -> None:
    text = "batching_parameters { max_batch_size { value: 7 } } session_config { intra_op_parallelism_threads: 3 }"
    platform = ADAPTER.format(key="tensorflow", text=text)
    imported = import_model(tmp_path, "", platform_config_file=platform)
    assert imported.outcome.models["m"].settings["max_batch_rows"] == 7
    assert remarks(imported) == [
        ("session_config.intra_op_parallelism_threads: 3", "changed"),
    ]
    with pytest.raises(ConfigError, match=r"batching parameters stand in two files: `.*platform.*` and `.*batching"):
        import_model(tmp_path, "", platform_config_file=platform, batching_parameters_file="")
    other = import_model(tmp_path, "", platform_config_file=ADAPTER.format(key="other", text=text))
    assert "max_batch_rows" not in other.outcome.models["m"].settings
    assert {kind for _, kind in remarks(other)} == {"ignored"}


@pytest.mark.parametrize(
    ("text", "settings", "kinds"),
    [
        ("session_config { intra_op_parallelism_threads: 3 }", {"intra_op_threads": 3}, ["changed"]),
        ("session_config { inter_op_parallelism_threads: 2000 }", {}, ["left_out"]),
        ("session_config { inter_op_parallelism_threads: -1 }", {}, ["ignored"]),
        (
            "session_config { graph_options { optimizer_options { cpu_global_jit: true global_jit_level: ON_1 } } }",
            {"xla": True},
            ["changed", "not_yet"],
        ),
        (
            "session_config { graph_options { rewrite_options { auto_mixed_precision_onednn_bfloat16: ON } } }",
            {"mixed_precision": "bfloat16"},
            ["changed"],
        ),
        ("session_config { graph_options { rewrite_options { remapping: OFF } } }", {}, ["not_yet"]),
        ("saved_model_tags: ['serve', 'x y']", {"savedmodel_tags": ["serve", "x y"]}, ["changed"]),
    ],
)
def test_platforms_can_set_up_sessions(text: str, settings: dict[str, Any], kinds: list[str], tmp_path: Path) -> None:
    imported = import_model(tmp_path, "", platform_config_file=ADAPTER.format(key="tensorflow", text=text))
    assert tomllib.loads(imported.toml) == {"models": {"m": {"path": "/m", "keep_previous": False, **settings}}}
    assert [kind for _, kind in remarks(imported)] == kinds


def test_a_session_s_file_is_read_and_named_by_every_model(tmp_path: Path) -> None:
    text = "graph_options { rewrite_options { remapping: OFF } }"
    imported = import_model(tmp_path, "", tensorflow_session_config_file=text)
    path = str(tmp_path / "tensorflow_session_config_file")
    assert tomllib.loads(imported.toml)["models"]["m"]["session_config_file"] == path
    with pytest.raises(ConfigError, match=r"line 2, column 3: expected a field of `ConfigProto`, got `graph_option`"):
        import_model(tmp_path, "", tensorflow_session_config_file="\n  graph_option {}")
    with pytest.raises(ConfigError, match="sessions are set up for each model, and no model was given"):
        import_texts(tmp_path, tensorflow_session_config_file=text)
    platform = ADAPTER.format(key="tensorflow", text="session_config { }")
    with pytest.raises(ConfigError, match="sessions are set up by two files"):
        import_model(tmp_path, "", tensorflow_session_config_file=text, platform_config_file=platform)


def test_batching_without_a_model_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model was given") as caught:
        import_texts(tmp_path, batching_parameters_file="")
    assert caught.value.hint is not None
    with pytest.raises(ConfigError, match="nothing to import was given"):
        import_files(Files())


def test_a_private_key_gets_into_no_file(tmp_path: Path) -> None:
    imported = import_texts(tmp_path, ssl_config_file="server_key: 'SECRET' server_cert: 'SECRET' client_verify: true")
    assert remarks(imported) == [("server_key", "not_yet"), ("server_cert", "not_yet"), ("client_verify", "not_yet")]
    assert "SECRET" not in imported.toml


def test_remarks_stand_above_the_settings_with_file_and_line(tmp_path: Path) -> None:
    imported = import_texts(tmp_path, monitoring_config_file="\nprometheus_config {\n enable: false }")
    assert "\n# monitoring_config_file:3 `enable: false` changed: `/metrics`" in imported.toml


FILES = {
    "model_config_file": messages.MODEL_SERVER_CONFIG,
    "batching_parameters_file": messages.BATCHING_PARAMETERS,
    "monitoring_config_file": messages.MONITORING_CONFIG,
    "ssl_config_file": messages.SSL_CONFIG,
    "platform_config_file": messages.PLATFORM_CONFIG_MAP,
}
SAME = {
    "all",
    "base_path",
    "batch_timeout_micros",
    "enable",
    "enable_large_batch_splitting",
    "max_batch_size",
    "max_enqueued_batches",
    "name",
    "num_versions",
    "versions",
}
"""Fields that are settings without a word; the tests above say which."""

SCALARS = {"string": "'x'", "bool": "true", "double": "0.5"}


def single_fields(message: Message) -> Iterator[tuple[str, str]]:
    """Yields each field at the end of a path, with the text that sets no other one but what must be set."""
    for field in message.fields:
        if field.refusal is None:
            for inner, text in single_values(field.type):
                yield inner or field.name, f"{field.name}: {text}"


def single_values(kind: FieldType) -> Iterator[tuple[str, str]]:
    if isinstance(kind, Message) and [field.name for field in kind.fields] != ["value"]:
        needed = {"name": "name: 'm' ", "base_path": "base_path: '/m' "} if kind is messages.MODEL_CONFIG else {}
        for field, text in single_fields(kind):
            yield field, "{" + "".join(needed[name] for name in needed if name != field) + text + "}"
        if not kind.fields:
            yield "", "{}"
    elif isinstance(kind, MapOf):
        for field, text in single_values(kind.entry.fields[1].type):
            yield field, f"{{ key: 'tensorflow' value: {text} }}"
    elif isinstance(kind, AnyOf):
        for name, message in kind.messages.items():
            for field, text in single_values(message):
                yield field, f"{{ [type.googleapis.com/{name}] {text} }}"
    elif isinstance(kind, Message):
        yield "", f"{{ value: {SCALARS.get(str(kind.fields[0].type), '1')} }}"
    else:
        yield "", SCALARS.get(str(kind), "1")


def test_the_fields_are_found() -> None:
    found = {flag: [field for field, _ in single_fields(message)] for flag, message in FILES.items()}
    assert len(found["batching_parameters_file"]) == 9
    assert found["model_config_file"][:5] == ["name", "base_path", "model_type", "model_platform", "num_versions"]
    assert {"num_request_iterations", "intra_op_parallelism_threads"} <= {*found["platform_config_file"]}


@pytest.mark.parametrize(
    ("flag", "field", "text"),
    [
        pytest.param(flag, field, text, id=f"{flag}-{field}")
        for flag, message in FILES.items()
        for field, text in single_fields(message)
    ],
)
def test_no_field_is_dropped_quietly(flag: str, field: str, text: str, tmp_path: Path) -> None:
    texts = {flag: text} if flag == "model_config_file" else {"model_config_file": MODEL % "", flag: text}
    imported = import_texts(tmp_path, **texts)
    assert field in SAME or any(field in remark.field for remark in imported.outcome.remarks), imported.toml
    path = tmp_path / "turnout.toml"
    path.write_text(imported.toml)
    load_config(file=path, environ={}, home=tmp_path)
