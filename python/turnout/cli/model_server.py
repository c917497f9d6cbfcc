"""`tensorflow_model_server`, and the entry point of its Docker image."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from turnout.cli import exit_codes
from turnout.cli.output import note, print_line
from turnout.errors import ConfigError, TurnoutError
from turnout.tf_serving.flag_parsing import Arguments, parse_arguments, usage

PROGRAM = "tensorflow_model_server"

FAILED = 255
"""What upstream's -1 is to a shell."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code.

    Args:
        arguments: without the program's name; the process's own when not given.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parsed = parse_arguments(words)
    except ConfigError as error:
        note(f"error: {error.message}\n{usage(PROGRAM)}")
        return FAILED
    if parsed.wants_help:
        print_line(usage(PROGRAM))
        return exit_codes.OK
    if parsed.flag("version"):
        return _print_versions()
    if parsed.unknown:
        _say_unknown(parsed)
    return _run(parsed)


def entry_point(arguments: Sequence[str] | None = None) -> int:
    """Runs the command as `tf_serving_entrypoint.sh` of the Docker image does.

    The ports are 8500 and 8501, `MODEL_NAME` and `MODEL_BASE_PATH` name the model, and further flags come behind.

    Args:
        arguments: without the program's name; the process's own when not given.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    return main([*image_flags(os.environ), *words])


def image_flags(environ: Mapping[str, str]) -> list[str]:
    """Returns the flags that the image's variables stand for."""
    name, base_path = environ.get("MODEL_NAME") or "model", environ.get("MODEL_BASE_PATH") or "/models"
    path = str(Path(base_path, name))
    return ["--port=8500", "--rest_api_port=8501", f"--model_name={name}", f"--model_base_path={path}"]


def _say_unknown(parsed: Arguments) -> None:
    """Upstream goes on with what it understood; it reads values behind a `=` alone."""
    for word in parsed.unknown:
        print_line(f"unknown argument: {word}")
    print_line(usage(PROGRAM))
    note("warning: arguments were not understood, and the server goes on without them: values stand behind a `=`")
    sys.stdout.flush()


def _print_versions() -> int:
    import json

    from turnout import __version__, _dataplane
    from turnout.host.runtimes import find_library

    try:
        engine = {"kind": "savedmodel", "library": str(find_library("savedmodel"))}
        library = json.loads(_dataplane.probe_engine(json.dumps(engine)))["version"]
    except TurnoutError as error:
        library = f"{error.message}\nhint: {error.hint}" if error.hint else error.message
    print_line(f"TensorFlow ModelServer: Turnout {__version__}\nTensorFlow Library: {library}")
    return exit_codes.OK


def _run(parsed: Arguments) -> int:
    from turnout import _dataplane
    from turnout.cli.signals import StopSignals, drain
    from turnout.host.logs import configure_logging
    from turnout.tf_serving.model_server import ModelServer

    configure_logging("text", "info")
    _dataplane.bound_memory_retention()
    try:
        server = ModelServer(parsed)
    except TurnoutError as error:
        return _failed(error)
    settings = server.plan.config.server.settings
    configure_logging(settings.log_format, settings.log_level)
    with StopSignals() as signals:
        try:
            server.start(signals.wait)
            signals.wait()
        except TurnoutError as error:
            server.close()
            return _failed(error)
        except BaseException:
            server.close()
            raise
        return exit_codes.OK if drain(server.stop) else exit_codes.FAILED


def _failed(error: TurnoutError) -> int:
    """Says why there is no server; scripts look for upstream's words."""
    from turnout.text_proto.reader import parse_failure

    failure = parse_failure(error)
    if failure is not None:
        note(failure)
    note(f"Failed to start server. Error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""))
    return FAILED
