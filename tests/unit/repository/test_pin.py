import os
from pathlib import Path

import pytest

from turnout.errors import RepositoryError
from turnout.repository import files
from turnout.repository.pin import Pin, clear_pin, pin_path, read_pin, write_pin

PIN = Pin(3, "ada@host", "2026-11-21T10:00:00Z", "accuracy fell")


def test_a_pin_is_written_read_and_cleared(tmp_path: Path) -> None:
    assert read_pin(tmp_path) is None
    write_pin(tmp_path, PIN)
    assert read_pin(tmp_path) == PIN
    other = Pin(2, "bob", "2026-11-21T11:00:00Z", "")
    write_pin(tmp_path, other)
    assert read_pin(tmp_path) == other
    assert [path.name for path in (tmp_path / ".turnout").iterdir()] == ["pin.json"]
    assert clear_pin(tmp_path)
    assert not clear_pin(tmp_path)
    assert read_pin(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not valid JSON"),
        ('{"version": 0, "who": "a", "when": "b"}', "key `version` of .*: expected an integer of at least 1, got: 0"),
        ('{"version": 1, "when": "b"}', "key `who` is missing in"),
        ('{"version": 1, "who": "a", "when": "b", "until": "c"}', "unknown key in .*: `until`"),
    ],
)
def test_a_pin_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    pin_path(tmp_path).parent.mkdir()
    pin_path(tmp_path).write_text(text)
    with pytest.raises(RepositoryError, match=message) as caught:
        read_pin(tmp_path)
    assert str(pin_path(tmp_path)) in caught.value.message


@pytest.mark.parametrize("step", ["make_folder", "write_new", "sync_folder"])
def test_a_failure_at_any_step_leaves_the_former_pin_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_pin(tmp_path, PIN)
    new = Pin(4, "bob", "now", "")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    from turnout.repository import pin as pin_module

    monkeypatch.setattr(pin_module if step == "make_folder" else files, step, fail)
    with pytest.raises(RepositoryError, match="cannot write the pin: Input/output error"):
        write_pin(tmp_path, new)
    assert read_pin(tmp_path) in (PIN, new)


@pytest.mark.parametrize("number", [13, 30])
def test_a_read_only_repository_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(number, os.strerror(number), str(path), None, str(data[:0]))

    monkeypatch.setattr(files, "write_new", refuse)
    with pytest.raises(RepositoryError) as caught:
        write_pin(tmp_path, PIN)
    assert caught.value.message == f"cannot write the pin: {os.strerror(number)}: `{pin_path(tmp_path)}`"
    assert caught.value.hint == (
        "The repository is read-only here; run the command where it can be written, as a user who may."
    )
