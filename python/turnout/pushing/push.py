"""`turnout.push`: a model file or a fitted object becomes a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from turnout.config.resolve import load_config
from turnout.errors import ConfigError
from turnout.pushing.changes import describe_changes
from turnout.pushing.isolation import DEFAULT_TIMEOUT_S, run_task
from turnout.pushing.staging import Order, Rows, Staged, stage
from turnout.pushing.trial import Trial
from turnout.repository.layout import ModelSource
from turnout.repository.manifest import Manifest, MergeProof
from turnout.repository.publish import open_staging
from turnout.repository.scan import Scanner
from turnout.types import Signature


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push has done.

    Attributes:
        model: the model's name.
        version: the number of the new version.
        path: its folder.
        title: what was pushed, in words, with what its default signature returns.
        manifest: what the version says about itself, parity included.
        row_us: microseconds of one row in the trial; None where generated rows could not be run.
        notes: what a person should know.
    """

    model: str
    version: int
    path: Path
    title: str
    manifest: Manifest
    row_us: float | None
    notes: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files of the version, its manifest apart."""
        return sum(file.size_bytes for file in self.manifest.files)


def push(
    model: object,
    name: str,
    *,
    repository: str | PathLike[str] | None = None,
    sample: Any = None,
    signature: str | None = None,
    version: int | None = None,
    metrics: Mapping[str, float] | None = None,
    trust: bool = False,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> PushResult:
    """Publishes a model as a new version, once it was converted, compared and tried out.

    A fitted object of scikit-learn, XGBoost or LightGBM is converted to ONNX in this process, without pickling it.
    Files are read in a child process, and every version is run in one: what crashes its runtime crashes only that.

    Args:
        model: a fitted object, an ONNX message, or the path of a model file or of a SavedModel's folder.
        name: the model's name; letters, digits, `.`, `_` and `-`.
        repository: the folder of models, made where it is missing; None takes the setting.
        sample: rows to compare the answers with: an array, a data frame, columns by name, or the path of a file of
            rows. None draws them from the model itself: at, beside and between its split thresholds, and at real
            magnitudes. A model that is served as it is, and so has no original, has to answer them.
        signature: the method that becomes the default signature; None for what `predict` returns.
        version: the number; None takes the next free one.
        metrics: figures of the training, kept in the manifest.
        trust: allow the file to run code, which a pickle does.
        timeout_s: for each child process.

    Returns:
        What was published.

    Raises:
        FlavorUnknownError: no flavor recognises the object or file.
        TrustRequiredError: the file is code.
        UnsupportedError: the model cannot be converted.
        ParityError: the converted model answers differently; nothing is published.
        InvalidInputError: the sample does not fit the model, or it has no such method.
        ArtifactInvalidError: the file cannot be read, or whoever read or ran it crashed.
        LoadFailedError: the engine refuses the artifact.
        RepositoryError: the repository cannot be written, or the version exists.
        ConfigError: no repository was given.
    """
    folder = _repository(repository)
    order = Order(signature, trust or load_config().server.settings.trust, timeout_s)
    with open_staging(folder, name) as staging, Rows.of(sample) as rows:
        staged = stage(staging, model, rows, order)
        trial = _try_out(staging.folder, staged, rows, f"model `{name}`", timeout_s)
        notes = (*staged.notes, *_note_changes(folder.absolute() / name, trial.signatures))
        number, complete = staging.publish(_manifest(staged, trial, metrics or {}), version)
    if trial.row_us is None and staged.sample is None:
        notes = (*notes, f"loaded, but not run: {trial.merge_reason}; `--sample` gives it rows to run")
    return PushResult(name, number, folder.absolute() / name / str(number), staged.title, complete, trial.row_us, notes)


def _repository(given: str | PathLike[str] | None) -> Path:
    chosen = given or load_config().server.settings.repository
    if chosen is None:
        hint = "Give `repository`, or set TURNOUT_REPOSITORY or `repository` in turnout.toml."
        raise ConfigError("no repository was given", hint=hint)
    return Path(chosen)


def _note_changes(model_folder: Path, signatures: tuple[Signature, ...]) -> tuple[str, ...]:
    """Notes how a version differs from the newest one; nothing where that does not say what it answers to."""
    scanned = Scanner(ModelSource(model_folder.name, model_folder)).scan().models.get(model_folder.name)
    newest = max(scanned.versions.values(), key=lambda each: each.version, default=None) if scanned else None
    if newest is None or newest.manifest is None or not newest.manifest.signatures:
        return ()
    changes = describe_changes(newest.manifest.signatures, signatures)
    return (f"beside version {newest.version}: {'; '.join(changes)}",) if changes else ()


def _try_out(folder: Path, staged: Staged, rows: Rows, what: str, timeout_s: float) -> Trial:
    """Loads and runs what was staged; what was taken as it is answers the sample, others already have."""
    record = run_task(
        what,
        timeout_s,
        task="try_out",
        path=str(folder),
        signatures=[signature.to_json() for signature in staged.signatures],
        sample=rows.file() if staged.is_as_given else None,
    )
    return Trial.from_json(record)


def _manifest(staged: Staged, trial: Trial, metrics: Mapping[str, float]) -> Manifest:
    return Manifest(
        flavor=staged.flavor,
        engine=staged.engine,
        entry=staged.entry,
        files=(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        signatures=trial.signatures,
        metrics=dict(metrics),
        source=staged.source,
        parity=staged.parity,
        sample=staged.sample,
        merge=MergeProof(trial.mergeable, trial.merge_reason),
    )
