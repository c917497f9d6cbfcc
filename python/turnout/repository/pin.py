"""`<model>/.turnout/pin.json`: the version that an operator chose over the newest one."""

import errno
from dataclasses import dataclass
from pathlib import Path

from turnout.errors import RepositoryError
from turnout.repository.fields import dump_json, parse_fields
from turnout.repository.files import make_folder, remove_file, replace_file
from turnout.repository.layout import PRIVATE_FOLDER

PIN_NAME = "pin.json"

_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class Pin:
    """An operator's choice of a version; it stands until it is cleared.

    Attributes:
        version: what requests without a version get.
        who: the person or program that chose it.
        when: ISO 8601 with a zone.
        why: the reason given; may be empty.
    """

    version: int
    who: str
    when: str
    why: str


def pin_path(model_folder: Path) -> Path:
    """Returns where a model's pin is kept."""
    return model_folder / PRIVATE_FOLDER / PIN_NAME


def read_pin(model_folder: Path) -> Pin | None:
    """Returns the pin, or None where there is none.

    Raises:
        RepositoryError: it cannot be read or is not a pin; the message has the path and the key.
    """
    path = pin_path(model_folder)
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RepositoryError(f"cannot read the pin: {error.strerror}: `{path}`") from error
    fields = parse_fields(data, path)
    pin = Pin(
        version=fields.integer("version", 1),
        who=fields.text("who"),
        when=fields.text("when"),
        why=fields.optional_text("why") or "",
    )
    fields.close()
    return pin


def write_pin(model_folder: Path, pin: Pin) -> None:
    """Pins a version, durably and as a whole: a reader sees the former pin or this one.

    Whether the version exists is the caller's to check.

    Raises:
        RepositoryError: the repository is read-only or fails.
    """
    path = pin_path(model_folder)
    record = dump_json({"version": pin.version, "who": pin.who, "when": pin.when, "why": pin.why or None})
    try:
        make_folder(path.parent)
        replace_file(path, record)
    except OSError as error:
        raise _write_error("write", path, error) from error


def clear_pin(model_folder: Path) -> bool:
    """Removes the pin; returns whether there was one.

    Raises:
        RepositoryError: the repository is read-only or fails.
    """
    path = pin_path(model_folder)
    try:
        return remove_file(path)
    except OSError as error:
        raise _write_error("remove", path, error) from error


def _write_error(verb: str, path: Path, error: OSError) -> RepositoryError:
    message = f"cannot {verb} the pin: {error.strerror}: `{path}`"
    if error.errno not in _READ_ONLY:
        return RepositoryError(message)
    hint = "The repository is read-only here; run the command where it can be written, as a user who may."
    return RepositoryError(message, hint=hint)
