import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import turnout

STUB = Path(turnout.__file__).with_suffix(".pyi")
MOST_NAMES = 12


def stub_names() -> set[str]:
    """The names that the stub lists in `__all__`."""
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.Assign):
            return set(ast.literal_eval(node.value))
    raise AssertionError("the stub has no `__all__`")


def test_the_stub_and_the_package_have_the_same_few_names() -> None:
    assert set(turnout.__all__) == stub_names()
    assert len(turnout.__all__) <= MOST_NAMES


@pytest.mark.parametrize("name", sorted(stub_names()))
def test_every_name_is_there_and_explained(name: str) -> None:
    value = getattr(turnout, name)
    assert isinstance(value, str) if name == "__version__" else value.__doc__
    assert name in dir(turnout)


def test_other_names_are_not_there() -> None:
    assert not hasattr(turnout, "nonsense")


def test_importing_the_package_imports_next_to_nothing() -> None:
    script = "import json, sys, turnout; print(json.dumps(sorted(sys.modules)))"
    listed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    ).stdout
    assert [
        name for name in ("numpy", "pydantic", "httpx", "grpc", "turnout._dataplane") if f'"{name}"' in listed
    ] == []


def test_functions_and_modules_do_not_share_a_name() -> None:
    """Importing a submodule would put it in the place of the function."""
    for name in turnout.__all__:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"turnout.{name}")
