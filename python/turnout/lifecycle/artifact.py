"""What a version is made of and what runs it, as the flavors found out; the manager only passes it on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from turnout.repository.manifest import Manifest
from turnout.types import Signature


@dataclass(frozen=True, slots=True)
class ResolvedFile:
    """One file that the engine needs.

    Attributes:
        name: path below the artifact's folder, with `/`.
        size_bytes: its size.
        sha256: the hash that its bytes must have; None where nobody promised one.
    """

    name: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class ResolvedArtifact:
    """One version, ready to be loaded.

    Attributes:
        engine: what executes it, by the name that the data plane knows.
        library: the runtime's shared library.
        path: the folder that holds the files.
        entry: the file that the engine opens.
        files: all files of the version.
        needs_copy: whether the files are copied to a private folder first, because the runtime opens several of them.
        signatures: what it answers to, the default first; empty leaves it to the engine.
        warmup: the file of recorded requests that are run before it serves; not among `files`.
    """

    engine: str
    library: Path
    path: Path
    entry: str
    files: tuple[ResolvedFile, ...]
    needs_copy: bool = False
    signatures: tuple[Signature, ...] = ()
    warmup: ResolvedFile | None = None


Resolve: TypeAlias = Callable[[Path, Manifest | None], ResolvedArtifact]
"""(version's folder, or its file; manifest) -> artifact; raises a `TurnoutError`, which becomes the version's error.

Called on a worker thread; may read files, and must not load a runtime."""
