"""Fitted models as sources: converted into a repository of their own, which lasts as long as whoever serves it."""

import tempfile
from pathlib import Path
from typing import Any

from turnout.pushing.push import push

DEFAULT_NAME = "model"
"""What a fitted model is called to which nobody gave a name."""


class TemporaryRepository:
    """A folder of models that holds one fitted model, converted, compared and tried out as `turnout.push` does.

    Args:
        model: a fitted object of scikit-learn, XGBoost or LightGBM, or an ONNX message.
        name: the model's name.
        sample: rows to compare the answers with; None draws them from the model itself.

    Attributes:
        model_folder: the model's folder.

    Raises:
        TurnoutError: whatever `turnout.push` raises; nothing is left behind.
    """

    def __init__(self, model: object, name: str, sample: Any = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="turnout-fitted-")
        try:
            push(model, name, repository=self._folder.name, sample=sample)
        except BaseException:
            self.close()
            raise
        self.model_folder = Path(self._folder.name, name)

    def close(self) -> None:
        """Removes the folder. Idempotent; it goes with this object too."""
        self._folder.cleanup()
