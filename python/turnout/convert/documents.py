"""Models of text: those with a vectorizer anywhere inside, which takes documents, not columns."""

from collections.abc import Iterator
from typing import Any

from turnout.errors import UnsupportedError
from turnout.host.extras import require


def refuse_documents(model: Any) -> None:
    """Refuses a model that has a vectorizer of text in any of its steps.

    Raises:
        UnsupportedError: it has one; the message names the step.
    """
    found = next(_vectorizers(model), None)
    if found is None:
        return
    step, name = found
    where = f"the step `{step}` is a `{name}`" if step else f"got a `{name}`"
    raise UnsupportedError(
        f"models of text cannot be converted yet: {where}",
        hint="Fit the vectorizer apart, push the rest fitted on its features, and send those;"
        " or export the whole to ONNX yourself and push that file.",
    )


def _vectorizers(model: Any) -> Iterator[tuple[str, str]]:
    """Yields the step and the class of each vectorizer; scikit-learn lists the parts of parts among the parameters."""
    text = require("sklearn.feature_extraction.text", "sklearn")
    parts: dict[str, Any] = {"": model}
    if hasattr(model, "get_params"):
        parts |= model.get_params(deep=True)
    for path, part in parts.items():
        if isinstance(part, (text.CountVectorizer, text.HashingVectorizer)):
            yield path.replace("__", "."), type(part).__name__
