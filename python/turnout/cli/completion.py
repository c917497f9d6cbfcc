"""`turnout completion`, and the answers to a shell that asks what could come next."""

import os
from typing import Annotated, Literal

import typer
from typer.completion import (  # typer has no public way to answer a shell without an option at the top
    completion_init,  # pyright: ignore[reportPrivateImportUsage]
    get_completion_script,  # pyright: ignore[reportPrivateImportUsage]
)

from turnout.cli.output import print_line

VARIABLE = "_TURNOUT_COMPLETE"
"""Set by a shell that asks; what for, is its value."""


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print the script that completes words after `turnout`.

    For bash, add this line to ~/.bashrc:  eval "$(turnout completion bash)"
    """
    print_line(get_completion_script(prog_name="turnout", complete_var=VARIABLE, shell=shell))


def prepare() -> None:
    """Gets ready to answer a shell, where one asks."""
    if VARIABLE in os.environ:
        completion_init()
