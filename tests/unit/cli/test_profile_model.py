import re
import sys

import pytest

from tests.support.models import IRIS
from turnout.cli.app import main


def test_a_person_at_a_terminal_sees_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["profile", str(IRIS), "--calls", "3", "--warm-up-calls", "1"]) == 0
    shown = capsys.readouterr()
    assert re.findall(r"\rmeasuring \[([#.]+)\] (\d) of 4 calls", shown.err) == [
        ("#" * (7 * done + done // 2) + "." * (30 - 7 * done - done // 2), str(done)) for done in (1, 2, 3)
    ]
    assert shown.err.endswith(" \r"), "the line is empty at the end"
    assert "measuring [" not in shown.out


def test_elsewhere_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(IRIS), "--calls", "1", "--json"]) == 0
    assert capsys.readouterr().err == ""
