"""ONNX: files that the engine executes as they are."""

from pathlib import Path

from turnout.errors import ArtifactInvalidError
from turnout.flavors.base import Detection, modules_of
from turnout.flavors.onnx_wire import read_summary


class OnnxFlavor:
    """Models in the ONNX format; tensors may lie in files beside the model."""

    name = "onnx"
    engine = "onnx"
    extra = "onnx"

    def detect(self, path: Path) -> Detection | None:
        """Recognises the suffix, and without it the content."""
        if not path.is_file():
            return None
        if path.suffix.lower() != ".onnx" and not _is_model(path):
            return None
        return Detection(self.name, "ONNX")

    def owns(self, model: object) -> bool:
        """Recognises the library's own messages."""
        return modules_of(model)[0] == "onnx" and type(model).__name__ == "ModelProto"


def _is_model(path: Path) -> bool:
    try:
        return read_summary(path).has_graph
    except ArtifactInvalidError:
        return False
