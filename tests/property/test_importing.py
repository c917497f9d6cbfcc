"""Whatever TensorFlow Serving's files say, what they become is a `turnout.toml` that Turnout reads as it was meant."""

import tempfile
import tomllib
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from tests.support.text_messages import FILES, fill
from tests.support.text_protos import made_class, published_class
from turnout.config.resolve import load_config
from turnout.tf_serving.importing import Files, import_files

FLAGS = {
    "model_config_file": "ModelServerConfig",
    "batching_parameters_file": "BatchingParameters",
    "monitoring_config_file": "MonitoringConfig",
    "ssl_config_file": "SSLConfig",
}


@st.composite
def protos(draw: st.DrawFn) -> dict[str, Any]:
    """One message for each file; models have different names and a path."""
    made: dict[str, Any] = {}
    for flag, name in FLAGS.items():
        made[flag] = published_class()() if flag == "model_config_file" else made_class(FILES[name])()
        fill(draw, FILES[name], made[flag])
    for number, model in enumerate(made["model_config_file"].model_config_list.config):
        model.name = f"{draw(st.sampled_from(['m', 'a b', 'ü.', 'a/', 'm-_']))}{number}"
        model.base_path = draw(st.sampled_from(["/", "gs://", "x", "file:///"])) + model.base_path
    made["model_config_file"].model_config_list.config.add(name="last", base_path="/last")
    return made


@given(protos())
def test_what_is_written_is_read_as_it_was_meant(made: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = {flag: Path(folder, flag) for flag in made}
        for flag, path in paths.items():
            path.write_text(text_format.MessageToString(made[flag]), encoding="utf-8")
        imported = import_files(Files(**paths))
        written = Path(folder, "turnout.toml")
        written.write_text(imported.toml, encoding="utf-8")
        document = tomllib.loads(imported.toml)
        assert document.pop("models") == {name: table.settings for name, table in imported.outcome.models.items()}
        assert document == imported.outcome.server.settings
        config = load_config(file=written, environ={}, home=Path(folder))
        for name, table in imported.outcome.models.items():
            settings = config.model(name).settings
            for setting, value in table.settings.items():
                got = config.model_paths[name] if setting == "path" else getattr(settings, setting)
                assert got == (
                    Path(str(value)) if setting == "path" else tuple(value) if isinstance(value, list) else value
                )
