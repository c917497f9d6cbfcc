"""`turnout demo`."""

from typing import Annotated

import typer

from turnout.cli.output import print_line


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="The packaged model, a few seconds; the default.")] = False,
) -> None:
    """Serve the packaged model and ask it, in seconds.

    The ports are free ones; at the end it shows how to go on.
    """
    from turnout import quick as quick_demo

    del quick  # there is no other demonstration yet
    quick_demo.run(print_line)
