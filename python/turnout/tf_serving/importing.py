"""From TensorFlow Serving's files to `turnout.toml`."""

from dataclasses import dataclass
from pathlib import Path

from turnout.errors import ConfigError
from turnout.text_proto.reader import read_message
from turnout.text_proto.schema import Record
from turnout.text_proto.session_config import CONFIG_PROTO
from turnout.tf_serving import messages
from turnout.tf_serving.batching import translate_batching
from turnout.tf_serving.models import translate_models
from turnout.tf_serving.outcome import Outcome
from turnout.tf_serving.server_files import translate_monitoring, translate_platforms, translate_ssl
from turnout.tf_serving.sessions import translate_session_file
from turnout.tf_serving.toml import write_toml

_NAME_A_MODEL = "Name the model and its `base_path` in a file for `--model-config-file`."


@dataclass(frozen=True, slots=True)
class Files:
    """The files that were given, each named as the flag of `tensorflow_model_server` that takes it."""

    model_config_file: Path | None = None
    batching_parameters_file: Path | None = None
    monitoring_config_file: Path | None = None
    ssl_config_file: Path | None = None
    platform_config_file: Path | None = None
    tensorflow_session_config_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the files.

    Attributes:
        outcome: settings and remarks.
        toml: the text of `turnout.toml`.
    """

    outcome: Outcome
    toml: str


def import_files(files: Files) -> Imported:
    """Reads the files and says in `turnout.toml` what they say.

    Raises:
        ConfigError: no file was given, or one is wrong.
    """
    given = [path for path in (getattr(files, name) for name in Files.__slots__) if path is not None]
    if not given:
        raise ConfigError("nothing to import was given", hint="For example `--model-config-file models.config`.")
    outcome = Outcome()
    if files.model_config_file is not None:
        config = read_message(files.model_config_file, messages.MODEL_SERVER_CONFIG)
        translate_models(str(files.model_config_file), config, outcome)
    if files.monitoring_config_file is not None:
        config = read_message(files.monitoring_config_file, messages.MONITORING_CONFIG)
        translate_monitoring(str(files.monitoring_config_file), config, outcome)
    if files.ssl_config_file is not None:
        config = read_message(files.ssl_config_file, messages.SSL_CONFIG)
        translate_ssl(str(files.ssl_config_file), config, outcome)
    _import_batching(files, outcome)
    names = ", ".join(path.name for path in given)
    return Imported(outcome, write_toml(outcome, _introduction(names, outcome)))


def _import_batching(files: Files, outcome: Outcome) -> None:
    """Upstream reads the parameters from the platforms' file if there is one, and from their own file otherwise."""
    found: list[tuple[str, Record]] = []
    has_session = False
    if files.platform_config_file is not None:
        file = str(files.platform_config_file)
        config = read_message(files.platform_config_file, messages.PLATFORM_CONFIG_MAP)
        parameters, has_session = translate_platforms(file, config, outcome)
        found += [] if parameters is None else [(file, parameters)]
    _import_session(files, outcome, has_session=has_session)
    if files.batching_parameters_file is not None:
        config = read_message(files.batching_parameters_file, messages.BATCHING_PARAMETERS)
        found.append((str(files.batching_parameters_file), config))
    if len(found) > 1:
        raise ConfigError(f"batching parameters stand in two files: `{found[0][0]}` and `{found[1][0]}`")
    for file, parameters in found:
        if not outcome.models:
            raise ConfigError("batching is set for each model, and no model was given", hint=_NAME_A_MODEL)
        translate_batching(file, parameters, outcome)


def _import_session(files: Files, outcome: Outcome, *, has_session: bool) -> None:
    if files.tensorflow_session_config_file is None:
        return
    read_message(files.tensorflow_session_config_file, CONFIG_PROTO)
    if has_session:
        both = f"`{files.platform_config_file}` and `{files.tensorflow_session_config_file}`"
        raise ConfigError(f"sessions are set up by two files: {both}", hint="Upstream reads only the first: take one.")
    if not outcome.models:
        raise ConfigError("sessions are set up for each model, and no model was given", hint=_NAME_A_MODEL)
    translate_session_file(files.tensorflow_session_config_file, outcome)


def _introduction(names: str, outcome: Outcome) -> list[str]:
    lines = [f"Imported from {names}. Each comment names a field that is not simply the same here."]
    if outcome.models:
        lines.append(
            "`keep_previous = false` unloads the version that served before, as upstream does; with `true` it stays in"
            " memory, and a rollback takes milliseconds."
        )
    return lines
