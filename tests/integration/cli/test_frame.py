import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import check_recording, clean_environment, run
from turnout.cli.exit_codes import MEANINGS, exit_code_of
from turnout.errors import error_classes

HEAVY = ("grpc", "httpx", "numpy", "onnxruntime", "pydantic", "rich", "turnout._dataplane", "watchfiles")

COMMANDS = (
    "serve",
    "push",
    "predict",
    "inspect",
    "list",
    "rollback",
    "replay",
    "doctor",
    "demo",
    "completion",
    "config",
    "config show",
    "import",
    "import tf-serving",
)
HELP = ["--help", *(f"{command} --help" for command in COMMANDS)]


@pytest.mark.parametrize("words", HELP)
def test_help_imports_nothing_heavy(words: str, tmp_path: Path) -> None:
    script = (
        "import json, sys\n"
        "from turnout.cli.app import main\n"
        f"code = main({words.split()!r})\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    modules = json.loads(finished.stderr)
    assert "Usage: turnout" in finished.stdout
    assert [name for name in HEAVY if name in modules] == []


def test_completion_imports_nothing_heavy(tmp_path: Path) -> None:
    variables = {"_TURNOUT_COMPLETE": "complete_bash", "COMP_WORDS": "turnout se", "COMP_CWORD": "1"}
    script = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "from turnout.cli.app import main\n"
        "main([])\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env=clean_environment(tmp_path, **variables),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert finished.stdout.split() == ["serve"]
    assert [name for name in HEAVY if name in json.loads(finished.stderr)] == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("no_command", []),
        ("unknown_command", ["srve"]),
        ("unknown_option", ["doctor", "--jsn"]),
        ("json_error", ["config", "show", "--config", "absent.toml", "--json"]),
        ("text_error", ["config", "show", "--config", "absent.toml"]),
    ],
)
def test_prints(name: str, arguments: list[str], tmp_path: Path) -> None:
    check_recording(name, run(arguments, tmp_path), {})


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    outcome = run(["--debug", "config", "show", "--config", "absent.toml"], tmp_path)
    assert outcome.exit_code == 2
    assert "Traceback (most recent call last)" in outcome.stderr
    assert "FileNotFoundError" in outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_command(shell: str, tmp_path: Path) -> None:
    outcome = run(["completion", shell], tmp_path)
    assert outcome.exit_code == 0
    assert "_TURNOUT_COMPLETE" in outcome.stdout


def test_version(tmp_path: Path) -> None:
    outcome = run(["--version"], tmp_path)
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("turnout 0.")


def test_every_error_has_a_documented_exit_code() -> None:
    codes = {code: exit_code_of(cls("m")) for code, cls in error_classes().items()}
    assert {code for code in codes.values() if code not in MEANINGS} == set()
    assert (codes["config_invalid"], codes["model_not_found"], codes["runtime_missing"]) == (2, 3, 5)
