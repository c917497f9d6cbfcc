"""`turnout.json`: what a version says about itself. Written once, when the version is published, and read strictly."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from turnout.errors import ArtifactInvalidError
from turnout.repository.fields import Fields, dump_json, parse_fields
from turnout.repository.layout import MANIFEST_NAME
from turnout.types import DTYPES, JsonValue, Signature, TensorSpec

SCHEMA = 1
"""Raised when a reader of the former schema would misread the file."""

_SHA256_DIGITS = 64


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a version.

    Attributes:
        name: path below the version's folder, with `/`.
        size_bytes: its exact size.
        sha256: hash of its bytes, 64 lower-case hexadecimal digits.
    """

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class MergeProof:
    """Whether requests may be executed together, as a validation showed.

    Attributes:
        mergeable: whether merged answers were the same as single ones.
        reason: how that is known, in words.
    """

    mergeable: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a version says about itself.

    Attributes:
        flavor: how the artifact was saved.
        engine: what executes it.
        entry: the file that the engine opens, one of `files`.
        files: every file that belongs to the version, without the manifest.
        created: when it was published, ISO 8601 with a zone; empty where unknown.
        signatures: what it answers to, the default first; empty leaves it to the engine.
        metrics: figures of its training, by name.
        source: where it came from; of any content.
        parity: how its answers compare with those of the model it was converted from; of any content.
        sample: where the rows of that comparison came from: `generated`, or a file's name.
        merge: whether requests may be merged; None where nobody has tried.
    """

    flavor: str
    engine: str
    entry: str
    files: tuple[ManifestFile, ...]
    created: str = ""
    signatures: tuple[Signature, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    source: dict[str, JsonValue] | None = None
    parity: dict[str, JsonValue] | None = None
    sample: str | None = None
    merge: MergeProof | None = None

    def with_files(self, files: Iterable[ManifestFile]) -> "Manifest":
        """Returns the manifest with other files."""
        return replace(self, files=tuple(files))

    def to_json(self) -> dict[str, JsonValue]:
        """Returns a record of JSON types."""
        merge: JsonValue = None
        if self.merge is not None:
            merge = {"mergeable": self.merge.mergeable, "reason": self.merge.reason}
        return {
            "schema": SCHEMA,
            "flavor": self.flavor,
            "engine": self.engine,
            "entry": self.entry,
            "created": self.created or None,
            "signatures": [signature.to_json() for signature in self.signatures],
            "files": [{"name": f.name, "size_bytes": f.size_bytes, "sha256": f.sha256} for f in self.files],
            "metrics": dict(self.metrics),
            "source": self.source,
            "parity": self.parity,
            "sample": self.sample,
            "merge": merge,
        }


def encode_manifest(manifest: Manifest, path: Path) -> bytes:
    """Returns the text of the file, after reading it back: what is written can be read.

    Raises:
        ArtifactInvalidError: the manifest contradicts itself; `path` is named in the message.
    """
    data = dump_json(manifest.to_json())
    parse_manifest(data, path)
    return data


def parse_manifest(data: bytes, path: Path) -> Manifest:
    """Reads the text of a manifest; `path` is for messages.

    Raises:
        ArtifactInvalidError: with the path and the key.
    """
    fields = parse_fields(data, path, ArtifactInvalidError)
    schema = fields.integer("schema", 1)
    if schema > SCHEMA:
        message = f"`{path}` is of a newer Turnout: expected schema {SCHEMA} at most, got: {schema}"
        raise ArtifactInvalidError(message, hint="Upgrade Turnout.")
    manifest = Manifest(
        flavor=fields.text("flavor"),
        engine=fields.text("engine"),
        entry=fields.text("entry"),
        files=tuple(_file(record) for record in fields.objects("files")),
        created=fields.optional_text("created") or "",
        signatures=tuple(_signature(record) for record in fields.objects("signatures")),
        metrics=fields.numbers("metrics"),
        source=fields.optional_object("source"),
        parity=fields.optional_object("parity"),
        sample=fields.optional_text("sample"),
        merge=_merge(fields.optional_fields("merge")),
    )
    fields.close()
    _check_whole(manifest, fields)
    return manifest


def _check_whole(manifest: Manifest, fields: Fields) -> None:
    names = [file.name for file in manifest.files]
    if len(set(names)) != len(names):
        fields.fail("files", "each name once", sorted(name for name in set(names) if names.count(name) > 1)[0])
    entry = manifest.entry
    if entry not in names and not any(name.startswith(f"{entry}/") for name in names) and entry != ".":
        fields.fail("entry", "one of `files`, a folder of them, or `.`", entry)
    signatures = [signature.name for signature in manifest.signatures]
    if len(set(signatures)) != len(signatures):
        fields.fail("signatures", "each name once", list[JsonValue](signatures))


def _file(fields: Fields) -> ManifestFile:
    file = ManifestFile(fields.text("name"), fields.integer("size_bytes", 0), fields.text("sha256"))
    fields.close()
    if not is_inner_name(file.name) or file.name == MANIFEST_NAME:
        fields.fail("name", "a path below the version's folder", file.name)
    if len(file.sha256) != _SHA256_DIGITS or set(file.sha256) - set("0123456789abcdef"):
        fields.fail("sha256", f"{_SHA256_DIGITS} lower-case hexadecimal digits", file.sha256)
    return file


def is_inner_name(name: str) -> bool:
    """Returns whether a name in a manifest stays below the version's folder."""
    path = PurePosixPath(name)
    is_plain = str(path) == name and "\0" not in name
    return is_plain and bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _signature(fields: Fields) -> Signature:
    inputs = tuple(_tensor(record) for record in fields.objects("inputs"))
    outputs = tuple(_tensor(record) for record in fields.objects("outputs"))
    signature = Signature(fields.text("name"), inputs, outputs)
    fields.close()
    return signature


def _tensor(fields: Fields) -> TensorSpec:
    name, tensor, dtype = fields.text("name"), fields.text("tensor"), fields.text("dtype")
    if dtype not in DTYPES:
        fields.fail("dtype", f"one of {', '.join(DTYPES)}", dtype)
    shape = fields.optional_array("shape")
    fields.close()
    if shape is None:
        return TensorSpec(name, tensor, dtype, None)
    return TensorSpec(name, tensor, dtype, tuple(_dimension(size, fields) for size in shape))


def _dimension(size: JsonValue, fields: Fields) -> int | None:
    if size is None:
        return None
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    return fields.fail("shape", "integers of at least 0, or null for one that varies", size)


def _merge(fields: Fields | None) -> MergeProof | None:
    if fields is None:
        return None
    proof = MergeProof(fields.boolean("mergeable"), fields.text("reason"))
    fields.close()
    return proof
