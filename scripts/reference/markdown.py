"""The little Markdown that the pages are made of."""

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by `make docs-reference` from the code; edit the code. -->"


def page(title: str, introduction: str, *parts: str) -> str:
    """Joins the parts of a page under its title."""
    return "\n\n".join([f"# {title}", NOTICE, introduction, *(part for part in parts if part)]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draws a table; cells may hold any inline Markdown."""
    drawn = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in row) + " |" for row in drawn)


def cell(text: str) -> str:
    """Makes text fit into one cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def code(text: str) -> str:
    """Marks text as code; empty text stays empty."""
    return f"`{text}`" if text else ""
