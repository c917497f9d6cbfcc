"""The `turnout` command: its subcommands, and how it ends."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from turnout.cli import exit_codes
from turnout.cli.output import note, report_error
from turnout.errors import ConfigError, InternalError, TurnoutError

# Plain help texts: with rich they would take 0.2 s longer to appear.
app = typer.Typer(
    name="turnout",
    help="Serve trained models over REST and gRPC, version after version, without losing a request.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from turnout import __version__

        typer.echo(f"turnout {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="TURNOUT_DEBUG", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Serve trained models over REST and gRPC, version after version, without losing a request."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; see `turnout.cli.exit_codes`.

    Args:
        arguments: without the program's name; the process's own when not given.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        outcome: Any = app(args=given, prog_name="turnout", standalone_mode=False)
    except typer.TyperException as error:
        return _fail(_usage_error(error), given, error)
    except typer.Abort:
        note("error: interrupted")
        return exit_codes.INTERRUPTED
    except TurnoutError as error:
        return _fail(error, given, error)
    except Exception as error:  # the last resort: a person at a terminal gets words, and the traceback on demand
        return _fail(InternalError(f"unexpected {type(error).__name__}: {error}", hint=_DEBUG_HINT), given, error)
    return outcome if isinstance(outcome, int) else exit_codes.OK


_DEBUG_HINT = "This is a fault of Turnout; `turnout --debug …` shows where. Please report it."


def _fail(error: TurnoutError, arguments: Sequence[str], cause: BaseException) -> int:
    if "--debug" in arguments or os.environ.get("TURNOUT_DEBUG"):
        import traceback

        note("".join(traceback.format_exception(cause)).rstrip())
    report_error(error, as_json="--json" in arguments)
    return exit_codes.exit_code_of(error)


def _usage_error(error: typer.TyperException) -> ConfigError:
    message = error.format_message()
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "turnout"
    return ConfigError(message[:1].lower() + message[1:], hint=f"`{command} --help` says more.")
