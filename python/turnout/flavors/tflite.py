"""TensorFlow Lite: files that the engine executes as they are."""

from pathlib import Path

from turnout.flavors.base import Detection, read_head

ENTRY_NAME = "model.tflite"
"""What a pushed model is called, and where a version without a manifest is looked for first."""

SUFFIX = ".tflite"

_IDENTIFIER = b"TFL3"
_IDENTIFIER_AT = 4


class TfliteFlavor:
    """Models in the format of TensorFlow Lite and LiteRT."""

    name = "tflite"
    engine = "tflite"
    extra = "tflite"

    def detect(self, path: Path) -> Detection | None:
        """Recognises the suffix, and without it the content."""
        if not path.is_file():
            return None
        if path.suffix.lower() != SUFFIX and read_head(path, 8)[_IDENTIFIER_AT:] != _IDENTIFIER:
            return None
        return Detection(self.name, "TensorFlow Lite")

    def owns(self, model: object) -> bool:
        """Owns no objects: an interpreter does not give back the file that it was made of."""
        return False
