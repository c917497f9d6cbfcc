"""`turnout list`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from turnout.cli.output import JsonFlag, format_bytes, note, print_json, print_table
from turnout.cli.predict import DEFAULT_URL, ServerUrl

if TYPE_CHECKING:
    from turnout.client.records import ModelSummary
    from turnout.repository.scan import ScannedModel, ScannedVersion


def list_models(
    path: Annotated[
        Path | None, typer.Argument(help="A repository or a model's folder; else a server is asked.")
    ] = None,
    url: ServerUrl = None,
    as_json: JsonFlag = False,
) -> None:
    """List models and versions, of a folder or a server."""
    rows = _on_disk(path) if path is not None else _on_server(url or DEFAULT_URL)
    if as_json:
        print_json(rows)
    elif not rows:
        note(f"no models: {path or url or DEFAULT_URL}")
    else:
        header = [name.removesuffix("_bytes") for name in rows[0]]
        print_table(header, [_for_people(row) for row in rows])


def _for_people(row: dict[str, Any]) -> list[Any]:
    size = row.get("size_bytes")
    shown = {**row, "size_bytes": format_bytes(size)} if size is not None else row
    return [("yes" if value is True else "" if value is False else value) for value in shown.values()]


def _on_disk(path: Path) -> list[dict[str, Any]]:
    from turnout.repository.versions import scan_path

    models = scan_path(path).models
    return [row for _, model in sorted(models.items()) for row in _disk_rows(model)]


def _disk_rows(model: "ScannedModel") -> list[dict[str, Any]]:
    rows = [_disk_row(model, version) for _, version in sorted(model.versions.items(), reverse=True)]
    empty = {"model": model.name, "version": "", "flavor": "", "size_bytes": 0, "created": "", "pinned": False}
    return [*({**empty, "problem": problem.message} for problem in model.problems), *rows]


def _disk_row(model: "ScannedModel", version: "ScannedVersion") -> dict[str, Any]:
    manifest = version.manifest
    changed = datetime.fromtimestamp(version.changed_ns / 1e9, UTC).isoformat(timespec="seconds")
    return {
        "model": model.name,
        "version": version.version,
        "flavor": manifest.flavor if manifest else "",
        "size_bytes": sum(file.size_bytes for file in version.files),
        "created": manifest.created if manifest and manifest.created else changed,
        "pinned": model.pin is not None and model.pin.version == version.version,
        "problem": version.fault.message if version.fault else "",
    }


def _on_server(url: str) -> list[dict[str, Any]]:
    from turnout.client.blocking import Client

    with Client(url) as client:
        return [row for model in client.models() for row in _server_rows(model)]


def _server_rows(model: "ModelSummary") -> list[dict[str, Any]]:
    rows = [
        {
            "model": model.name,
            "version": version.version,
            "state": version.state,
            "default": version.version == model.default_version,
            "labels": ", ".join(sorted(label for label, number in model.labels.items() if number == version.version)),
            "problem": version.error_message,
        }
        for version in model.versions
    ]
    if not model.problem:
        return rows
    empty = {"model": model.name, "version": "", "state": "", "default": False, "labels": ""}
    return [{**empty, "problem": model.problem}, *rows]
