"""scikit-learn: fitted objects, and pickles of them, which are code."""

from pathlib import Path

from turnout.flavors.base import Detection, modules_of, read_head

_SUFFIXES = (".pkl", ".pickle", ".joblib")
_PICKLE_START = b"\x80"
_MAX_PROTOCOL = 5


class SklearnFlavor:
    """Estimators and pipelines of scikit-learn. A pickle counts as this flavor until it is known what it holds."""

    name = "sklearn"
    engine = "onnx"
    extra = "sklearn"

    def detect(self, path: Path) -> Detection | None:
        """Recognises pickles, by suffix or by their first bytes."""
        head = read_head(path, 2)
        is_pickle = len(head) == 2 and head[:1] == _PICKLE_START and 2 <= head[1] <= _MAX_PROTOCOL
        if not is_pickle and not (head and path.suffix.lower() in _SUFFIXES):
            return None
        return Detection(self.name, "pickle", is_code=True)

    def owns(self, model: object) -> bool:
        """Recognises estimators, also those of other packages that derive from scikit-learn's."""
        return "sklearn" in modules_of(model)
