"""`turnout rollback`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from turnout.cli.config import ConfigFile
from turnout.cli.output import JsonFlag, print_json, print_line, warn
from turnout.cli.predict import DEFAULT_URL, ServerUrl
from turnout.errors import ConfigError, UnavailableError

if TYPE_CHECKING:  # it brings what help and completion can do without
    from turnout.repository.layout import Source


def rollback(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    to: Annotated[int | None, typer.Option(min=1, help="The version. [default: the one before the current]")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the pin, so that the newest version serves.")] = False,
    why: Annotated[str, typer.Option(help="The reason, which is kept with the pin.")] = "",
    repository: Annotated[Path | None, typer.Option(help="The folder of models. [default: the setting]")] = None,
    config_file: ConfigFile = None,
    url: ServerUrl = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the running server has done it.")] = True,
    timeout_ms: Annotated[int, typer.Option(min=1, help="Milliseconds to wait.")] = 30_000,
    as_json: JsonFlag = False,
) -> None:
    """Go back to another version of a model.

    The version is pinned by a file in the repository, which survives restarts and later pushes until --clear. Where
    the server does not confirm in time, the command ends with 6; the pin holds nevertheless.
    """
    from turnout.operations import rollback as rolling
    from turnout.repository.layout import classify_path

    if clear and to is not None:
        raise ConfigError("`--clear` and `--to` contradict each other")
    source = classify_path(repository) if repository else _configured_source(config_file, name)
    server = url or DEFAULT_URL
    if clear:
        target = rolling.plan_clear(source, name)
        changed = rolling.unpin(target)
        done = "unpinned" if changed else "was not pinned"
    else:
        target = rolling.plan_rollback(source, name, to, rolling.ask_serving(server, name))
        rolling.pin(target, why)
        done = "pinned"
    if wait:
        try:
            rolling.wait_until_serving(server, target, timeout_ms)
        except UnavailableError:
            warn(
                f"{name} is {done} at version {target.version}, but no server confirmed it", "See `--url`, `--no-wait`."
            )
            raise
    if as_json:
        record = {"model": name, "version": target.version, "former_version": target.former}
        print_json({**record, "pinned": not clear, "confirmed": wait})
    else:
        print_line(f"{name} {done}: version {target.version}{' serves' if wait else ''}")


def _configured_source(config_file: Path | None, name: str) -> "Source":
    from turnout.config.resolve import load_config
    from turnout.repository.layout import classify_path, configured_source

    config = load_config(file=config_file)
    repository = config.server.settings.repository
    if repository is not None:
        return classify_path(Path(repository))
    if name in config.model_paths:
        return configured_source(name, config.model_paths[name])
    raise ConfigError(
        "no repository was given",
        hint=f"Use `--repository`, or set `repository` or `path` in `[models.{name}]` in turnout.toml.",
    )
