"""Where settings come from, and which source wins: flag > environment > `turnout.toml` > `model.toml` > default."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from turnout.errors import ConfigError

Kind: TypeAlias = Literal["flag", "environment", "turnout.toml", "model.toml", "default"]

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from.

    Attributes:
        kind: which of the sources.
        where: the flag, the variable or the file; empty for a default.
    """

    kind: Kind
    where: str = ""

    def __str__(self) -> str:
        return f"`{self.where}`" if self.where else self.kind


@dataclass(frozen=True, slots=True)
class Entry:
    """One value and its origin."""

    value: Any
    origin: Origin


Layer: TypeAlias = Mapping[str, Entry]
"""What one source says, by setting."""


@dataclass(frozen=True, slots=True)
class Resolved(Generic[SettingsT]):
    """Settings, and for each field where its value came from."""

    settings: SettingsT
    origins: Mapping[str, Origin]


def merge(layers: Iterable[Layer]) -> dict[str, Entry]:
    """Merges sources, the strongest first."""
    merged: dict[str, Entry] = {}
    for layer in layers:
        for name, entry in layer.items():
            merged.setdefault(name, entry)
    return merged


def read_toml(path: Path) -> dict[str, Any]:
    """Reads a TOML file.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"`{path}` cannot be read: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"`{path}` is not valid TOML: {error}") from error


PREFIX = "TURNOUT_"
MODEL_PREFIX = "TURNOUT_MODEL_"
NOT_SETTINGS = frozenset({"TURNOUT_CONFIG", "TURNOUT_DEBUG", "TURNOUT_URL"})
"""Variables of the command line that are no settings of the server."""

_KUBERNETES = re.compile(r"TURNOUT_(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)")
"""What Kubernetes puts into every container beside a Service named `turnout`: `TURNOUT_PORT=tcp://10.0.0.1:8501`."""


def environment_values(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Returns the settings in the environment by lower-case name, without those of longer prefixes."""
    names = [name for name in environ if name.startswith(prefix) and not _is_foreign(name, prefix)]
    return {name.removeprefix(prefix).lower(): environ[name] for name in sorted(names)}


def _is_foreign(name: str, prefix: str) -> bool:
    if name in NOT_SETTINGS or _KUBERNETES.fullmatch(name):
        return True
    return prefix == PREFIX and name.startswith(MODEL_PREFIX)


def parse_text(name: str, text: str) -> str | list[str] | dict[str, str]:
    """Reads the text of a setting that is no scalar: `1,2` for lists, `stable=1,canary=2` for labels."""
    if name not in ("allowed_batch_rows", "specific_versions", "savedmodel_tags", "labels"):
        return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if name != "labels":
        return parts
    pairs = [part.partition("=") for part in parts]
    return {label.strip(): version.strip() for label, _, version in pairs}
