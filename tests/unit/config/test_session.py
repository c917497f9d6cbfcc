"""What a model's settings and the file that they name come to, judged by protobuf's own `ConfigProto`."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving_stubs import serving_stubs
from turnout.config.resolve import Assigned, load_config
from turnout.errors import ConfigError
from turnout.lifecycle.settings import SessionSettings

TOML = "[models.m]\n"


def config_proto(settings: SessionSettings) -> Any:
    """The message as TensorFlow would read it."""
    serving_stubs()
    return importlib.import_module("tensorflow.core.protobuf.config_pb2").ConfigProto.FromString(settings.config)


def read(folder: Path, toml: str = "", text: str | None = None, **model_settings: object) -> SessionSettings:
    """Reads the settings of the model `m`."""
    if text is not None:
        (folder / "session.config").write_text(text)
    file = folder / "turnout.toml"
    file.write_text(TOML + toml)
    config = load_config(file=file, assigned=Assigned(models=model_settings), environ={}, home=folder)
    return config.model("m").settings.session


def test_without_settings_nothing_is_said(tmp_path: Path) -> None:
    assert read(tmp_path) == SessionSettings(b"", 0, None)


def test_xla_and_bfloat16_are_fields_of_the_message(tmp_path: Path) -> None:
    proto = config_proto(read(tmp_path, 'xla = true\nmixed_precision = "bfloat16"'))
    assert proto.graph_options.optimizer_options.global_jit_level == 1
    assert proto.graph_options.optimizer_options.cpu_global_jit
    # The published classes are older than this field of `RewriterConfig`: number 31, and its value 1.
    assert b"\xf8\x01\x01" in proto.graph_options.rewrite_options.SerializeToString()


def test_a_file_is_read_relative_to_turnout_toml_and_settings_are_added(tmp_path: Path) -> None:
    text = "inter_op_parallelism_threads: -1 intra_op_parallelism_threads: 4 device_count { key: 'CPU' value: 2 }"
    session = read(tmp_path, 'session_config_file = "session.config"\nxla = true', text)
    assert (session.intra_op_threads, session.inter_op_threads) == (4, -1)
    proto = config_proto(session)
    assert (proto.inter_op_parallelism_threads, dict(proto.device_count)) == (-1, {"CPU": 2})
    assert proto.graph_options.optimizer_options.global_jit_level == 1


def test_a_number_that_is_zero_in_the_file_was_said(tmp_path: Path) -> None:
    session = read(tmp_path, 'session_config_file = "session.config"', "inter_op_parallelism_threads: 0")
    assert session.inter_op_threads == 0
    assert session.config == b"\x28\x00"


def test_a_file_named_by_a_flag_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here" / "session.config").write_text("placement_period: 7")
    session = read(tmp_path, "", session_config_file="session.config")
    assert config_proto(session).placement_period == 7


def test_threads_of_the_settings_are_the_engine_s_business(tmp_path: Path) -> None:
    session = read(tmp_path, "inter_op_threads = 3\nintra_op_threads = 2")
    assert session == SessionSettings(b"", 0, 3)


@pytest.mark.parametrize(
    ("toml", "text", "message"),
    [
        ("", "graph_options {\n  bogus: 1 }", r"line 2, column 3: expected a field of `GraphOptions`, got `bogus`"),
        ("", "cluster_def { }", r"line 1, column 1: the field `cluster_def` is not supported: it is about sessions"),
        ("", "gpu_options { experimental { } }", r"`experimental` is not supported: it sets up a GPU"),
        ("xla = true", "\ngraph_options { optimizer_options {\n cpu_global_jit: false } }", "also said by .*line 3"),
        ("intra_op_threads = 2", "intra_op_parallelism_threads: 2", r"`intra_op_threads` \(.*also said by .*line 1"),
        ("inter_op_threads = 2", "session_inter_op_thread_pool { num_threads: 2 }", "`inter_op_threads`.*line 1"),
        (
            'mixed_precision = "bfloat16"',
            "graph_options { rewrite_options { auto_mixed_precision_onednn_bfloat16: OFF } }",
            "`mixed_precision`.*line 1",
        ),
        ("", "device_filters: '" + "x" * 65_536 + "'", "says too much: expected at most 65536 bytes"),
    ],
)
def test_what_is_wrong_is_refused_at_once_and_with_its_place(
    toml: str, text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, f'session_config_file = "session.config"\n{toml}', text)


def test_a_file_that_is_missing_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(tmp_path, "", session_config_file="nowhere.config")


def test_the_settings_are_the_operator_s_alone(tmp_path: Path) -> None:
    own = tmp_path / "model.toml"
    for name, value in {
        "inter_op_threads": "1",
        "mixed_precision": '"bfloat16"',
        "savedmodel_tags": "[]",
        "session_config_file": '"/etc/passwd"',
        "xla": "true",
    }.items():
        own.write_text(f"{name} = {value}")
        with pytest.raises(ConfigError, match=f"the operator's alone: `{name}`"):
            load_config(environ={}, home=tmp_path, search=False).model("m", own)


def test_tags_are_a_list_in_files_and_separated_by_commas_elsewhere(tmp_path: Path) -> None:
    environ = {"TURNOUT_MODEL_SAVEDMODEL_TAGS": "serve, gpu"}
    config = load_config(environ=environ, home=tmp_path, search=False)
    assert config.model("m").settings.savedmodel_tags == ("serve", "gpu")
    flags = load_config(assigned=Assigned(models={"savedmodel_tags": "a,b"}), environ={}, home=tmp_path, search=False)
    assert flags.model("m").settings.savedmodel_tags == ("a", "b")
    file = tmp_path / "turnout.toml"
    file.write_text(f"{TOML}savedmodel_tags = []")
    assert load_config(file=file, environ={}, home=tmp_path).model("m").settings.savedmodel_tags == ()
