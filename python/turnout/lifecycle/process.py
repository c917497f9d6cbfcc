"""Which process wrote something, and whether it is still alive: a number alone is reused."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from turnout.repository.fields import Fields
from turnout.types import JsonValue

_PROC = Path("/proc")
_START_TICKS_FIELD = 22
"""Of `/proc/PID/stat`, counted from 1 (proc(5))."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, told apart from all others of this host since it was started.

    Attributes:
        host: the host's name.
        boot: the kernel's id of this start of the host; empty where it cannot be read.
        pid: the process id.
        started_ticks: clock ticks from the start of the host to that of the process.
    """

    host: str
    boot: str
    pid: int
    started_ticks: int

    @property
    def key(self) -> str:
        """A name for files of the process; `from_key` reads it back."""
        return f"{self.pid}.{self.started_ticks}.{self.boot}.{self.host}"

    @classmethod
    def from_key(cls, key: str) -> "ProcessIdentity | None":
        """Returns the process that a file's name stands for; None where it is no such name."""
        try:
            pid, ticks, boot, host = key.split(".", 3)
            return cls(host, boot, int(pid), int(ticks))
        except ValueError:
            return None

    def to_json(self) -> dict[str, JsonValue]:
        """Returns a record of JSON types."""
        return {"host": self.host, "boot": self.boot or None, "pid": self.pid, "started_ticks": self.started_ticks}

    @classmethod
    def read(cls, fields: Fields) -> "ProcessIdentity":
        """Takes the fields that `to_json` wrote."""
        return cls(
            host=fields.text("host"),
            boot=fields.optional_text("boot") or "",
            pid=fields.integer("pid", 1),
            started_ticks=fields.integer("started_ticks", 0),
        )


def this_process() -> ProcessIdentity:
    """Returns the identity of the calling process."""
    pid = os.getpid()
    return ProcessIdentity(socket.gethostname(), _boot_id(), pid, _started_ticks(pid) or 0)


def is_alive(identity: ProcessIdentity) -> bool:
    """Returns whether a process runs; of another host nothing can be known, so its processes count as alive."""
    if identity.host != socket.gethostname():
        return True
    return identity.boot == _boot_id() and _started_ticks(identity.pid) == identity.started_ticks


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started_ticks(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets, which may itself hold spaces and brackets.
    after_name = stat.rpartition(")")[2].split()
    state, started = after_name[0], int(after_name[_START_TICKS_FIELD - 3])
    return None if state in "ZX" else started
