"""Flags about TensorFlow's sessions and about warm-up: settings of every model."""

from pathlib import Path
from typing import Any

from turnout.errors import ConfigError
from turnout.text_proto.reader import read_message
from turnout.text_proto.schema import Record
from turnout.text_proto.session_config import CONFIG_PROTO
from turnout.tf_serving.flag_parsing import Arguments

_MAX_THREADS = 1024
_FILE = "tensorflow_session_config_file"


def session_settings(arguments: Arguments) -> dict[str, Any]:
    """Returns what the flags set for each model.

    What the file of `--tensorflow_session_config_file` says goes before the flags for threads.

    Raises:
        ConfigError: the file is wrong, or a flag has a value that it cannot have.
    """
    settings: dict[str, Any] = {}
    file = Record(CONFIG_PROTO)
    if arguments.text(_FILE):
        path = Path(arguments.text(_FILE)).absolute()
        file = read_message(path, CONFIG_PROTO)
        settings["session_config_file"] = str(path)
    session = arguments.integer("tensorflow_session_parallelism")
    for kind in ("intra", "inter"):
        threads = session or arguments.integer(f"tensorflow_{kind}_op_parallelism")
        if threads > 0 and f"{kind}_op_parallelism_threads" not in file.values:
            settings[f"{kind}_op_threads"] = min(threads, _MAX_THREADS)
    if arguments.is_changed("saved_model_tags"):
        settings["savedmodel_tags"] = [tag.strip() for tag in arguments.text("saved_model_tags").split(",")]
    if arguments.flag("xla_cpu_compilation_enabled"):
        settings["xla"] = True
    precision = arguments.text("mixed_precision")
    if precision not in {"", "bfloat16"}:
        raise ConfigError(f"`--mixed_precision` is not valid: expected `bfloat16`, got `{precision}`")
    if precision:
        settings["mixed_precision"] = precision
    return settings | _warmup(arguments) | _interpreters(arguments)


def _interpreters(arguments: Arguments) -> dict[str, Any]:
    """Upstream has pools of interpreters, one for each call under way."""
    pools, each = arguments.integer("num_tflite_pools"), arguments.integer("num_tflite_interpreters_per_pool")
    if not arguments.is_changed("num_tflite_pools") or pools <= 0:
        return {}
    return {"interpreters": min(pools * max(each, 1), _MAX_THREADS)}


def _warmup(arguments: Arguments) -> dict[str, Any]:
    if not arguments.flag("enable_model_warmup"):
        return {"warmup_iterations": 0}
    iterations = arguments.integer("num_request_iterations_for_warmup")
    return {"warmup_iterations": min(iterations, 1000)} if iterations > 0 else {}
