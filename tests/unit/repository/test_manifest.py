import json
from pathlib import Path
from typing import Any

import pytest

from turnout.errors import ArtifactInvalidError
from turnout.repository.manifest import Manifest, ManifestFile, MergeProof, encode_manifest, parse_manifest
from turnout.types import Signature, TensorSpec

PATH = Path("/models/m/1/turnout.json")
SHA = "0123456789abcdef" * 4

FULL = Manifest(
    flavor="sklearn",
    engine="onnx",
    entry="model.onnx",
    files=(ManifestFile("model.onnx", 3, SHA), ManifestFile("weights/a.bin", 0, SHA)),
    created="2026-11-21T10:00:00Z",
    signatures=(
        Signature(
            "serving_default",
            (TensorSpec("x", "input", "float32", (None, 4)),),
            (TensorSpec("label", "output", "int64", None), TensorSpec("scalar", "s", "bool", ())),
        ),
    ),
    metrics={"accuracy": 0.97, "rows": 5},
    source={"path": "model.joblib", "columns": ["a", "b"]},
    parity={"worst": 1e-7},
    sample="generated",
    merge=MergeProof(True, "equal on 1, 2, 7 rows"),
)
SMALL = Manifest(flavor="onnx", engine="onnx", entry="model.onnx", files=(ManifestFile("model.onnx", 3, SHA),))


@pytest.mark.parametrize("manifest", [FULL, SMALL], ids=["full", "small"])
def test_what_is_written_is_read(manifest: Manifest) -> None:
    assert parse_manifest(encode_manifest(manifest, PATH), PATH) == manifest


def test_only_five_keys_are_needed() -> None:
    record = {"schema": 1, "flavor": "onnx", "engine": "onnx", "entry": "model.onnx"}
    files = [{"name": "model.onnx", "size_bytes": 3, "sha256": SHA}]
    assert parse_manifest(json.dumps({**record, "files": files}).encode(), PATH) == SMALL


def edited(path: str, value: Any) -> dict[str, Any]:
    record: Any = FULL.to_json()
    inner, keys = record, [int(key) if key.isdecimal() else key for key in path.split("/")]
    for key in keys[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return record


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("flavor", KeyError, "key `flavor` is missing in"),
        ("flavor", 3, "key `flavor` of .*: expected text that is not empty, got: 3"),
        ("flavor", "", 'key `flavor` of .*: expected text that is not empty, got: ""'),
        ("flavor", "\ud800", "key `flavor` of .*: expected text that is not empty"),
        ("schema", 2, "is of a newer Turnout: expected schema 1 at most, got: 2"),
        ("schema", True, "key `schema` of .*: expected an integer of at least 1, got: true"),
        ("color", "red", "unknown key in .*: `color`"),
        ("entry", "other.onnx", "key `entry` of .*: expected one of `files`"),
        (
            "files/0/name",
            "../../etc/passwd",
            r"key `files\[0\].name` of .*: expected a path below the version's folder",
        ),
        ("files/0/name", "/etc/passwd", r"key `files\[0\].name` of"),
        ("files/0/name", "a//b", r"key `files\[0\].name` of"),
        ("files/0/name", "turnout.json", r"key `files\[0\].name` of"),
        ("files/1/name", "model.onnx", 'key `files` of .*: expected each name once, got: "model.onnx"'),
        ("files/0/size_bytes", -1, r"key `files\[0\].size_bytes` of .*: expected an integer of at least 0, got: -1"),
        ("files/0/size_bytes", 1.5, r"key `files\[0\].size_bytes` of"),
        ("files/0/sha256", SHA.upper(), r"key `files\[0\].sha256` of .*: expected 64 lower-case hexadecimal digits"),
        ("files/0/mode", 7, r"unknown key in .*: `files\[0\].mode`"),
        ("files/0", "model.onnx", r"key `files\[0\]` of .*: expected an object, got: \"model.onnx\""),
        ("files", {}, "key `files` of .*: expected a list"),
        (
            "signatures/0/inputs/0/dtype",
            "float",
            r"key `signatures\[0\].inputs\[0\].dtype` of .*: expected one of bool,",
        ),
        ("signatures/0/inputs/0/shape", [-1], r"key `signatures\[0\].inputs\[0\].shape` of .*: expected integers"),
        ("signatures/0/name", None, r"key `signatures\[0\].name` of"),
        ("metrics", {"accuracy": "high"}, 'key `metrics.accuracy` of .*: expected a number, got: "high"'),
        ("metrics", [1], "key `metrics` of .*: expected an object"),
        ("merge", {"mergeable": 1, "reason": "x"}, "key `merge.mergeable` of .*: expected `true` or `false`, got: 1"),
        ("parity", "good", "key `parity` of .*: expected an object"),
    ],
)
def test_every_fault_names_the_path_and_the_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(ArtifactInvalidError, match=message) as caught:
        parse_manifest(json.dumps(edited(path, value)).encode(), PATH)
    assert str(PATH) in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"schema": NaN}',
        b'{"schema": 1e999}',
        b"[" * 200_000,
        b" " * (16 * 1024 * 1024 + 1),
    ],
    ids=["empty", "cut", "list", "latin", "nan", "overflow", "deep", "large"],
)
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactInvalidError, match=str(PATH)):
        parse_manifest(data, PATH)


def test_a_manifest_that_cannot_be_read_back_is_not_written() -> None:
    with pytest.raises(ArtifactInvalidError, match="key `entry`"):
        encode_manifest(FULL.with_files([]), PATH)
