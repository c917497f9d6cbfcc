"""What a person should know of a model, in words with a remedy. Pure."""

from pathlib import Path

from turnout.errors import ArtifactInvalidError, ModelNotFoundError, QuarantinedError
from turnout.lifecycle.journal import Suspicion
from turnout.lifecycle.records import Fault, ModelRecord, VersionRecord
from turnout.lifecycle.state import VersionState
from turnout.repository.scan import Problem
from turnout.repository.settle import Waiting


def model_problems(model: ModelRecord) -> list[Problem]:
    """Returns everything that is wrong with a model now."""
    problems = list(model.scan_problems)
    if model.settings_problem is not None:
        problems.append(model.settings_problem)
    problems += [problem for problem in (_pin_problem(model), _missing_problem(model)) if problem is not None]
    problems += _label_problems(model)
    for _, record in sorted(model.versions.items()):
        problems += _version_problems(record)
    return problems


def _label_problems(model: ModelRecord) -> list[Problem]:
    """A label names a version; it does not have it loaded."""
    hint = 'The policies "all" and "specific" keep more than the newest versions loaded.'
    return [
        Problem(model.name, None, f"label {label}", ModelNotFoundError.code, text, hint)
        for label, version in sorted(model.settings.labels.items())
        if (text := _label_problem(label, version, model.versions.get(version)))
    ]


def _label_problem(label: str, version: int, record: VersionRecord | None) -> str:
    if record is None:
        return f"label `{label}` names a version that is not there: {version}"
    is_loaded = record.wanted or record.state in (VersionState.LOADING, VersionState.AVAILABLE)
    return "" if is_loaded else f"label `{label}` names a version that is not loaded: {version}"


def _pin_problem(model: ModelRecord) -> Problem | None:
    if model.pin is None or not model.configured:
        return None
    version, record = model.pin.version, model.versions.get(model.pin.version)
    if record is not None and record.present and not record.is_quarantined and _may_be_whole(record):
        return None
    text = f"the pinned version cannot be served, so what serves now goes on: {version}"
    hint = "Pin another version, or clear the pin: `turnout rollback --clear`."
    return Problem(model.name, None, "pinned", ModelNotFoundError.code, text, hint)


def _may_be_whole(record: VersionRecord) -> bool:
    judgement = None if record.observed is None else record.observed.judgement
    return record.is_complete or (isinstance(judgement, Waiting) and judgement.until_ms is not None)


def _missing_problem(model: ModelRecord) -> Problem | None:
    if model.settings.policy != "specific" or not model.configured:
        return None
    here = {record.version for record in model.versions.values() if record.present}
    missing = sorted(set(model.settings.specific_versions) - here)
    if not missing:
        return None
    text = f"versions of the model's policy are not in the repository: {', '.join(map(str, missing))}"
    return Problem(model.name, None, "missing", ModelNotFoundError.code, text)


def _version_problems(record: VersionRecord) -> list[Problem]:
    problems: list[Problem] = []
    if record.fault is not None:
        fault = record.fault
        problems.append(Problem(record.model, record.version, "fault", fault.code, fault.message, fault.hint))
    if record.reload_fault is not None:
        text = f"it goes on with its former settings: {record.reload_fault.message}"
        code, hint = record.reload_fault.code, record.reload_fault.hint
        problems.append(Problem(record.model, record.version, "reload", code, text, hint))
    judgement = None if record.observed is None else record.observed.judgement
    if record.current is not None and record.present and record.observed is not None:
        if record.current.fingerprint != record.observed.fingerprint:
            text = "the files of a loaded version have changed; what was loaded goes on serving"
            hint = "A version never changes; publish the next one."
            code = ArtifactInvalidError.code
            problems.append(Problem(record.model, record.version, "changed", code, text, hint))
    elif record.present and isinstance(judgement, Waiting) and judgement.until_ms is None:
        code = ArtifactInvalidError.code
        problems.append(Problem(record.model, record.version, "waiting", code, judgement.reason))
    return problems


def quarantine_fault(suspicion: Suspicion, record_path: Path) -> Fault:
    """Returns the error of a version in quarantine."""
    times = "once" if suspicion.deaths == 1 else f"{suspicion.deaths} times"
    message = f"a server died {times} while it loaded this version, so it is not tried again"
    hint = f"Publish a version that loads, or remove `{record_path}` and start again to have this one tried."
    return Fault(QuarantinedError.code, message, hint)
