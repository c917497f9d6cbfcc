import pytest

from turnout.repository.mounts import file_system_type, is_remote_type

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:40 / /mnt/models rw - nfs4 host:/x rw
41 40 0:41 / /mnt/models/local rw master:3 propagate_from:2 - xfs /dev/vdb rw
42 27 0:42 / /mnt/with\040space rw - fuse.gcsfuse bucket rw
43 27 0:43 / /covered rw - ext4 /dev/vdc rw
44 27 0:44 / /covered rw - nfs host:/y rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/models", "ext4"),
        ("/", "ext4"),
        ("/mnt/models", "nfs4"),
        ("/mnt/models/a/1", "nfs4"),
        ("/mnt/modelsX", "ext4"),
        ("/mnt/models/local/a", "xfs"),
        ("/mnt/with space/a", "fuse.gcsfuse"),
        ("/covered/a", "nfs"),
    ],
)
def test_the_innermost_mount_counts(path: str, kind: str) -> None:
    assert file_system_type(path, MOUNTS) == kind


def test_no_mount_is_no_type() -> None:
    assert file_system_type("/a", "") is None


@pytest.mark.parametrize(
    ("kind", "remote"),
    [
        ("ext4", False), ("xfs", False), ("tmpfs", False), ("overlay", False), ("btrfs", False), ("zfs", False),
        ("nfs4", True), ("cifs", True), ("fuse", True), ("fuse.sshfs", True), ("9p", True), ("virtiofs", True),
    ],
)  # fmt: skip
def test_remote_types(kind: str, remote: bool) -> None:
    assert is_remote_type(kind) is remote
