from pathlib import Path

from turnout.errors import RepositoryError
from turnout.repository.files import Digest
from turnout.repository.manifest import Manifest, ManifestFile
from turnout.repository.observe import Observer, next_judgement_ms
from turnout.repository.scan import FileStat, ScannedModel, ScannedVersion
from turnout.repository.settle import Broken, Complete, FileKey, HashesWanted, Waiting

FOLDER = Path("/models/m")
SHA = "a" * 64
SECOND_NS = 1_000_000_000


def model(*, described: bool, modified_ns: int = 1, changed_ns: int = 1) -> ScannedModel:
    stat = FileStat("model.onnx", 3, modified_ns, modified_ns, 7)
    manifest = Manifest("onnx", "onnx", "model.onnx", (ManifestFile("model.onnx", 3, SHA),)) if described else None
    version = ScannedVersion(1, FOLDER / "1", (stat,), manifest, changed_ns=changed_ns)
    return ScannedModel("m", FOLDER, {1: version})


def key(modified_ns: int = 1) -> FileKey:
    return FileKey(FOLDER / "1" / "model.onnx", 3, modified_ns, modified_ns, 7)


def test_time_alone_settles_nothing() -> None:
    observer = Observer(settle_ms=1000)
    observer.see(model(described=False), started_ns=None, seen_ms=5000)
    assert next_judgement_ms(observer.versions().values()) == 6000
    assert isinstance(observer.versions()[1].judgement, Waiting)
    observer.see(model(described=False), started_ns=None, seen_ms=5999)
    assert isinstance(observer.versions()[1].judgement, Waiting)
    observer.see(model(described=False), started_ns=None, seen_ms=6000)
    assert observer.versions()[1].judgement == Complete()


def test_files_that_were_still_by_the_disks_own_times_need_one_look() -> None:
    observer = Observer(settle_ms=1000)
    observer.see(model(described=False, changed_ns=9 * SECOND_NS), started_ns=10 * SECOND_NS, seen_ms=5000)
    assert observer.versions()[1].judgement == Complete()
    observer.see(model(described=False, modified_ns=2, changed_ns=10 * SECOND_NS), 10 * SECOND_NS + 1, seen_ms=5001)
    assert isinstance(observer.versions()[1].judgement, Waiting)


def test_hashes_are_wanted_once_and_kept_as_long_as_the_file_is_the_same() -> None:
    observer = Observer(settle_ms=1000)
    observer.see(model(described=True), None, 5000)
    assert observer.versions()[1].judgement == HashesWanted((key(),))
    observer.learn({key(): Digest(3, SHA)})
    assert observer.versions()[1].judgement == Complete()
    observer.see(model(described=True), None, 5001)
    assert observer.versions()[1].judgement == Complete()
    observer.see(model(described=True, modified_ns=2), None, 5002)
    assert isinstance(observer.versions()[1].judgement, Waiting), "it is being written"
    observer.see(model(described=True, modified_ns=2), None, 6002)
    assert observer.versions()[1].judgement == HashesWanted((key(2),))


def test_a_file_that_could_not_be_read_is_told_apart_to_be_read_again() -> None:
    observer = Observer(settle_ms=1000)
    observer.see(model(described=True), None, 5000)
    observer.learn({key(): RepositoryError("Input/output error")})
    assert isinstance(observer.versions()[1].judgement, Broken)
    observer.see(model(described=True), None, 5001)
    assert isinstance(observer.versions()[1].judgement, Broken), "it stays broken until it could be read"
    assert observer.unreadable(1) == (key(),)
    observer.learn({key(): Digest(3, SHA)})
    assert observer.unreadable(1) == ()
    assert observer.versions()[1].judgement == Complete()


def test_a_version_that_is_gone_is_forgotten() -> None:
    observer = Observer(settle_ms=1000)
    observer.see(model(described=True), None, 5000)
    observer.learn({key(): Digest(3, SHA)})
    observer.see(ScannedModel("m", FOLDER), None, 5001)
    assert observer.versions() == {}
    observer.see(model(described=True), None, 5002)
    assert observer.versions()[1].judgement == HashesWanted((key(),))
