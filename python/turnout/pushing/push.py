"""`turnout.push`: a model file or a fitted object becomes a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, cast

from turnout.config.resolve import load_config
from turnout.errors import ConfigError, InvalidInputError, TrustRequiredError
from turnout.flavors.registry import detect, flavor_of
from turnout.flavors.resolve import ENTRY_NAME, external_files
from turnout.pushing.candidate import Candidate
from turnout.pushing.isolation import DEFAULT_TIMEOUT_S, run_task
from turnout.pushing.trial import Trial
from turnout.repository.manifest import Manifest, MergeProof
from turnout.repository.publish import Staging, open_staging
from turnout.types import JsonValue, Signature

_GIVEN = "given"


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


@dataclass(frozen=True, slots=True)
class _Staged:
    """What lies in the staging folder."""

    flavor: str
    title: str
    signatures: tuple[Signature, ...] = ()
    source: dict[str, JsonValue] | None = None
    parity: dict[str, JsonValue] | None = None
    sample: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, candidate: Candidate) -> "_Staged":
        return cls(
            candidate.flavor,
            candidate.title,
            candidate.signatures,
            candidate.source,
            candidate.parity,
            candidate.sample,
            candidate.notes,
        )


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
    Files are dealt with in a child process, as is the trial: an artifact that crashes its runtime crashes only that.

    Args:
        model: a fitted object, an ONNX message, or the path of a model file.
        name: the model's name; letters, digits, `.`, `_` and `-`.
        repository: the folder of models, made where it is missing; None takes the setting.
        sample: rows to compare the answers with: an array, a data frame, columns by name, or the path of a file of
            rows. None draws them from the model itself: at, beside and between its split thresholds, and at real
            magnitudes.
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
        ArtifactInvalidError: the engine refuses the artifact, or crashed on it.
        RepositoryError: the repository cannot be written, or the version exists.
        ConfigError: no repository was given.
    """
    folder = _repository(repository)
    with open_staging(folder, name) as staging:
        staged = _stage(staging, model, sample, signature, trust=trust, timeout_s=timeout_s)
        trial = _try_out(staging, staged, name, timeout_s)
        manifest = _manifest(staged, trial, metrics or {})
        number, complete = staging.publish(manifest, version)
    path = folder.absolute() / name / str(number)
    return PushResult(name, number, path, staged.title, complete, trial.row_us, staged.notes)


def _repository(given: str | PathLike[str] | None) -> Path:
    chosen = given or load_config().server.settings.repository
    if chosen is None:
        hint = "Give `repository`, or set TURNOUT_REPOSITORY or `repository` in turnout.toml."
        raise ConfigError("no repository was given", hint=hint)
    return Path(chosen)


def _stage(
    staging: Staging, model: object, sample: Any, signature: str | None, *, trust: bool, timeout_s: float
) -> _Staged:
    path = _as_path(model)
    if path is not None:
        found = detect(path)
        if found.is_code and not (trust or load_config().server.settings.trust):
            raise TrustRequiredError(
                f"reading this file runs code from it ({found.form}): `{path}`",
                hint="If you trust its author: `--trust`, or `trust=True`. Pushing the fitted object needs no trust.",
            )
        if found.flavor == "onnx":
            return _stage_onnx(staging, path, sample, signature)
        return _stage_file(staging, path, found.flavor, sample, signature, timeout_s)
    if flavor_of(model).name == "onnx":
        _refuse_sample(sample, signature)
        (staging.folder / ENTRY_NAME).write_bytes(_serialized(model))
        return _Staged("onnx", "ONNX model, with its own names")
    return _stage_object(staging, model, sample, signature)


def _stage_object(staging: Staging, model: object, sample: Any, signature: str | None) -> _Staged:
    from turnout.pushing.conversion import convert_object
    from turnout.samples import as_sample, read_sample

    sample_name = _GIVEN
    sample_path = _as_path(sample)
    if sample_path is not None:
        sample, sample_name = read_sample(sample_path), sample_path.name
    rows = None if sample is None else as_sample(sample)
    converted, candidate = convert_object(model, rows, sample_name, signature)
    (staging.folder / ENTRY_NAME).write_bytes(converted)
    return _Staged.of(candidate)


def _stage_file(
    staging: Staging, path: Path, flavor: str, sample: Any, signature: str | None, timeout_s: float
) -> _Staged:
    sample_path = _as_path(sample)
    if sample is not None and sample_path is None:
        raise InvalidInputError("the sample of a model file must be a file of rows, too")
    record = run_task(
        f"`{path}`",
        timeout_s,
        task="convert",
        path=str(path.absolute()),
        flavor=flavor,
        sample=None if sample_path is None else str(sample_path.absolute()),
        signature=signature,
        folder=str(staging.folder),
    )
    return _Staged.of(Candidate.from_json(record))


def _stage_onnx(staging: Staging, path: Path, sample: Any, signature: str | None) -> _Staged:
    """An ONNX file is taken as it is, with the files that hold tensors of it, and keeps its own names."""
    _refuse_sample(sample, signature)
    staging.add(path, ENTRY_NAME)
    for name in external_files(path):
        staging.add(path.parent / name, name)
    return _Staged("onnx", "ONNX model, with its own names", source={"file": path.name})


def _as_path(value: object) -> Path | None:
    """A path, if that is what was given; anything else is an object or rows."""
    return Path(cast("str | PathLike[str]", value)) if isinstance(value, str | PathLike) else None


def _refuse_sample(sample: Any, signature: str | None) -> None:
    if sample is not None or signature is not None:
        raise InvalidInputError("an ONNX model is not converted, so it takes neither a sample nor a signature")


def _serialized(model: Any) -> bytes:
    return model.SerializeToString()


def _try_out(staging: Staging, staged: _Staged, name: str, timeout_s: float) -> Trial:
    record = run_task(
        f"model `{name}`",
        timeout_s,
        task="try_out",
        path=str(staging.folder),
        signatures=[signature.to_json() for signature in staged.signatures],
    )
    return Trial.from_json(record)


def _manifest(staged: _Staged, trial: Trial, metrics: Mapping[str, float]) -> Manifest:
    return Manifest(
        flavor=staged.flavor,
        engine="onnx",
        entry=ENTRY_NAME,
        files=(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        signatures=trial.signatures,
        metrics=dict(metrics),
        source=staged.source,
        parity=staged.parity,
        sample=staged.sample,
        merge=MergeProof(trial.mergeable, trial.merge_reason),
    )
