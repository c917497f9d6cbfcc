"""Remembers on disk which versions are being loaded, so that a version that kills the server does so only once.

A fault inside a runtime ends the process, and the next start would try the same version again. A load that was under
way when its process died makes the version a suspect. It is quarantined when it was the only suspect and the process is
known to have died of a fatal signal, or when it died as the only suspect a second time: the first may have been
somebody's `kill -9`. Suspects are loaded one after another, so that the second time tells which.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from turnout.errors import RepositoryError
from turnout.lifecycle.process import ProcessIdentity, is_alive, this_process
from turnout.repository.fields import Fields, dump_json, parse_fields
from turnout.repository.files import make_folder, remove_file, replace_file
from turnout.types import JsonValue

_log = logging.getLogger("turnout.lifecycle.journal")

DEATHS_TO_QUARANTINE = 2
"""Deaths with a version as the only suspect after which it is not tried again."""

_RecordT = TypeVar("_RecordT")


@dataclass(frozen=True, slots=True)
class LoadEntry:
    """One load that is under way.

    Attributes:
        model: the model's name.
        version: the version's number.
        path: its folder or file.
        fingerprint: of its files.
        process: who loads it.
    """

    model: str
    version: int
    path: Path
    fingerprint: str
    process: ProcessIdentity

    def to_json(self) -> dict[str, JsonValue]:
        """Returns a record of JSON types."""
        return {
            "model": self.model,
            "version": self.version,
            "path": str(self.path),
            "fingerprint": self.fingerprint,
            **self.process.to_json(),
        }

    @classmethod
    def read(cls, fields: Fields) -> "LoadEntry":
        """Takes the fields that `to_json` wrote."""
        entry = cls(
            model=fields.text("model"),
            version=fields.integer("version", 1),
            path=Path(fields.text("path")),
            fingerprint=fields.text("fingerprint"),
            process=ProcessIdentity.read(fields),
        )
        fields.close()
        return entry


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A version on which a process may have died.

    Attributes:
        model: the model's name.
        version: the version's number.
        path: its folder or file.
        fingerprint: of its files then; other files are not suspected.
        deaths: processes that died while they loaded it.
        quarantined: whether it is not to be tried.
    """

    model: str
    version: int
    path: Path
    fingerprint: str
    deaths: int
    quarantined: bool

    def to_json(self) -> dict[str, JsonValue]:
        """Returns a record of JSON types."""
        return {
            "model": self.model,
            "version": self.version,
            "path": str(self.path),
            "fingerprint": self.fingerprint,
            "deaths": self.deaths,
            "quarantined": self.quarantined,
        }

    @classmethod
    def read(cls, fields: Fields) -> "Suspicion":
        """Takes the fields that `to_json` wrote."""
        suspicion = cls(
            model=fields.text("model"),
            version=fields.integer("version", 1),
            path=Path(fields.text("path")),
            fingerprint=fields.text("fingerprint"),
            deaths=fields.integer("deaths", 1),
            quarantined=fields.boolean("quarantined"),
        )
        fields.close()
        return suspicion


def judge_deaths(entries: Sequence[LoadEntry], former: Iterable[Suspicion], *, is_fatal: bool) -> list[Suspicion]:
    """Says what the death of one process makes of the versions that it was loading.

    Those that were suspected most before are suspected now, and all of them where none was.

    Args:
        entries: its loads.
        former: what was suspected before.
        is_fatal: whether it is known to have died of a fatal signal; of a kill or a power cut nothing is known.
    """
    former_deaths = {(suspicion.path, suspicion.fingerprint): suspicion.deaths for suspicion in former}
    deaths = {entry: former_deaths.get((entry.path, entry.fingerprint), 0) for entry in entries}
    prime = [entry for entry in entries if deaths[entry] == max(deaths.values())]
    suspicions: list[Suspicion] = []
    for entry in prime:
        count = deaths[entry] + 1
        quarantined = len(prime) == 1 and (is_fatal or count >= DEATHS_TO_QUARANTINE)
        suspicions.append(Suspicion(entry.model, entry.version, entry.path, entry.fingerprint, count, quarantined))
    return suspicions


class Journal:
    """The folder of loads under way and of suspects. Thread-safe; every method may block on the disk."""

    def __init__(self, cache_dir: Path) -> None:
        """Takes the folder; it is made when it is first needed."""
        self._root = cache_dir / "journal"
        self._process = this_process()
        self._lock = threading.Lock()

    @property
    def process(self) -> ProcessIdentity:
        """The process that writes through this object."""
        return self._process

    def begin(self, model: str, version: int, path: Path, fingerprint: str) -> None:
        """Notes that a load begins; durable when it returns.

        Raises:
            OSError: the note cannot be written.
        """
        entry = LoadEntry(model, version, path, fingerprint, self._process)
        self._write(self._entry_path(entry), entry.to_json())

    def end(self, model: str, version: int, path: Path, *, loaded: bool) -> None:
        """Notes that a load has ended; a version that was loaded is suspected no longer.

        Raises:
            OSError: the note cannot be removed.
        """
        # Not synced: a note that a power cut brings back makes a suspect, no more.
        self._entry_path(LoadEntry(model, version, path, "", self._process)).unlink(missing_ok=True)
        if loaded:
            self._suspect_path(model, version, path).unlink(missing_ok=True)

    def recover(self) -> list[Suspicion]:
        """Judges what dead processes left behind, forgets it, and returns all suspects that are known.

        Raises:
            OSError: the folder cannot be read or written.
        """
        known = {(s.model, s.version, s.path): s for s in self._read_all("suspects", Suspicion.read)}
        dead: dict[ProcessIdentity, list[LoadEntry]] = {}
        for entry in self._read_all("loading", LoadEntry.read):
            if not is_alive(entry.process):
                dead.setdefault(entry.process, []).append(entry)
        for process, entries in dead.items():
            for suspicion in judge_deaths(entries, known.values(), is_fatal=self._has_fatal_note(process)):
                known[suspicion.model, suspicion.version, suspicion.path] = suspicion
                self._write(self.record_path(suspicion), suspicion.to_json())
            for entry in entries:
                self._remove(self._entry_path(entry))
        self._remove_fatal_notes()
        return list(known.values())

    def clear(self, suspicion: Suspicion) -> None:
        """Forgets a suspicion.

        Raises:
            OSError: its record cannot be removed.
        """
        self._remove(self.record_path(suspicion))

    def record_path(self, suspicion: Suspicion) -> Path:
        """Returns the file of a suspicion; an operator may remove it to have the version tried again."""
        return self._suspect_path(suspicion.model, suspicion.version, suspicion.path)

    def fatal_note_path(self, process: ProcessIdentity | None = None) -> Path:
        """Returns where a process notes the fatal signal that ends it."""
        return self._root / "fatal" / f"{(process or self._process).key}.txt"

    def _has_fatal_note(self, process: ProcessIdentity) -> bool:
        try:
            return self.fatal_note_path(process).stat().st_size > 0
        except FileNotFoundError:
            return False

    def _remove_fatal_notes(self) -> None:
        for path in (self._root / "fatal").glob("*.txt"):
            process = ProcessIdentity.from_key(path.stem)
            if process is not None and not is_alive(process):
                self._remove(path)

    def _entry_path(self, entry: LoadEntry) -> Path:
        name = f"{entry.process.key}-{_digest(entry.model, entry.version, entry.path)}.json"
        return self._root / "loading" / name

    def _suspect_path(self, model: str, version: int, path: Path) -> Path:
        return self._root / "suspects" / f"{_digest(model, version, path)}.json"

    def _write(self, path: Path, record: dict[str, JsonValue]) -> None:
        with self._lock:
            make_folder(path.parent)
            replace_file(path, dump_json(record))

    def _remove(self, path: Path) -> None:
        with self._lock:
            if path.parent.is_dir():
                remove_file(path)

    def _read_all(self, folder: str, read: Callable[[Fields], _RecordT]) -> list[_RecordT]:
        records: list[_RecordT] = []
        for path in sorted((self._root / folder).glob("*.json")):
            try:
                records.append(read(parse_fields(path.read_bytes(), path)))
            except FileNotFoundError:
                continue  # another server of the same cache was faster
            except RepositoryError as error:
                _log.warning("a record of the journal is not readable and is removed: %s", error.message)
                self._remove(path)
        return records


def _digest(model: str, version: int, path: Path) -> str:
    return hashlib.sha256(f"{model}\0{version}\0{path}".encode()).hexdigest()[:24]
