"""Which version of a model somebody means, from what is on disk."""

from collections.abc import Iterable
from pathlib import Path

from turnout.errors import RepositoryError
from turnout.repository.layout import RepositorySource, Source, classify_path
from turnout.repository.scan import ScannedModel, ScannedVersion, Scanner, SourceScan


def scan_path(path: Path) -> SourceScan:
    """Looks at a model file, a model's folder or a repository.

    Raises:
        RepositoryError: it cannot be read.
    """
    return scan_source(classify_path(path))


def scan_source(source: Source) -> SourceScan:
    """Looks at a source once.

    Raises:
        RepositoryError: it cannot be read.
    """
    scan = Scanner(source).scan()
    if not scan.readable:
        raise RepositoryError(scan.problems[0].message, hint=scan.problems[0].hint)
    return scan


def choose_version(path: Path, wanted: int | None = None) -> tuple[str, ScannedVersion]:
    """Returns a model's name and one of its versions: the one that is wanted, else the pinned, else the newest.

    Raises:
        RepositoryError: nothing is there, or no such version, or the path holds several models.
        ArtifactInvalidError: the version cannot be read.
    """
    scan = scan_path(path)
    if isinstance(scan.source, RepositorySource):
        hint = f"Choose one of them: `{path}/NAME`."
        raise RepositoryError(f"a folder of models is not one model: `{path}`", hint=hint)
    model = scan.models[scan.source.name]
    default = model.pin.version if model.pin is not None else max(model.versions, default=0)
    chosen = pick_version(model, default if wanted is None else wanted)
    if chosen.fault is not None:
        raise chosen.fault
    return model.name, chosen


def pick_version(model: ScannedModel, number: int) -> ScannedVersion:
    """Returns a version by its number.

    Raises:
        RepositoryError: the model has none of that number.
    """
    if number in model.versions:
        return model.versions[number]
    listed = ", ".join(str(each) for each in sorted(model.versions)) or "none"
    raise RepositoryError(f"model `{model.name}` has no such version: expected one of {listed}, got {number}")


def previous_version(numbers: Iterable[int], current: int) -> int | None:
    """Returns the newest version that is older than the current one, or None."""
    return max((number for number in numbers if number < current), default=None)
