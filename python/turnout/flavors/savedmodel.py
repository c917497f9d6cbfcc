"""TensorFlow's SavedModels: folders that the engine executes as they are."""

from pathlib import Path

from turnout.flavors.base import Detection

ENTRY_NAMES = ("saved_model.pb", "saved_model.pbtxt")
"""The file that makes a folder a SavedModel, in the order in which TensorFlow looks for it."""


class SavedModelFlavor:
    """Models of TensorFlow and Keras, saved for serving."""

    name = "savedmodel"
    engine = "savedmodel"
    extra = "tensorflow"

    def detect(self, path: Path) -> Detection | None:
        """Recognises a folder by the file that every SavedModel has."""
        return Detection(self.name, "a TensorFlow SavedModel") if find_entry(path) else None

    def owns(self, model: object) -> bool:
        """Owns no objects: a model is saved by its own framework first."""
        return False


def find_entry(folder: Path) -> str | None:
    """Returns the name of the file that makes a folder a SavedModel, or None if it is none."""
    return next((name for name in ENTRY_NAMES if (folder / name).is_file()), None)
