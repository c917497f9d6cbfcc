"""Which models a `tensorflow_model_server` serves: from a list in a file or a message, or from the flags for one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from turnout.config.resolve import Config
from turnout.errors import ConfigError
from turnout.repository.layout import Source, configured_source
from turnout.text_proto.reader import read_message
from turnout.text_proto.schema import Record
from turnout.tf_serving import messages
from turnout.tf_serving.batching import translate_batching
from turnout.tf_serving.flag_parsing import Arguments
from turnout.tf_serving.models import translate_models
from turnout.tf_serving.outcome import Outcome
from turnout.tf_serving.server_files import translate_platforms
from turnout.tf_serving.session_flags import session_settings

COMMAND_LINE = "command line"
"""The name of the file that a model from the flags is said to stand in."""

Remarks: TypeAlias = Callable[[Outcome], None]
"""Gets what is to be said of the files."""


def read_models(arguments: Arguments, remarks: Remarks | None = None) -> dict[str, Any]:
    """Reads which models there are now.

    Args:
        arguments: the flags.
        remarks: what is to be said of the files goes there.

    Returns:
        What stands in `turnout.toml` for them: a table for each model, and the server's share of batching.

    Raises:
        ConfigError: a file is wrong.
    """
    file = arguments.text("model_config_file")
    if file:
        return model_tables(file, read_message(Path(file), messages.MODEL_SERVER_CONFIG), arguments, remarks)
    base_path = arguments.text("model_base_path")
    if "://" not in base_path:
        base_path = str(Path(base_path).absolute())
    values = {"name": arguments.text("model_name"), "base_path": base_path}
    model = Record(messages.MODEL_CONFIG, values, {"name": 1, "base_path": 1})
    models = Record(messages.MODEL_CONFIG_LIST, {"config": [model]})
    config = Record(messages.MODEL_SERVER_CONFIG, {"model_config_list": models})
    tables = model_tables(COMMAND_LINE, config, arguments, remarks)
    if not tables["models"]:
        raise ConfigError(f"no model can have this name and path: `{values['name']}`, `{values['base_path']}`")
    return tables


def model_tables(file: str, config: Record, arguments: Arguments, remarks: Remarks | None = None) -> dict[str, Any]:
    """Says what a `ModelServerConfig` means, as `read_models` does.

    Args:
        file: where it stands.
        config: the message.
        arguments: the flags.
        remarks: what is to be said of it goes there.

    Raises:
        ConfigError: it is wrong, or a file that a flag names.
    """
    outcome = Outcome()
    translate_models(file, config, outcome)
    merges = _translate_batching(arguments, outcome)
    sessions = session_settings(arguments)
    for table in outcome.models.values():
        if not merges:
            table.settings["merge"] = "never"  # upstream runs requests one by one unless it is asked to batch them
        table.settings.update(sessions)
    if remarks is not None:
        remarks(outcome)
    served = {name: table.settings for name, table in outcome.models.items() if "path" in table.settings}
    return {**outcome.server.settings, "models": served}


def sources_of(config: Config) -> tuple[Source, ...]:
    """Returns where the models lie."""
    return tuple(configured_source(name, path) for name, path in config.model_paths.items())


def _translate_batching(arguments: Arguments, outcome: Outcome) -> bool:
    """Adds what the files say of batching, as `turnout import tf-serving` does; the platforms' file replaces the other.

    Returns:
        Whether anything asks for batching.
    """
    platforms, file = arguments.text("platform_config_file"), arguments.text("batching_parameters_file")
    if platforms:
        config = read_message(Path(platforms), messages.PLATFORM_CONFIG_MAP)
        parameters, _ = translate_platforms(platforms, config, outcome)
        if parameters is not None and outcome.models:
            translate_batching(platforms, parameters, outcome)
        return parameters is not None
    if not arguments.flag("enable_batching"):
        return False
    name = file or COMMAND_LINE
    parameters = (
        read_message(Path(file), messages.BATCHING_PARAMETERS) if file else Record(messages.BATCHING_PARAMETERS)
    )
    if outcome.models:
        translate_batching(name, parameters, outcome)
    return True
