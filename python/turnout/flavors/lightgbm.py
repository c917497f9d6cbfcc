"""LightGBM: model files of text, boosters, and scikit-learn wrappers."""

from pathlib import Path

from turnout.flavors.base import Detection, modules_of, read_head

_HEAD_BYTES = 64
_MARK = b"tree\nversion=v"


class LightgbmFlavor:
    """Models of LightGBM."""

    name = "lightgbm"
    engine = "onnx"
    extra = "lightgbm"

    def detect(self, path: Path) -> Detection | None:
        """Recognises the text by its first lines."""
        head = read_head(path, _HEAD_BYTES).replace(b"\r\n", b"\n")
        return Detection(self.name, "LightGBM text") if head.startswith(_MARK) else None

    def owns(self, model: object) -> bool:
        """Recognises boosters and wrappers."""
        return "lightgbm" in modules_of(model)
