"""Writes every page; with `--check` only says which are stale."""

import sys
from pathlib import Path

from scripts.reference.pages import FOLDER, pages, stale


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    if "--check" in arguments:
        for name in stale(FOLDER):
            sys.stderr.write(f"stale page: {FOLDER / name}\nhint: run `make docs-reference`\n")
        return 1 if stale(FOLDER) else 0
    for name, text in pages().items():
        Path(FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
