"""What this machine offers to one process: cores and memory, as the kernel and the control groups allow them."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED_BYTES = 1 << 60
"""Control groups of version 1 write "no limit" as a number near 2**63."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores and memory that this process may use.

    Attributes:
        affinity_cores: cores that the scheduler may put this process on.
        quota_cores: processor time per wall time that the control group grants, or None without a limit.
        memory_bytes: physical memory.
        memory_limit_bytes: what the control group grants, or None without a limit.
    """

    affinity_cores: int
    quota_cores: float | None
    memory_bytes: int
    memory_limit_bytes: int | None

    @property
    def cores(self) -> int:
        """Threads that can run at one time: affinity and quota, a part of a core counted as one."""
        if self.quota_cores is None:
            return self.affinity_cores
        return max(1, min(self.affinity_cores, math.ceil(self.quota_cores)))

    @property
    def usable_memory_bytes(self) -> int:
        """The smaller one of the physical memory and the limit."""
        return min(self.memory_bytes, self.memory_limit_bytes or self.memory_bytes)


def read_machine(root: Path = Path("/")) -> Machine:
    """Reads what the kernel reports now.

    Args:
        root: the folder that holds `proc` and `sys`; another one only in tests.
    """
    cpu = list(_group_folders(root, "cpu"))
    memory = list(_group_folders(root, "memory"))
    quotas = [quota for folder in cpu if (quota := _quota_cores(folder)) is not None]
    limits = [limit for folder in memory if (limit := _limit_bytes(folder)) is not None]
    return Machine(
        affinity_cores=len(os.sched_getaffinity(0)),
        quota_cores=min(quotas, default=None),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        memory_limit_bytes=min(limits, default=None),
    )


def _group_folders(root: Path, controller: str) -> Iterator[Path]:
    """Yields this process's control group folders for one controller and all their parents, in both versions."""
    mounts = root / "sys/fs/cgroup"
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            bases = [mounts, mounts / "unified"]
        elif controller in controllers.split(","):
            bases = [mounts / controllers, mounts / controller]
        else:
            continue
        inner = Path(path.lstrip("/"))
        for base in bases:
            yield from (base / part for part in (inner, *inner.parents))


def _quota_cores(folder: Path) -> float | None:
    fields = (_read(folder / "cpu.max") or "").split()
    if not fields:
        fields = [_read(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    if len(fields) != 2 or not fields[0].strip().isdigit():
        return None  # "max", or -1 in version 1: no limit
    return int(fields[0]) / int(fields[1])


def _limit_bytes(folder: Path) -> int | None:
    text = (_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes") or "").strip()
    limit = int(text) if text.isdigit() else _UNLIMITED_BYTES
    return limit if limit < _UNLIMITED_BYTES else None


def _read(path: Path) -> str | None:
    """Returns the file's text; None where this kernel does not have it, or hides it."""
    try:
        return path.read_text()
    except OSError:
        return None
