"""`turnout import tf-serving`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from turnout.cli.output import JsonFlag, note, print_json, print_line, warn
from turnout.errors import ConfigError

if TYPE_CHECKING:  # it brings pydantic, which help and completion can do without
    from turnout.tf_serving.importing import Imported

app = typer.Typer(help="Take over the settings of another server.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def imports(context: typer.Context) -> None:
    """Take over the settings of another server."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("tf-serving", context_settings={"help_option_names": ["--help"]})
def tf_serving(
    model_config_file: Annotated[Path | None, typer.Option(help="Text proto ModelServerConfig.")] = None,
    batching_parameters_file: Annotated[Path | None, typer.Option(help="Text proto BatchingParameters.")] = None,
    monitoring_config_file: Annotated[Path | None, typer.Option(help="Text proto MonitoringConfig.")] = None,
    ssl_config_file: Annotated[Path | None, typer.Option(help="Text proto SSLConfig.")] = None,
    platform_config_file: Annotated[Path | None, typer.Option(help="Text proto PlatformConfigMap.")] = None,
    tensorflow_session_config_file: Annotated[Path | None, typer.Option(help="Text proto ConfigProto.")] = None,
    output: Annotated[Path | None, typer.Option(help="The turnout.toml to write. [default: standard output]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Turn the configuration files of tensorflow_model_server into a turnout.toml.

    Each option takes the file that the flag of that name takes there. A comment stands above the settings for every
    field that changed its meaning, is ignored or has no counterpart.
    """
    from turnout.tf_serving.importing import Files, import_files

    files = Files(
        model_config_file=model_config_file,
        batching_parameters_file=batching_parameters_file,
        monitoring_config_file=monitoring_config_file,
        ssl_config_file=ssl_config_file,
        platform_config_file=platform_config_file,
        tensorflow_session_config_file=tensorflow_session_config_file,
    )
    imported = import_files(files)
    if output is not None:
        _write(output, imported.toml, force=force)
    if as_json:
        _print_report(imported, output)
        return
    if output is None:
        print_line(imported.toml.removesuffix("\n"))
    _summarize(imported, output)


def _write(path: Path, text: str, *, force: bool) -> None:
    from turnout.repository.files import replace_file, write_new

    try:
        (replace_file if force else write_new)(path, text.encode())
    except FileExistsError as error:
        raise ConfigError(f"the file exists: `{path}`", hint="`--force` replaces it.") from error
    except OSError as error:
        raise ConfigError(f"cannot write the file: {error.strerror}: `{path}`") from error


def _print_report(imported: "Imported", output: Path | None) -> None:
    outcome = imported.outcome
    print_json(
        {
            "output": None if output is None else str(output),
            "server": outcome.server.settings,
            "models": {name: table.settings for name, table in outcome.models.items()},
            "remarks": [asdict(remark) for remark in outcome.remarks],
            "toml": imported.toml,
        }
    )


def _summarize(imported: "Imported", output: Path | None) -> None:
    """Says on standard error what a person must not overlook in the comments."""
    outcome = imported.outcome
    for remark in outcome.remarks:
        if remark.kind in ("not_yet", "left_out"):
            warn(str(remark))
    where = "" if output is None else f" in {output}"
    note(f"models: {len(outcome.models)}, comments: {len(outcome.remarks)}{where}")
