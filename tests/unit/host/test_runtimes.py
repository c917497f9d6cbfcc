import sys
from pathlib import Path
from types import ModuleType

import pytest

from turnout.errors import RuntimeMissingError
from turnout.host.runtimes import RUNTIMES, find_installed, find_library


def test_finds_the_library_of_the_installed_package_without_importing_it() -> None:
    was_imported = "onnxruntime" in sys.modules
    library = find_library("onnx")
    assert library.name.startswith("libonnxruntime.so")
    assert library.is_file()
    assert ("onnxruntime" in sys.modules) == was_imported


def test_a_runtime_that_is_missing_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(RuntimeMissingError, match="engine `onnx` is not installed: `onnxruntime`") as caught:
        find_library("onnx")
    assert caught.value.hint == "pip install 'turnout[onnx]'"


def test_a_package_without_its_library_counts_as_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime/__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    assert find_installed(RUNTIMES[0]) is None


def test_a_module_of_the_same_name_in_memory_hides_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    assert find_installed(RUNTIMES[0]) is not None


def test_an_engine_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RuntimeMissingError, match="expected one of `onnx`, `savedmodel`, `tflite`, got `caffe`"):
        find_library("caffe")
