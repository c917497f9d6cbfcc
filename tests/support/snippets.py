"""Runs the code of a page of the documentation, from top to bottom, as a reader would.

- `console`: lines that begin with `$ ` are commands; the lines below one are what it must print, where `…` stands for
  anything. No such lines: only the exit code counts. All commands of a page are typed into one shell with job control,
  so that `. .venv/bin/activate` holds for what follows, and `kill %1` ends what ` &` has begun.
- `python`: a script of its own.
- a `toml` or `json` block with `title="NAME"` is written to that file.

Other languages are shown only. Nothing waits for a server but the page itself, and a page that leaves one running is
wrong. Readers use the usual ports; here free ones are reserved, and replace the usual ones in what is typed.
"""

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.shell import Shell

NOT_RUN = ("pip ", "make ", "git ", "sudo ", "cd ")
"""What sets a machine up; the environment of the tests is the outcome of it."""

_FRACTION = re.compile(r"(\d+\.\d+(?:e-?\d+)?)")
_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fenced block."""

    language: str
    title: str | None
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """One command and the lines that it must print; none means that they don't matter."""

    text: str
    expected: str


def snippets(page: str) -> Iterator[Snippet]:
    """Yields the fenced blocks of a page that name a language."""
    for match in _FENCE.finditer(page):
        yield Snippet(match[1], match[2], match[3], page.count("\n", 0, match.start()) + 2)


def commands(text: str) -> Iterator[Command]:
    """Splits a console block; a line that ends with a backslash goes on in the next."""
    command, expected = "", list[str]()
    for line in text.replace("\\\n", "").splitlines():
        if line.startswith("$ "):
            if command:
                yield Command(command, "\n".join(expected))
            command, expected = line[2:], []
        else:
            expected.append(line)
    if command:
        yield Command(command, "\n".join(expected))


def fits(expected: str, printed: str) -> bool:
    """Whether the output is what the page shows, spaces at the ends of lines and a fraction's last digits apart."""
    parts = _FRACTION.split(_trimmed(expected))
    shown = [float(part) for part in parts[1::2]]
    parts[1::2] = [_FRACTION.pattern] * len(shown)
    parts[::2] = [r"[\s\S]*?".join(map(re.escape, part.split("…"))) for part in parts[::2]]
    match = re.fullmatch("".join(parts), _trimmed(printed))
    # Processors differ in the order in which they add.
    return match is not None and all(
        math.isclose(float(real), number, rel_tol=1e-4) for real, number in zip(match.groups(), shown, strict=True)
    )


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who types what a page says, in a folder of their own."""

    folder: Path

    def follow(self, page: str) -> None:
        """Does all of a page, which must end what it began."""
        with Shell(self.folder) as shell:
            for snippet in snippets(page):
                self._do(shell, snippet)
            assert not shell.running(), f"the page leaves something running:\n{shell.background_output()}"

    def _do(self, shell: Shell, snippet: Snippet) -> None:
        if snippet.language == "console":
            for command in commands(snippet.text):
                _type(shell, command)
        elif snippet.language == "python":
            script = self.folder / f".line-{snippet.line}.py"
            script.write_text(shell.with_ports(snippet.text), encoding="utf-8")
            _check(shell, f"{sys.executable} {script.name}", "", f"the script of line {snippet.line}")
        elif snippet.title is not None:
            (self.folder / snippet.title).write_text(snippet.text, encoding="utf-8")


def _type(shell: Shell, command: Command) -> None:
    if command.text.startswith(NOT_RUN):
        return
    if command.text.endswith(" &"):
        shell.begin(command.text)
    else:
        _check(shell, command.text, command.expected, f"`{command.text}`")


def _check(shell: Shell, text: str, expected: str, what: str) -> None:
    done = shell.do(text)
    assert done.code == 0, f"{what} ended with {done.code}:\n{done.output}{done.errors}{shell.background_output()}"
    assert not expected or fits(expected, done.output), f"{what} printed:\n{done.output}\nThe page says:\n{expected}"
