"""One shell that commands are typed into, one after another, with ports of its own in place of the usual ones."""

import os
import select
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

USUAL_PORTS = {"REST": 8501, "GRPC": 8500}
SECONDS = 60
"""For one command."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    output: str
    errors: str


class Shell:
    """A bash with job control, in a folder; what still runs when it is closed is killed.

    Args:
        folder: where it is, and what its home is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun = 0
        self._held = ExitStack()
        self._ports = {usual: self._reserve() for usual in USUAL_PORTS.values()}
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._write("set -m")

    def do(self, text: str) -> Done:
        """Types a command and waits until it has ended."""
        output, errors = self._folder / ".output", self._folder / ".errors"
        self._write(f"eval {shlex.quote(self.with_ports(text))} < /dev/null > {output.name} 2> {errors.name}; echo $?")
        code = self._answer(text)
        printed = self._with_usual_ports(output.read_text(encoding="utf-8"))
        return Done(code, printed, errors.read_text(encoding="utf-8"))

    def begin(self, text: str) -> None:
        """Types a command that ends with ` &`; what it prints is kept apart."""
        self._begun += 1
        self._write(f"eval {shlex.quote(self.with_ports(text))} < /dev/null > .background-{self._begun} 2>&1")

    def running(self) -> bool:
        """Whether anything that was begun has not ended."""
        return self.do('test -z "$(jobs -rp)"').code != 0

    def background_output(self) -> str:
        """Returns what was printed by all that was begun."""
        files = [self._folder / f".background-{number + 1}" for number in range(self._begun)]
        return "".join(file.read_text(encoding="utf-8") for file in files if file.exists())

    def with_ports(self, text: str) -> str:
        """Returns the text with this shell's ports."""
        for usual, real in self._ports.items():
            for host in ("localhost", "127.0.0.1"):
                text = text.replace(f"{host}:{usual}", f"127.0.0.1:{real}")
            text = text.replace(f"port={usual}", f"port={real}")
        return text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            # With job control, whatever it began leads a group of its own.
            for child in Path(f"/proc/{self._bash.pid}/task/{self._bash.pid}/children").read_text("ascii").split():
                with suppress(ProcessLookupError):
                    os.killpg(int(child), signal.SIGKILL)
            self._bash.kill()
            self._bash.communicate()

    def _reserve(self) -> int:
        """Keeps a port from all others but not from a server of this shell: bound, and not listened on."""
        holder = self._held.enter_context(socket.socket())
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])

    def _environment(self) -> dict[str, str]:
        ours = str(Path(sys.executable).parent)
        path = os.pathsep.join(entry for entry in os.environ["PATH"].split(os.pathsep) if entry != ours)
        ports = {f"TURNOUT_{door}_PORT": str(self._ports[usual]) for door, usual in USUAL_PORTS.items()}
        url = f"http://127.0.0.1:{self._ports[USUAL_PORTS['REST']]}"
        return {**os.environ, **ports, "TURNOUT_URL": url, "PATH": path, "HOME": str(self._folder), "NO_COLOR": "1"}

    def _with_usual_ports(self, text: str) -> str:
        for usual, real in self._ports.items():
            text = text.replace(f":{real}", f":{usual}")
        return text

    def _write(self, line: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(f"{line}\n".encode())

    def _answer(self, text: str) -> int:
        assert self._bash.stdout is not None
        readable, _, _ = select.select([self._bash.stdout], [], [], SECONDS)
        assert readable, f"`{text}` did not end within {SECONDS} s:\n{self.background_output()}"
        return int(self._bash.stdout.readline())
