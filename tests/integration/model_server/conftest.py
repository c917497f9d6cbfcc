"""SavedModels made by TensorFlow, in the layout of TensorFlow Serving."""

import shutil
from pathlib import Path

import pytest

from tests.support.savedmodel import make_models, require_tensorflow


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, each with version 1."""
    require_tensorflow()
    folder = tmp_path_factory.mktemp("made")
    make_models(folder, "half_plus_two", "slow")
    return folder / "models"


@pytest.fixture
def base(made: Path, tmp_path: Path) -> Path:
    """A copy of `half_plus_two` that a test may change."""
    shutil.copytree(made / "half_plus_two", tmp_path / "base")
    return tmp_path / "base"


def add_version(base: Path, version: int) -> None:
    """Puts the same model there as another version, as publishers do: renamed into place."""
    staged = base.parent / f"staged-{base.name}-{version}"
    shutil.copytree(base / "1", staged)
    staged.rename(base / str(version))
