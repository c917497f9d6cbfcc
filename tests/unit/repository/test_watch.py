import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from turnout.repository import watch as watch_module
from turnout.repository.layout import ArtifactSource, ModelSource, RepositorySource, Source
from turnout.repository.watch import MAX_SCOPE, Scope, SourceWatcher, WatchMode, WatchOptions, changed_models

ROOT = Path("/models")
NOTHING: set[str] = set()
NEVER_MS = 3_600_000
Seen = queue.Queue[Scope]


@pytest.mark.parametrize(
    ("paths", "scope"),
    [
        (["digits/1/model.onnx"], {"digits"}),
        (["digits", "iris/2"], {"digits", "iris"}),
        (["digits/.turnout/pin.json"], {"digits"}),
        (["digits/.turnout"], {"digits"}),
        (["digits/.turnout/staging-1-a/model.onnx", "digits/.turnout/staging-1-a"], NOTHING),
        (["digits/.turnout/staging-1-a", "digits/3"], {"digits"}),
        ([""], None),
        ([f"m{number}/1" for number in range(MAX_SCOPE)], {f"m{number}" for number in range(MAX_SCOPE)}),
        ([f"m{number}/1" for number in range(MAX_SCOPE + 1)], None),
        (["/elsewhere/x"], None),
        ([], NOTHING),
    ],
)
def test_which_models_of_a_repository_changed(paths: list[str], scope: set[str] | None) -> None:
    assert changed_models(RepositorySource(ROOT), [ROOT / path for path in paths]) == scope


@pytest.mark.parametrize(
    ("source", "path", "concerned"),
    [
        (ModelSource("d", ROOT), "1/model.onnx", True),
        (ModelSource("d", ROOT), ".turnout/pin.json", True),
        (ModelSource("d", ROOT), ".turnout/staging-1-a/x", False),
        (ArtifactSource("m", ROOT / "m.onnx", 1), "m.onnx", True),
        (ArtifactSource("m", ROOT / "m.onnx", 1), "other.onnx", False),
        (ArtifactSource("m", ROOT / "m.onnx", 1), "", True),
    ],
)
def test_whether_a_single_model_changed(source: Source, path: str, concerned: bool) -> None:
    assert changed_models(source, [ROOT / path]) == (None if concerned else frozenset())


Start = Callable[[Source, WatchMode], Seen]


@pytest.fixture
def start() -> Iterator[Start]:
    watchers: list[SourceWatcher] = []

    def start_watcher(source: Source, mode: WatchMode) -> Seen:
        seen: Seen = queue.Queue()
        poll_interval_ms = 20 if mode == "poll" else 50
        watchers.append(SourceWatcher(source, WatchOptions(mode, poll_interval_ms, NEVER_MS), seen.put))
        watchers[-1].start()
        assert seen.get(timeout=10) is None, "the first look is at everything"
        return seen

    yield start_watcher
    for watcher in watchers:
        watcher.close(10)
        assert not watcher._thread.is_alive()  # pyright: ignore[reportPrivateUsage]


def until(seen: Seen, wanted: Scope, act: Callable[[], object]) -> None:
    """Acts until it is seen: a watch is set some time after the first look."""
    for _ in range(50):
        act()
        try:
            while seen.get(timeout=0.2) != wanted:
                pass
        except queue.Empty:
            continue
        return
    raise AssertionError(f"never seen: {wanted}")


def test_events_name_the_model(tmp_path: Path, start: Start) -> None:
    (tmp_path / "digits" / "1").mkdir(parents=True)
    seen = start(RepositorySource(tmp_path), "events")
    until(seen, frozenset({"digits"}), lambda: (tmp_path / "digits" / "1" / "a").write_bytes(b"x"))
    (tmp_path / "new").mkdir()
    until(seen, frozenset({"new"}), lambda: (tmp_path / "new" / "b").write_bytes(b"x"))


def test_once_is_one_look(tmp_path: Path, start: Start) -> None:
    seen = start(RepositorySource(tmp_path), "once")
    (tmp_path / "digits").mkdir()
    with pytest.raises(queue.Empty):
        seen.get(timeout=0.5)


def test_a_look_is_no_event(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "digits" / "1" / "a"
    path.parent.mkdir(parents=True)
    seen = start(RepositorySource(tmp_path), "events")
    until(seen, frozenset({"digits"}), lambda: path.write_bytes(b"x"))
    while not seen.empty():
        seen.get()
    for _ in range(20):
        path.read_bytes()
        list(path.parent.iterdir())
    with pytest.raises(queue.Empty):
        seen.get(timeout=0.5)


def test_a_root_that_vanishes_and_returns_is_watched_again(tmp_path: Path, start: Start) -> None:
    root = tmp_path / "models"
    (root / "digits").mkdir(parents=True)
    seen = start(RepositorySource(root), "events")
    until(seen, frozenset({"digits"}), lambda: (root / "digits" / "a").write_bytes(b"x"))
    root.rename(tmp_path / "away")
    until(seen, None, lambda: None)
    root.mkdir()
    (root / "iris").mkdir()
    until(seen, frozenset({"iris"}), lambda: (root / "iris" / "a").write_bytes(b"x"))


def test_a_root_that_is_absent_at_first_is_looked_for(tmp_path: Path, start: Start) -> None:
    seen = start(RepositorySource(tmp_path / "later"), "events")
    assert seen.get(timeout=10) is None
    (tmp_path / "later" / "m").mkdir(parents=True)
    until(seen, frozenset({"m"}), lambda: (tmp_path / "later" / "m" / "a").write_bytes(b"x"))


def test_a_single_file_that_is_replaced_is_seen_and_its_neighbours_are_not(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"1")
    seen = start(ArtifactSource("m", path, 1), "events")

    def replace() -> None:
        (tmp_path / "new").write_bytes(b"2")
        (tmp_path / "new").replace(path)

    until(seen, None, replace)
    while not seen.empty():
        seen.get()
    (tmp_path / "other.onnx").write_bytes(b"3")
    with pytest.raises(queue.Empty):
        seen.get(timeout=0.5)


def test_polling_looks_at_everything_each_time(tmp_path: Path, start: Start) -> None:
    seen = start(RepositorySource(tmp_path), "poll")
    assert [seen.get(timeout=10) for _ in range(3)] == [None, None, None]


def always(_: Path) -> bool:
    return True


def test_remote_file_systems_are_polled(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "is_remote", always)
    seen = start(RepositorySource(tmp_path), "auto")
    assert [seen.get(timeout=10) for _ in range(3)] == [None, None, None]


def test_without_watches_to_be_had_it_polls_and_says_so_once(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watch_module, "watch", refuse)
    seen = start(RepositorySource(tmp_path), "events")
    assert [seen.get(timeout=10) for _ in range(3)] == [None, None, None]
    assert len([record for record in caplog.records if "polling it" in record.getMessage()]) == 1
