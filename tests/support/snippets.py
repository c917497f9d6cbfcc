"""Runs the code of a page of the documentation, from top to bottom, as a reader would.

- `console`: lines that begin with `$ ` are commands; the lines below one are what it must print, where `…` stands for
  anything. No such lines: only the exit code counts. A command that ends with ` &` is a server; it runs until the page
  ends, and the next command waits until it is ready.
- `python`: a script of its own.
- a `toml` or `json` block with `title="NAME"` is written to that file.

Readers use the usual ports. Here each server gets free ones, and the usual ones are replaced in what follows.
"""

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

NOT_RUN = ("pip ", "make ", "git ", "sudo ", "cd ")
"""What sets a machine up; the environment of the tests is the outcome of it."""

USUAL_PORTS = {"rest": 8501, "grpc": 8500}
SECONDS = 60

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


@dataclass(slots=True)
class Reader:
    """Somebody who types what a page says, in a folder of their own."""

    folder: Path
    ports: dict[int, int] = field(default_factory=dict[int, int])
    servers: list["subprocess.Popen[bytes]"] = field(default_factory=list["subprocess.Popen[bytes]"])

    def follow(self, page: str) -> None:
        """Does all of a page, then ends its servers, which must go in peace."""
        try:
            for snippet in snippets(page):
                self._do(snippet)
            self._end_servers()
        finally:
            for server in self.servers:
                server.kill()
                server.wait()

    def _do(self, snippet: Snippet) -> None:
        if snippet.language == "console":
            for command in commands(snippet.text):
                self._type(command)
        elif snippet.language == "python":
            self._check(
                [sys.executable, "-c", self._with_ports(snippet.text)], "", f"the script of line {snippet.line}"
            )
        elif snippet.title is not None:
            (self.folder / snippet.title).write_text(snippet.text, encoding="utf-8")

    def _type(self, command: Command) -> None:
        if command.text.startswith(NOT_RUN):
            return
        text = self._with_ports(command.text)
        if text.endswith(" &"):
            self._serve(text.removesuffix(" &"))
        else:
            self._check(["bash", "-c", text], command.expected, f"`{command.text}`")

    def _check(self, arguments: list[str], expected: str, what: str) -> None:
        done = subprocess.run(
            arguments,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{what} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        printed = self._with_usual_ports(done.stdout)
        assert not expected or fits(expected, printed), f"{what} printed:\n{printed}\nThe page says:\n{expected}"

    def _serve(self, text: str) -> None:
        with (self.folder / f".server-{len(self.servers)}.log").open("wb") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {text}"], cwd=self.folder, env=self._environment(), stdout=log, stderr=log
            )
        self.servers.append(server)
        deadline = time.monotonic() + SECONDS
        while not self._find_ports(server.pid):
            log_text = Path(log.name).read_text(encoding="utf-8")
            assert server.poll() is None, f"`{text}` ended with {server.returncode}:\n{log_text}"
            assert time.monotonic() < deadline, f"`{text}` was not ready after {SECONDS} s:\n{log_text}"
            time.sleep(0.05)

    def _find_ports(self, pid: int) -> bool:
        found = listening_ports(pid)
        rest = next((port for port in found if _is_ready(port)), None)
        if rest is None:
            return False
        grpc = next((port for port in found if port != rest), None)
        self.ports = {USUAL_PORTS["rest"]: rest}
        if grpc is not None:
            self.ports[USUAL_PORTS["grpc"]] = grpc
        return True

    def _environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        free = {f"TURNOUT_{door.upper()}_PORT": "0" for door in USUAL_PORTS}
        if self.ports:
            free["TURNOUT_URL"] = f"http://127.0.0.1:{self.ports[USUAL_PORTS['rest']]}"
        return {**os.environ, **free, "PATH": path, "HOME": str(self.folder), "NO_COLOR": "1"}

    def _with_ports(self, text: str) -> str:
        for usual, real in self.ports.items():
            for host in ("localhost", "127.0.0.1"):
                text = text.replace(f"{host}:{usual}", f"127.0.0.1:{real}")
        return text

    def _with_usual_ports(self, text: str) -> str:
        for usual, real in self.ports.items():
            text = text.replace(f":{real}", f":{usual}")
        return text

    def _end_servers(self) -> None:
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
        for server in self.servers:
            assert server.wait(SECONDS) == 0


def listening_ports(pid: int) -> set[int]:
    """The TCP ports on which a process listens, as the kernel knows them."""
    try:
        links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
        table = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii")
    except OSError:  # the process, or one of its descriptors, went away in between
        return set()
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    rows = [line.split() for line in table.splitlines()[1:]]
    listening = "0A"
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == listening and row[9] in inodes}


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1.0).status_code == 200
    except httpx.HTTPError:
        return False
