"""Going back to another version: the pin that the server obeys, and the wait until it does."""

import getpass
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from turnout.client.blocking import Client
from turnout.client.records import ModelSummary
from turnout.client.retry import RetryPolicy
from turnout.errors import DeadlineExceededError, ModelNotFoundError, RepositoryError, UnavailableError
from turnout.repository.layout import Source
from turnout.repository.pin import Pin, clear_pin, write_pin
from turnout.repository.scan import ScannedModel
from turnout.repository.versions import pick_version, previous_version, scan_source

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Target:
    """What a rollback is about.

    Attributes:
        model: the model's name.
        folder: the model's folder.
        version: the version that requests without a version shall get.
        former: the version that they got before, as far as is known.
    """

    model: str
    folder: Path
    version: int
    former: int | None


def plan_rollback(source: Source, name: str, wanted: int | None, serving: int | None) -> Target:
    """Decides which version to go back to.

    Args:
        source: the folder of models, or the model's own.
        name: the model's name.
        wanted: the version to go to; None takes the newest one that is older than the current one.
        serving: the version that a running server gives to requests without a version; None where nobody said.

    Raises:
        ModelNotFoundError: there is no such model or version.
        RepositoryError: there is no older version, or the repository cannot be read.
    """
    model, folder = _find_model(source, name)
    newest = max(model.versions, default=None)
    current = serving or (model.pin.version if model.pin is not None else newest)
    if wanted is not None:
        return Target(name, folder, _existing(model, wanted), current)
    older = None if current is None else previous_version(model.versions, current)
    if older is None:
        raise RepositoryError(f"model `{name}` has no version that is older than the current one: {current}")
    return Target(name, folder, older, current)


def plan_clear(source: Source, name: str) -> Target:
    """Decides which version is meant to serve once the pin is gone: the newest.

    Raises:
        ModelNotFoundError: there is no such model, or it has no version.
        RepositoryError: the repository cannot be read.
    """
    model, folder = _find_model(source, name)
    if not model.versions:
        raise ModelNotFoundError(f"model `{name}` has no versions: `{folder}`")
    return Target(name, folder, max(model.versions), model.pin.version if model.pin is not None else None)


def pin(target: Target, why: str) -> Pin:
    """Writes the pin, durably.

    Raises:
        RepositoryError: the repository cannot be written.
    """
    when = datetime.now(UTC).isoformat(timespec="seconds")
    written = Pin(target.version, f"{_user()}@{socket.gethostname()}", when, why)
    write_pin(target.folder, written)
    return written


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in many containers
        return f"user {os.getuid()}"


def unpin(target: Target) -> bool:
    """Removes the pin; returns whether there was one.

    Raises:
        RepositoryError: the repository cannot be written.
    """
    return clear_pin(target.folder)


def ask_serving(url: str, model: str) -> int | None:
    """Returns the version that a running server gives to requests without a version; None where nobody says."""
    try:
        with Client(url, timeout_ms=2000, retry=RetryPolicy(attempts=1)) as client:
            summary = _summary(client, model)
    except (UnavailableError, DeadlineExceededError):
        return None  # whoever waits for the server afterwards is told why
    return None if summary is None else summary.default_version


def wait_until_serving(url: str, target: Target, timeout_ms: int, clock: Callable[[], float] = time.monotonic) -> None:
    """Waits until a running server gives the target's version to requests without a version.

    Raises:
        UnavailableError: no server answers.
        DeadlineExceededError: it does not do so in time; the message has the reason, if the server gives one.
    """
    deadline = clock() + timeout_ms / 1000
    with Client(url, timeout_ms=min(timeout_ms, 5000), retry=RetryPolicy(attempts=1)) as client:
        while True:
            summary = _summary(client, target.model)
            if summary is not None and summary.default_version == target.version:
                return
            if clock() >= deadline:
                raise DeadlineExceededError(_describe_delay(url, target, summary, timeout_ms))
            time.sleep(_POLL_S)


def _find_model(source: Source, name: str) -> tuple[ScannedModel, Path]:
    scan = scan_source(source)
    model = scan.models.get(name)
    if model is None:
        listed = ", ".join(f"`{each}`" for each in sorted(scan.models)) or "none"
        raise ModelNotFoundError(f"`{source.path}` has no such model: expected one of {listed}, got `{name}`")
    if model.folder is None:
        hint = "Only a model's folder has versions."
        raise RepositoryError(f"a single file cannot be rolled back: `{source.path}`", hint=hint)
    if not model.readable:
        raise RepositoryError(model.problems[0].message, hint=model.problems[0].hint)
    return model, model.folder


def _existing(model: ScannedModel, wanted: int) -> int:
    try:
        return pick_version(model, wanted).version
    except RepositoryError as error:
        raise ModelNotFoundError(error.message, hint=error.hint) from error


def _summary(client: Client, name: str) -> ModelSummary | None:
    return next((model for model in client.models() if model.name == name), None)


def _describe_delay(url: str, target: Target, summary: ModelSummary | None, timeout_ms: int) -> str:
    if summary is None:
        return f"the server at `{url}` does not serve this model: `{target.model}`"
    status = next((each for each in summary.versions if each.version == target.version), None)
    reason = f": {status.error_message}" if status is not None and status.error_message else ""
    return (
        f"the server at `{url}` does not serve version {target.version} of `{target.model}` after {timeout_ms} ms:"
        f" it serves {summary.default_version}{reason}"
    )
