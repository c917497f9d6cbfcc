"""What the figures were taken on, in words that do not tell which machine it was."""

import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("onnxruntime", "numpy")


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """A machine, as far as it matters for speed."""

    processor: str
    cores: int
    is_virtual: bool
    memory_gib: int
    kernel: str
    system: str
    python: str
    packages: dict[str, str]


def describe_machine() -> MachineFacts:
    """Looks at this machine."""
    information = Path("/proc/cpuinfo").read_text()
    named = re.search(r"model name\s*:\s*(.+)", information)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kernel = re.match(r"\d+\.\d+", platform.release())
    return MachineFacts(
        processor=f"{named.group(1).strip() if named else 'unknown'} ({platform.machine()})",
        cores=len(os.sched_getaffinity(0)),
        is_virtual=" hypervisor" in information,
        memory_gib=round(pages / 2**30),
        kernel=kernel.group() if kernel else "unknown",
        system=platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
    )


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds of processor time so far: one process's own, in user and kernel mode, and the whole machine's."""

    user_s: float
    system_s: float
    busy_s: float

    def since(self, earlier: "ProcessorTime") -> "ProcessorTime":
        """Returns the time between two looks."""
        return ProcessorTime(
            self.user_s - earlier.user_s, self.system_s - earlier.system_s, self.busy_s - earlier.busy_s
        )


def processor_time(pid: int) -> ProcessorTime:
    """Looks at a process and at the machine."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    total = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    # Idle and waiting for disks are columns 3 and 4; guests (8, 9) are counted in the first two already.
    busy = sum(total[:8]) - total[3] - total[4]
    return ProcessorTime(user * tick_s, system * tick_s, busy * tick_s)
