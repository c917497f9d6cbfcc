"""On which file system a path lies: changes by other machines cause no events here, and times may be theirs."""

import os
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")

_REMOTE_TYPES = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
    "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
})  # fmt: skip

_REMOTE_PREFIX = "fuse"
"""FUSE hides what is behind it (buckets, ssh); few of its file systems report changes made elsewhere."""

_ESCAPE = re.compile(r"\\([0-7]{3})")


def is_remote(path: Path) -> bool:
    """Returns whether a path is on a file system that other machines may change.

    Where the system does not tell, the answer is yes: polling is slower, but sees everything.
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return True
    kind = file_system_type(os.path.realpath(path), mounts)
    return kind is None or is_remote_type(kind)


def is_remote_type(kind: str) -> bool:
    """Returns whether a type of file system, as `mountinfo` names it, is one that other machines may change."""
    return kind in _REMOTE_TYPES or kind.split(".")[0] == _REMOTE_PREFIX


def file_system_type(path: str, mounts: str) -> str | None:
    """Finds the mount that a real, absolute path lies on.

    Args:
        path: without links.
        mounts: the text of `/proc/self/mountinfo` (proc(5)): a later mount covers an earlier one at the same place.

    Returns:
        Its type, or None if none fits.
    """
    best, kind = -1, None
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        words = before.split(" ")
        if not separator or len(words) < 5:
            continue
        point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), words[4])
        if len(point) >= best and (path == point or path.startswith(point.rstrip("/") + "/")):
            best, kind = len(point), after.split(" ")[0]
    return kind
