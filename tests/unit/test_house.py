"""The rules of the house that no linter knows."""

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = {".py": 400, ".rs": 500}
TEST_LINES = {".py": 600, ".rs": 800}
"""Tables of cases are long and easy to read."""

FUNCTION_LINES = 60
README_LINES = 119

LONGER_FILES: dict[str, str] = {}
"""Files that may be longer than the limit, each with the reason."""

FRAGMENT = re.compile(r"\+?[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md|README\.md")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def read_toml(name: str) -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's name and its lines without the docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            yield node.name, (node.end_lineno or first.lineno) - first.lineno + 1


def is_test(path: Path) -> bool:
    return "tests" in path.relative_to(ROOT).parts or path.name == "tests.rs"


def test_files_are_short():
    long = {
        str(path.relative_to(ROOT)): lines(path)
        for path in tracked("*.py", "*.rs")
        if lines(path) > (TEST_LINES if is_test(path) else LINES)[path.suffix]
    }
    assert {name: count for name, count in long.items() if name not in LONGER_FILES} == {}
    assert set(LONGER_FILES) <= set(long), "not longer any more"


def test_python_functions_are_short():
    long = [
        (str(path.relative_to(ROOT)), name, count)
        for path in tracked("*.py")
        for name, count in functions(path)
        if count > FUNCTION_LINES
    ]
    assert long == []


def test_readme_is_short():
    assert lines(ROOT / "README.md") <= README_LINES


def test_changelog_fragments_are_named_by_kind():
    assert [path.name for path in tracked("changelog.d") if not FRAGMENT.fullmatch(path.name)] == []


def test_versions_agree():
    cargo, project = read_toml("Cargo.toml"), read_toml("pyproject.toml")
    package = cargo["workspace"]["package"]
    assert isinstance(package, dict)
    assert package["version"] == project["project"]["version"]


def test_oldest_rust_is_new_enough_for_every_crate():
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--format-version", "1", "--locked", "--offline"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )

    def release(package: dict[str, str | None]) -> tuple[int, ...]:
        return tuple(int(part) for part in (package["rust_version"] or "0").split(".")[:2])

    ours = next(package for package in metadata["packages"] if package["name"] == "turnout-core")
    newer = [package["name"] for package in metadata["packages"] if release(package) > release(ours)]
    assert newer == []


def test_library_needs_no_newer_glibc_than_the_docs_say():
    (library,) = (ROOT / "python" / "turnout").glob("_dataplane*.so")
    needed = {tuple(map(int, match)) for match in re.findall(rb"GLIBC_(\d+)\.(\d+)", library.read_bytes())}
    script = (ROOT / "scripts" / "check-machine.sh").read_text(encoding="utf-8")
    (oldest,) = re.findall(r'^oldest_glibc="(\d+)\.(\d+)"', script, re.MULTILINE)
    assert max(needed) <= tuple(map(int, oldest))
    for name in ("README.md", "CONTRIBUTING.md"):
        assert f"glibc {'.'.join(oldest)}" in (ROOT / name).read_text(encoding="utf-8")


def test_every_requirement_is_resolved_with_hashes():
    for source in tracked("requirements/*.in"):
        resolved = source.with_suffix(".txt").read_text(encoding="utf-8")
        wanted = re.findall(r"^([a-z][a-z0-9_-]*)", source.read_text(encoding="utf-8"), re.MULTILINE)
        assert [name for name in wanted if not re.search(rf"^{name}==.* \\$", resolved, re.MULTILINE)] == []


def test_requirement_files_agree_on_versions():
    versions: dict[str, set[str]] = {}
    for name in ("test", "dev", "docs", "oracle"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        for package, version in re.findall(r"^([a-z0-9_-]+)==(\S+)", text, re.MULTILINE):
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


def test_make_targets_named_in_the_docs_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    for path in tracked("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/**/*.md"):
        named = set(re.findall(r"(?:\$ |`)make ([a-z][a-z-]*)", path.read_text(encoding="utf-8")))
        assert named <= targets, path
