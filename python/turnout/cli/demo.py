"""`turnout demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from turnout.cli import exit_codes
from turnout.cli.output import JsonFlag, note, print_json, print_line
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from turnout.demo.story import Outcome


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="The packaged model alone, in a few seconds.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server up at the end, until Ctrl-C.")] = False,
    picture: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("turnout-demo.png"),
    as_json: JsonFlag = False,
) -> None:
    """Watch a model be replaced and rolled back under load.

    Two classifiers are trained on scikit-learn's handwritten digits. The first serves; the second takes its place while
    clients go on asking; a rollback brings the first one back. It takes less than a minute, uses free ports, needs
    scikit-learn and matplotlib, and ends with the number of failed requests.
    """
    if quick:
        from turnout.operations import quick as quick_demo

        if keep or as_json:
            raise ConfigError("`--quick` ends by itself and prints a page: it takes neither `--keep` nor `--json`")
        quick_demo.run(print_line)
        return
    from turnout.host.extras import require

    require("sklearn", "sklearn")
    require("matplotlib", "demo")
    from turnout.demo import story

    outcome = story.run(picture, note, keep=keep)
    if as_json:
        print_json(_record(outcome))
    else:
        _print(outcome)
    if outcome.failures:
        raise typer.Exit(exit_codes.FAILED)


def _record(outcome: "Outcome") -> dict[str, object]:
    return {
        "requests": outcome.requests,
        "failed": len(outcome.failures),
        "failures": outcome.failures[:10],
        "accuracy": {str(version): share for version, share in outcome.accuracy.items()},
        "requests_per_second": outcome.per_second,
        "p50_ms": outcome.p50_ms,
        "p99_ms": outcome.p99_ms,
        "rollback_ms": outcome.rollback_ms,
        "picture": str(outcome.picture),
    }


def _print(outcome: "Outcome") -> None:
    accuracy = ", ".join(f"version {version} {share:.1%}" for version, share in outcome.accuracy.items())
    print_line(f"answered  {outcome.requests} requests, {outcome.per_second:.0f} a second from a few Python clients")
    print_line(f"failed    {len(outcome.failures)}")
    print_line(f"latency   p50 {outcome.p50_ms:.2f} ms, p99 {outcome.p99_ms:.2f} ms, as the clients saw it")
    print_line(f"accuracy  {accuracy}")
    print_line(f"picture   {outcome.picture}")
    for failure in outcome.failures[:10]:
        print_line(f"  {failure}")
    print_line()
    print_line("Go on with a model of your own:")
    print_line("  turnout push MODEL_FILE --name NAME --repository models")
    print_line("  turnout serve models")
