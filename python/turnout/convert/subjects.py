"""Fitted objects and model files of any framework as subjects of a conversion."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from turnout.convert import lightgbm, sklearn, xgboost
from turnout.convert.base import Subject
from turnout.errors import ArtifactInvalidError, TurnoutError, UnsupportedError
from turnout.flavors.base import Detection
from turnout.flavors.registry import flavor_of
from turnout.host.extras import require

_SUBJECTS: Mapping[str, Callable[[Any], Subject]] = {
    "lightgbm": lightgbm.subject,
    "sklearn": sklearn.subject,
    "xgboost": xgboost.subject,
}


def subject_of(model: Any) -> Subject:
    """Returns a fitted object as the subject of a conversion.

    Raises:
        FlavorUnknownError: no flavor recognises its class.
        RuntimeMissingError: a library of its extra is not installed.
        UnsupportedError: it is not fitted, or has something that cannot be converted.
    """
    while hasattr(model, "best_estimator_"):
        model = model.best_estimator_  # a search predicts with the best of what it has tried
    flavor = flavor_of(model)
    if flavor.name not in _SUBJECTS:
        raise UnsupportedError(f"not a model that is converted: `{type(model).__name__}`")
    require("onnx", flavor.extra)
    name = type(model).__name__
    try:
        return _SUBJECTS[flavor.name](model)
    except TurnoutError:
        raise
    # Frameworks say by exceptions of their own that a model isn't fitted, or fail on what an unfitted one lacks.
    except Exception as error:
        raise UnsupportedError(f"`{name}` cannot be read ({error})", hint="Is it fitted?") from error


def load_file(path: Path, found: Detection) -> Any:
    """Reads a model file as its framework does. Runs code from the file if the detection says so.

    Only to be called in a process that may die.

    Raises:
        ArtifactInvalidError: the framework cannot read the file.
        RuntimeMissingError: the framework is not installed.
    """
    if found.is_code:
        joblib = require("joblib", "sklearn")
        loaders: Mapping[str, Callable[[str], Any]] = {found.flavor: joblib.load}
    else:
        loaders = {"xgboost": xgboost.load, "lightgbm": lightgbm.load}
    try:
        return loaders[found.flavor](str(path))
    except TurnoutError:
        raise
    except ModuleNotFoundError as error:
        message = f"the pickle needs a module that is not installed: `{error.name}`"
        raise ArtifactInvalidError(message, hint="Install what the model was trained with.") from error
    # A pickle may raise anything; the frameworks' own readers raise their own classes.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ArtifactInvalidError(f"the {found.form} cannot be read ({type(error).__name__}: {reason})") from error
