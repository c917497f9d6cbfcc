"""The doors of a server, behind one method."""

from pathlib import Path
from typing import Protocol

import turnout
from turnout.data.inputs import Inputs


class Door(Protocol):
    """A way to ask a model for a prediction."""

    def predict(self, model: str, inputs: Inputs, *, signature: str | None = None) -> turnout.Prediction:
        """Returns the outputs, or raises the class of the error's code."""
        ...


class InProcess:
    """`turnout.load`, one object a model."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._models: dict[str, turnout.Model] = {}

    def predict(self, model: str, inputs: Inputs, *, signature: str | None = None) -> turnout.Prediction:
        """Loads the model at its first use."""
        if model not in self._models:
            self._models[model] = turnout.load(self._repository / model)
        return self._models[model].predict(inputs, signature=signature)
