import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from turnout.lifecycle.journal import Journal, LoadEntry, Suspicion, judge_deaths
from turnout.lifecycle.process import ProcessIdentity, is_alive, this_process

DEAD = ProcessIdentity(this_process().host, "another-boot", 77, 1)


def entry(name: str, fingerprint: str = "f") -> LoadEntry:
    return LoadEntry(name, 1, Path("/models") / name / "1", fingerprint, DEAD)


def suspect(name: str, deaths: int, *, quarantined: bool = False, fingerprint: str = "f") -> Suspicion:
    return Suspicion(name, 1, Path("/models") / name / "1", fingerprint, deaths, quarantined)


@pytest.mark.parametrize(
    ("entries", "former", "is_fatal", "expected"),
    [
        ([], [], True, []),
        ([entry("a")], [], True, [suspect("a", 1, quarantined=True)]),
        ([entry("a")], [], False, [suspect("a", 1)]),
        ([entry("a")], [suspect("a", 1)], False, [suspect("a", 2, quarantined=True)]),
        ([entry("a", "new")], [suspect("a", 1)], False, [suspect("a", 1, fingerprint="new")]),
        ([entry("a"), entry("b")], [], True, [suspect("a", 1), suspect("b", 1)]),
        ([entry("a"), entry("b")], [suspect("b", 1)], True, [suspect("b", 2, quarantined=True)]),
        ([entry("a"), entry("b")], [suspect("b", 1)], False, [suspect("b", 2, quarantined=True)]),
        ([entry("a"), entry("b")], [suspect("a", 1), suspect("b", 1)], True, [suspect("a", 2), suspect("b", 2)]),
    ],
    ids=[
        "nothing was loading",
        "alone, by a signal",
        "alone, perhaps killed",
        "alone twice",
        "other files since",
        "one of two",
        "one of two was suspected before",
        "also when perhaps killed",
        "both were suspected before",
    ],
)
def test_what_a_death_makes_of_versions(
    entries: list[LoadEntry], former: list[Suspicion], is_fatal: bool, expected: list[Suspicion]
) -> None:
    assert judge_deaths(entries, former, is_fatal=is_fatal) == expected


def test_loads_of_the_living_are_nobodys_business(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin("digits", 1, Path("/models/digits/1"), "f")
    assert Journal(tmp_path).recover() == []
    journal.end("digits", 1, Path("/models/digits/1"), loaded=True)
    assert list((tmp_path / "journal" / "loading").iterdir()) == []


LOADER = """
import os, signal, sys
from pathlib import Path
from turnout.lifecycle.crash import FatalNote
from turnout.lifecycle.journal import Journal
journal = Journal(Path(sys.argv[1]))
note = FatalNote(journal.fatal_note_path())
note.open()
for name in sys.argv[3:]:
    journal.begin(name, 1, Path("/models") / name / "1", "f")
os.kill(os.getpid(), int(sys.argv[2]))
"""


def die(cache: Path, by: signal.Signals, *names: str) -> None:
    """Lets a process die while it loads versions."""
    environment = {**os.environ}
    environment.pop("PYTHONFAULTHANDLER", None)
    command = [sys.executable, "-c", LOADER, str(cache), str(int(by)), *names]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, timeout=20)
    assert done.returncode == -by, done.stderr


@pytest.mark.parametrize("by", [signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS])
def test_a_crash_puts_the_version_in_quarantine_at_the_next_start(tmp_path: Path, by: signal.Signals) -> None:
    die(tmp_path, by, "a")
    assert Journal(tmp_path).recover() == [suspect("a", 1, quarantined=True)]
    assert Journal(tmp_path).recover() == [suspect("a", 1, quarantined=True)], "it stays so"
    assert not list((tmp_path / "journal" / "fatal").iterdir())


def test_a_kill_during_a_load_makes_the_next_start_clean_and_a_second_one_careful(tmp_path: Path) -> None:
    die(tmp_path, signal.SIGKILL, "a")
    assert Journal(tmp_path).recover() == [suspect("a", 1)]
    die(tmp_path, signal.SIGKILL, "a", "b")
    assert Journal(tmp_path).recover() == [suspect("a", 2, quarantined=True)]


def test_a_version_that_loads_is_suspected_no_longer(tmp_path: Path) -> None:
    die(tmp_path, signal.SIGKILL, "a")
    journal = Journal(tmp_path)
    assert len(journal.recover()) == 1
    path = Path("/models/a/1")
    journal.begin("a", 1, path, "f")
    journal.end("a", 1, path, loaded=True)
    assert Journal(tmp_path).recover() == []


def test_a_suspicion_can_be_cleared(tmp_path: Path) -> None:
    die(tmp_path, signal.SIGABRT, "a")
    journal = Journal(tmp_path)
    [suspicion] = journal.recover()
    assert journal.record_path(suspicion).is_file()
    journal.clear(suspicion)
    journal.clear(suspicion)
    assert Journal(tmp_path).recover() == []


def test_records_that_are_none_are_removed_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    die(tmp_path, signal.SIGKILL, "a")
    (tmp_path / "journal" / "loading" / "x.json").write_text("{")
    (tmp_path / "journal" / "suspects").mkdir(exist_ok=True)
    (tmp_path / "journal" / "suspects" / "x.json").write_text('{"model": 1}')
    (tmp_path / "journal" / "fatal" / "x.txt").write_text("")
    assert Journal(tmp_path).recover() == [suspect("a", 1)]
    assert len(caplog.records) == 2
    assert Journal(tmp_path).recover() == [suspect("a", 1)]
    assert len(caplog.records) == 2


def test_processes_are_told_apart() -> None:
    me = this_process()
    assert is_alive(me)
    assert ProcessIdentity.from_key(me.key) == me
    assert ProcessIdentity.from_key("notes") is None
    assert not is_alive(ProcessIdentity(me.host, me.boot, me.pid, me.started_ticks + 1)), "the number was reused"
    assert not is_alive(ProcessIdentity(me.host, "another-boot", me.pid, me.started_ticks))
    assert is_alive(ProcessIdentity("elsewhere", "another-boot", me.pid, me.started_ticks)), "nothing can be known"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = ProcessIdentity(me.host, me.boot, child.pid, ticks_of(child.pid))
        assert is_alive(identity)
        child.kill()
    assert not is_alive(identity)


def ticks_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
