"""The `turnout` command: its subcommands, and how it ends."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from turnout.cli import completion, config, exit_codes, imports
from turnout.cli.demo import demo
from turnout.cli.doctor import doctor
from turnout.cli.inspect_file import inspect_file
from turnout.cli.list_models import list_models
from turnout.cli.output import note, print_line, report_error
from turnout.cli.predict import predict
from turnout.cli.profile_model import profile_model
from turnout.cli.push import push
from turnout.cli.replay import replay
from turnout.cli.rollback import rollback
from turnout.cli.serve import serve
from turnout.errors import ConfigError, InternalError, RuntimeMissingError, TurnoutError

# Plain help texts: with rich they would take 0.2 s longer to appear. And no options at this level, `--help` included:
# typer coerces them before it shows a command's help or completes a word, and imports pydantic for that. So `main`
# takes those that are everybody's, and completion is a command.
app = typer.Typer(
    name="turnout",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": []},
    epilog="`turnout COMMAND --help` says more; `--debug` shows the traceback of an error; `turnout --version`.",
)
_COMMAND_SETTINGS = {"help_option_names": ["--help"]}

app.command(context_settings=_COMMAND_SETTINGS)(serve)
app.command(context_settings=_COMMAND_SETTINGS)(push)
app.command(context_settings=_COMMAND_SETTINGS)(predict)
app.command("inspect", context_settings=_COMMAND_SETTINGS)(inspect_file)
app.command("profile", context_settings=_COMMAND_SETTINGS)(profile_model)
app.command("list", context_settings=_COMMAND_SETTINGS)(list_models)
app.command(context_settings=_COMMAND_SETTINGS)(rollback)
app.command(context_settings=_COMMAND_SETTINGS)(replay)
app.command(context_settings=_COMMAND_SETTINGS)(doctor)
app.command(context_settings=_COMMAND_SETTINGS)(demo)
app.command(context_settings=_COMMAND_SETTINGS)(completion.completion)
app.add_typer(config.app, name="config")
app.add_typer(imports.app, name="import")

_GROUPS: list[list[str]] = [[], ["config"], ["import"]]
"""The words before which commands stand; alone they print their help."""


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Serve trained models over REST and gRPC, version after version, without losing a request."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; see `turnout.cli.exit_codes`.

    Args:
        arguments: without the program's name; the process's own when not given.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        return _print_version()
    debug = "--debug" in given or bool(os.environ.get("TURNOUT_DEBUG"))
    given = [word for word in given if word != "--debug"]
    if given[-1:] == ["--help"] and given[:-1] in _GROUPS:
        given = given[:-1]
    completion.prepare()
    try:
        outcome: Any = app(args=given, prog_name="turnout", standalone_mode=False)
    except typer.Abort:
        note("error: interrupted")
        return exit_codes.INTERRUPTED
    except Exception as error:  # the last resort: a person at a terminal gets words, and the traceback on demand
        if debug:
            import traceback

            note("".join(traceback.format_exception(error)).rstrip())
        failure = _explain(error)
        report_error(failure, as_json="--json" in given)
        return exit_codes.exit_code_of(failure)
    return outcome if isinstance(outcome, int) else exit_codes.OK


def _print_version() -> int:
    from turnout import __version__

    print_line(f"turnout {__version__}")
    return exit_codes.OK


def _explain(error: Exception) -> TurnoutError:
    if isinstance(error, TurnoutError):
        return error
    if isinstance(error, typer.TyperException):
        return _usage_error(error)
    if isinstance(error, ModuleNotFoundError) and error.name == "numpy":
        return RuntimeMissingError("numpy is not installed", hint="pip install 'turnout[onnx]'")
    message = f"unexpected {type(error).__name__}: {error}"
    return InternalError(message, hint="This is a fault of Turnout; `--debug` shows where. Please report it.")


def _usage_error(error: typer.TyperException) -> ConfigError:
    message = error.format_message()
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "turnout"
    return ConfigError(message[:1].lower() + message[1:], hint=f"`{command} --help` says more.")
