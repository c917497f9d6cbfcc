"""Which page is made by what."""

from pathlib import Path

from scripts.reference.command_line import cli_page
from scripts.reference.data_plane import errors_page, metrics_page, rest_page
from scripts.reference.python_names import python_page
from scripts.reference.settings import config_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Every generated page by file name."""
    return {
        "cli.md": cli_page(),
        "config.md": config_page(),
        "errors.md": errors_page(),
        "metrics.md": metrics_page(),
        "python.md": python_page(),
        "rest.md": rest_page(),
    }


def stale(folder: Path) -> list[str]:
    """The pages in a folder that are missing or differ from what the code says."""
    return [
        name
        for name, text in pages().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
