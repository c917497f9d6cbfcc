"""Slow work that the reconciler gives to workers. Each returns a message, whatever goes wrong."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from turnout.errors import InternalError, RepositoryError, TurnoutError
from turnout.lifecycle.artifact import Resolve, ResolvedArtifact
from turnout.lifecycle.journal import Journal
from turnout.lifecycle.ports import Configured, Prepared
from turnout.lifecycle.records import Servable
from turnout.lifecycle.settings import SettingsFor
from turnout.repository.files import digest_file
from turnout.repository.manifest import Manifest
from turnout.repository.scan import FileStat
from turnout.repository.settle import FileKey, HashResult

_log = logging.getLogger("turnout.lifecycle")


def prepare(
    journal: Journal, resolve: Resolve, model: str, version: int, servable: Servable, manifest: Manifest | None
) -> Prepared:
    """Notes a load in the journal and finds out what it needs."""
    journal_fault = ""
    try:
        journal.begin(model, version, servable.path, servable.fingerprint)
    except OSError as error:
        journal_fault = str(error)
    try:
        outcome: ResolvedArtifact | TurnoutError = resolve(servable.path, manifest)
    except TurnoutError as error:
        outcome = error
    except Exception as error:
        _log.exception("a version could not be resolved: `%s`", servable.path)
        outcome = InternalError(f"a version could not be resolved: {error}: `{servable.path}`")
    return Prepared(servable.id, outcome, journal_fault)


def read_settings(settings_for: SettingsFor, name: str, folder: Path | None, stat: FileStat | None) -> Configured:
    """Reads a model's settings."""
    try:
        return Configured(name, stat, settings_for(name, folder))
    except TurnoutError as error:
        return Configured(name, stat, error)
    except Exception as error:
        _log.exception("the settings of model `%s` could not be read", name)
        return Configured(name, stat, InternalError(f"settings could not be read: {error}"))


def hash_files(keys: Iterable[FileKey]) -> Mapping[FileKey, HashResult]:
    """Reads files for their hashes."""
    hashes: dict[FileKey, HashResult] = {}
    for key in keys:
        try:
            hashes[key] = digest_file(key.path)
        except OSError as error:
            hashes[key] = RepositoryError(f"cannot read `{key.path}`: {error.strerror or error}")
    return hashes
