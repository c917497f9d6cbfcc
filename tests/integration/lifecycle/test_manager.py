"""The manager with the real data plane, real files and real models; requests go in process."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.support.load_models import answers, random_rows, save_mlp
from turnout._dataplane import DataPlane
from turnout.config.resolve import load_config
from turnout.config.settings import data_plane_json
from turnout.errors import UnavailableError
from turnout.flavors.resolve import resolve_artifact
from turnout.lifecycle.events import LifecycleEvent
from turnout.lifecycle.manager import Manager
from turnout.lifecycle.settings import ManagerOptions
from turnout.lifecycle.state import VersionState
from turnout.lifecycle.status import ModelStatus, Status, VersionStatus
from turnout.repository.files import Digest
from turnout.repository.layout import ModelSource, Source, classify_path
from turnout.repository.manifest import Manifest
from turnout.repository.pin import Pin, clear_pin, write_pin
from turnout.repository.publish import open_staging

WAIT_S = 20.0
ROW = random_rows(1, seed=1)


class Server:
    """A manager and its data plane, without listeners."""

    def __init__(self, sources: Sequence[Source], home: Path, *, settle_ms: int = 200) -> None:
        config = load_config(environ={}, home=home)
        self.plane = DataPlane(data_plane_json(config.server.settings))
        options = ManagerOptions(home / "cache", settle_ms, poll_interval_ms=50, ready="any", retry_initial_ms=100)
        self.manager = Manager(self.plane, sources, options, resolve=resolve_artifact, settings_for=config.settings_for)
        self.manager.start()

    def close(self) -> None:
        self.manager.close()
        self.plane.close()

    def predict(self, version: int | None = None) -> tuple[int, float]:
        """Returns the version that answered and what it said."""
        got, [(_, _, _, data)] = self.plane.predict("m", version, None, [("x", "float32", (1, 8), ROW.tobytes())], None)
        assert isinstance(data, bytearray)
        return got, float(np.frombuffer(data, np.float32)[0])

    def wait(self, condition: Callable[[ModelStatus], bool]) -> ModelStatus:
        def holds(status: Status) -> bool:
            return "m" in status.models and condition(status.models["m"])

        assert self.manager.wait_until(holds, WAIT_S), self.manager.status()
        return self.manager.status().models["m"]

    def wait_default(self, version: int) -> ModelStatus:
        return self.wait(lambda model: model.default == version)

    def version(self, number: int) -> VersionStatus:
        return next(v for v in self.manager.status().models["m"].versions if v.version == number)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repository" / "m").mkdir(parents=True)
    return tmp_path / "repository"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Path], Server]]:
    servers: list[Server] = []

    def start(path: Path) -> Server:
        servers.append(Server([classify_path(path)], tmp_path))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


Serve = Callable[[Path], Server]


def publish(repository: Path, version: int) -> None:
    """Publishes a version whose answers lie `version` above those of version 0."""
    with open_staging(repository, "m") as staging:
        save_mlp(staging.folder / "model.onnx", version)
        staging.publish(Manifest("onnx", "onnx", "model.onnx", ()), version)


def base(folder: Path) -> float:
    """Returns the answer of version 0."""
    return float(answers(save_mlp(folder / "zero.onnx", 0), ROW)[0])


def test_a_published_version_serves_and_the_next_takes_over(repository: Path, serve: Serve, tmp_path: Path) -> None:
    zero = base(tmp_path)
    publish(repository, 1)
    server = serve(repository)
    assert server.manager.wait_ready(WAIT_S)
    assert server.predict() == (1, pytest.approx(zero + 1, abs=1e-5))
    publish(repository, 2)
    server.wait_default(2)
    assert server.predict() == (2, pytest.approx(zero + 2, abs=1e-5))
    assert server.predict(version=1) == (1, pytest.approx(zero + 1, abs=1e-5)), "the former is kept"
    facts = server.version(2).facts
    assert facts is not None
    assert [spec.name for spec in facts.signatures[0].inputs] == ["x"]
    publish(repository, 3)
    server.wait(lambda model: model.default == 3 and model.versions[-1].state is VersionState.END)
    kinds = [(event.kind.value, event.version) for event in server.manager.events()]
    assert kinds[-2:] == [("unloading", 1), ("unloaded", 1)]


def test_bare_folders_and_single_files_are_served(repository: Path, serve: Serve, tmp_path: Path) -> None:
    save_mlp(repository / "m" / "007" / "model.onnx", 7)
    server = serve(repository)
    server.wait_default(7)
    save_mlp(repository / "m" / "8" / "model.onnx", 8)
    server.wait_default(8)
    single = serve(save_mlp(tmp_path / "m.onnx", 5))
    single.wait_default(1)
    assert single.predict()[1] == pytest.approx(base(tmp_path) + 5, abs=1e-5)


def test_a_rollback_takes_a_pin_and_no_load(repository: Path, serve: Serve) -> None:
    publish(repository, 1)
    server = serve(repository)
    server.wait_default(1)
    publish(repository, 2)
    server.wait_default(2)
    write_pin(repository / "m", Pin(1, "ada", "now", "worse"))
    model = server.wait_default(1)
    assert model.pin == Pin(1, "ada", "now", "worse")
    assert server.predict()[0] == 1
    publish(repository, 3)
    clear_pin(repository / "m")
    server.wait_default(3)


def test_no_request_fails_and_no_answer_is_stale_while_versions_change(
    repository: Path, serve: Serve, tmp_path: Path
) -> None:
    zero = base(tmp_path)
    publish(repository, 1)
    server = serve(repository)
    server.wait_default(1)
    stop, failures = threading.Event(), list[BaseException]()
    seen: set[int] = set()

    def ask() -> None:
        try:
            while not stop.is_set():
                before = server.manager.events()
                version, value = server.predict()
                assert abs(value - zero - version) < 1e-4
                assert version in live(before, server.manager.events())
                seen.add(version)
        except BaseException as error:
            failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for version in range(2, 12):
        publish(repository, version)
        server.wait_default(version)
        shutil.rmtree(repository / "m" / str(version - 1))
    stop.set()
    for asker in askers:
        asker.join(WAIT_S)
    assert failures == []
    assert 11 in seen
    assert len(seen) > 3


def live(before: list[LifecycleEvent], after: list[LifecycleEvent]) -> set[int]:
    """Returns the versions that served at some time between two looks at the events."""
    begun = {event.version for event in after if event.kind == "serving"}
    over = {event.version for event in before if event.kind == "retired"}
    return begun - over


def test_a_version_that_does_not_load_says_why_and_is_tried_when_it_changes(repository: Path, serve: Serve) -> None:
    publish(repository, 1)
    server = serve(repository)
    server.wait_default(1)
    (repository / "m" / "2").mkdir()
    (repository / "m" / "2" / "model.onnx").write_bytes(b"\x08\x08no model")
    server.wait(lambda model: model.versions[0].fault is not None)
    fault = server.version(2).fault
    assert fault is not None
    assert fault.message
    assert server.manager.status().ready
    assert server.predict()[0] == 1
    save_mlp(repository / "m" / "2" / "model.onnx", 2)
    server.wait_default(2)
    assert server.version(2).fault is None


def test_a_wrong_hash_is_never_loaded(repository: Path, serve: Serve) -> None:
    publish(repository, 1)
    publish(repository, 2)
    path = repository / "m" / "2" / "model.onnx"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    server = serve(repository)
    server.wait(lambda model: model.default == 1)
    server.wait(lambda model: any(version.fault is not None for version in model.versions))
    fault = server.version(2).fault
    assert fault is not None
    assert fault.code == "artifact_invalid"
    assert "is not the manifest's: expected" in fault.message


def test_what_happens_to_the_files_of_a_loaded_version_does_not_matter(repository: Path, serve: Serve) -> None:
    publish(repository, 1)
    server = serve(repository)
    server.wait_default(1)
    answer = server.predict()
    path = repository / "m" / "1" / "model.onnx"
    os.truncate(path, 10)
    assert server.predict() == answer
    path.write_bytes(b"\0" * 100_000)
    assert server.predict() == answer
    path.unlink()
    server.manager.rescan()
    topics = {"changed"}
    assert server.manager.wait_until(lambda status: topics == {p.topic for p in status.problems}, WAIT_S)
    assert server.predict() == answer


def test_a_repository_that_goes_away_for_a_while_costs_nothing(repository: Path, serve: Serve) -> None:
    publish(repository, 1)
    server = serve(repository)
    server.wait_default(1)
    repository.rename(repository.with_name("away"))
    assert server.manager.wait_until(lambda status: bool(status.problems), WAIT_S)
    assert server.predict()[0] == 1
    assert server.manager.status().ready
    repository.with_name("away").rename(repository)
    assert server.manager.wait_until(lambda status: not status.problems, WAIT_S)
    publish(repository, 2)
    server.wait_default(2)


def test_settings_of_the_model_are_read_anew_without_a_gap(repository: Path, serve: Serve) -> None:
    publish(repository, 1)
    server = serve(repository)
    servable = server.wait_default(1).versions[0].servable
    (repository / "m" / "model.toml").write_text('merge = "never"\n')
    model = server.wait(lambda model: model.default == 1 and model.versions[0].servable != servable)
    facts = model.versions[0].facts
    assert facts is not None
    assert facts.merge_reason == "`merge` is `never`"
    assert server.predict()[0] == 1
    (repository / "m" / "model.toml").write_text("colour = 1\n")
    assert server.manager.wait_until(lambda status: bool(status.problems), WAIT_S)
    assert "colour" in server.manager.status().problems[0].message
    assert server.predict()[0] == 1


def test_a_disk_that_hangs_holds_up_no_other_model_and_not_the_end(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(repository, 1)
    slow = tmp_path / "slow"
    slow.mkdir()
    hang, real = threading.Event(), os.scandir

    def scan(path: Path) -> object:
        if Path(path) == slow:
            hang.wait(WAIT_S)
        return real(path)

    monkeypatch.setattr("os.scandir", scan)
    server = Server([ModelSource("slow", slow), ModelSource("m", repository / "m")], tmp_path)
    server.wait_default(1)
    assert server.predict()[0] == 1
    assert not server.manager.status().ready
    assert server.manager.status().reason == "looking for models"
    began_s = time.monotonic()
    server.manager.close(0.2)
    server.plane.close()
    assert time.monotonic() - began_s < WAIT_S / 2
    hang.set()


def test_a_manager_that_is_closed_answers_and_refuses(repository: Path, serve: Serve) -> None:
    publish(repository, 1)
    server = serve(repository)
    server.wait_default(1)
    assert not server.manager.clear_quarantine("m", 1), "there is none"
    server.manager.reconfigure()
    server.manager.close()
    server.manager.close()
    assert server.manager.status().models["m"].default == 1
    assert server.predict()[0] == 1, "what is loaded goes on serving"
    with pytest.raises(UnavailableError, match="the manager is closed"):
        server.manager.reconfigure()


def test_a_file_that_cannot_be_read_for_a_while_is_read_later_and_told_once(
    repository: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(repository, 1)
    path = repository / "m" / "1" / "model.onnx"
    path.touch()  # changed since it was moved into place, so it is hashed

    tries = threading.Semaphore(0)

    def refuse(path: Path) -> Digest:
        tries.release()
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("turnout.lifecycle.tasks.digest_file", refuse)
        server = serve(repository)
        server.wait(lambda model: any(version.fault is not None for version in model.versions))
        for _ in range(3):
            server.manager.rescan()
            assert tries.acquire(timeout=WAIT_S)
    server.manager.rescan()
    server.wait_default(1)
    lines = [record.getMessage() for record in caplog.records if "Input/output error" in record.getMessage()]
    assert lines == [f"model `m` version 1: cannot read `{path}`: Input/output error"]
