"""XGBoost: model files in JSON and UBJSON, boosters, and scikit-learn wrappers."""

from pathlib import Path

from turnout.flavors.base import Detection, modules_of, read_head

_HEAD_BYTES = 4096
_JSON_MARK = b'"learner"'
_UBJSON_MARK = b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner"


class XgboostFlavor:
    """Models of XGBoost."""

    name = "xgboost"
    engine = "onnx"
    extra = "xgboost"

    def detect(self, path: Path) -> Detection | None:
        """Recognises both formats by what they begin with."""
        head = read_head(path, _HEAD_BYTES)
        if head.startswith(_UBJSON_MARK):
            return Detection(self.name, "XGBoost UBJSON")
        if head.lstrip().startswith(b"{") and _JSON_MARK in head:
            return Detection(self.name, "XGBoost JSON")
        return None

    def owns(self, model: object) -> bool:
        """Recognises boosters and wrappers."""
        return "xgboost" in modules_of(model)
