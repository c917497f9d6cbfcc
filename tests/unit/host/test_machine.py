from pathlib import Path

import pytest

from turnout.host.machine import Machine, read_machine

MIB = 1024 * 1024


def write_files(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CASES: dict[str, tuple[dict[str, str], float | None, int | None]] = {
    "no control groups": ({}, None, None),
    "version 2, no limit": (
        {
            "proc/self/cgroup": "0::/app\n",
            "sys/fs/cgroup/app/cpu.max": "max 100000\n",
            "sys/fs/cgroup/app/memory.max": "max\n",
        },
        None,
        None,
    ),
    "version 2, the parent's limit is the smaller one": (
        {
            "proc/self/cgroup": "0::/pod/app\n",
            "sys/fs/cgroup/pod/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/pod/app/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/pod/memory.max": f"{64 * MIB}\n",
        },
        1.5,
        64 * MIB,
    ),
    "version 2, inside a container": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/memory.max": "1048576\n",
        },
        0.5,
        MIB,
    ),
    "version 1, path of the host": (
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{8 * MIB}\n",
        },
        2.0,
        8 * MIB,
    ),
    "version 1, no limit": (
        {
            "proc/self/cgroup": "4:memory:/\n3:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
        None,
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_reads_the_limits_of_control_groups(case: str, tmp_path: Path) -> None:
    files, quota_cores, memory_limit_bytes = CASES[case]
    machine = read_machine(write_files(tmp_path, files))
    assert (machine.quota_cores, machine.memory_limit_bytes) == (quota_cores, memory_limit_bytes)


@pytest.mark.parametrize(
    ("affinity_cores", "quota_cores", "cores"),
    [(4, None, 4), (4, 1.5, 2), (4, 0.2, 1), (2, 8.0, 2)],
)
def test_cores_are_the_smaller_one_of_affinity_and_quota(
    affinity_cores: int, quota_cores: float | None, cores: int
) -> None:
    assert Machine(affinity_cores, quota_cores, 0, None).cores == cores


def test_usable_memory_is_the_smaller_one() -> None:
    assert Machine(1, None, 100, None).usable_memory_bytes == 100
    assert Machine(1, None, 100, 40).usable_memory_bytes == 40
    assert Machine(1, None, 100, 400).usable_memory_bytes == 100


def test_reads_this_machine() -> None:
    machine = read_machine()
    assert machine.cores >= 1
    assert machine.usable_memory_bytes > MIB
