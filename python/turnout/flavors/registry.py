"""All flavors, and which of them a file or an object is of."""

from pathlib import Path

from turnout.errors import FlavorUnknownError
from turnout.flavors.base import Detection, Flavor
from turnout.flavors.lightgbm import LightgbmFlavor
from turnout.flavors.onnx import OnnxFlavor
from turnout.flavors.savedmodel import ENTRY_NAMES, SavedModelFlavor
from turnout.flavors.sklearn import SklearnFlavor
from turnout.flavors.tflite import SUFFIX, TfliteFlavor
from turnout.flavors.xgboost import XgboostFlavor

FLAVORS: tuple[Flavor, ...] = (
    SavedModelFlavor(),
    XgboostFlavor(),
    LightgbmFlavor(),
    SklearnFlavor(),
    TfliteFlavor(),
    OnnxFlavor(),
)
"""In the order in which they are asked: the wrappers of XGBoost and LightGBM are scikit-learn estimators, too, and only
the last two flavors believe a suffix."""

_ACCEPTED = (
    "Accepted are ONNX and TensorFlow Lite files, SavedModels, XGBoost's JSON and UBJSON, LightGBM's text, and pickles"
    " (with trust)."
)


def detect(path: Path) -> Detection:
    """Returns what a file, or a folder that is one model, is; judged by its content before its name.

    Raises:
        FlavorUnknownError: there is no such file, or no flavor recognises it.
    """
    if not path.exists():
        raise FlavorUnknownError(f"no such file: `{path}`")
    found = next((detection for flavor in FLAVORS if (detection := flavor.detect(path))), None)
    if found is None and path.is_dir():
        raise FlavorUnknownError(f"a folder is not a model file: `{path}`", hint=_folder_hint(path))
    if found is None:
        hint = f"Give the folder: `{path.parent}`." if path.name in ENTRY_NAMES else _ACCEPTED
        raise FlavorUnknownError(f"no flavor recognises the file: `{path}`", hint=hint)
    return found


def flavor_of(model: object) -> Flavor:
    """Returns the flavor of a fitted object; imports no framework.

    Raises:
        FlavorUnknownError: no flavor recognises its class.
    """
    found = next((flavor for flavor in FLAVORS if flavor.owns(model)), None)
    if found is None:
        name = f"{type(model).__module__}.{type(model).__qualname__}"
        raise FlavorUnknownError(
            f"no flavor recognises an object of this class: `{name}`",
            hint="Accepted are fitted models of scikit-learn, XGBoost and LightGBM, and ONNX models.",
        )
    return found


def _folder_hint(path: Path) -> str:
    models = sorted([*path.glob("*.onnx"), *path.glob(f"*{SUFFIX}")])
    return f"Give the file: `{models[0]}`." if models else _ACCEPTED
