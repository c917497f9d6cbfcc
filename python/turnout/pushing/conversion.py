"""A fitted object becomes ONNX, with the engine that will serve it as the judge of its answers."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from turnout.arrays import inputs_to_wire
from turnout.convert import lightgbm, sklearn, xgboost
from turnout.convert.base import Subject
from turnout.convert.conversion import convert
from turnout.convert.sampling import generate
from turnout.convert.tables import table_of
from turnout.flavors.registry import flavor_of
from turnout.flavors.resolve import ENTRY_NAME, resolve_artifact
from turnout.loaded import LoadedModel
from turnout.pushing.candidate import Candidate
from turnout.samples import Sample

_SUBJECTS = {"sklearn": sklearn.subject, "xgboost": xgboost.subject, "lightgbm": lightgbm.subject}
GENERATED = "generated"


def convert_object(
    model: object, sample: Sample | None, sample_name: str, signature: str | None
) -> tuple[bytes, Candidate]:
    """Converts a fitted object of scikit-learn, XGBoost or LightGBM, and compares the answers row by row.

    Args:
        model: the fitted object.
        sample: rows to compare with, in the framework's own element types; None draws them from the model itself.
        sample_name: what the manifest calls the sample.
        signature: the method that becomes the default signature; None for what `predict` returns.

    Returns:
        The ONNX file, and what is known about it.

    Raises:
        FlavorUnknownError: the object is of no known framework.
        UnsupportedError: it cannot be converted.
        ParityError: the converted model answers differently.
        InvalidInputError: the sample does not fit the model, or it has no such method.
    """
    subject: Subject = _SUBJECTS[flavor_of(model).name](model)
    notes: tuple[str, ...] = ()
    if sample is None:
        table, sample_name = generate(subject.layout, subject.draws), GENERATED
    else:
        table, unused = table_of(sample, subject.layout)
        if unused:
            notes = (f"columns of the sample that the model does not use: {', '.join(f'`{name}`' for name in unused)}",)
    converted = convert(subject, table, run_onnx, signature)
    return converted.model, Candidate.of(subject, converted, sample_name, notes)


def run_onnx(model: bytes, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Executes an ONNX file once, by the engine that serves it; every output of the graph by its own name."""
    with tempfile.TemporaryDirectory(prefix="turnout-") as folder:
        path = Path(folder) / ENTRY_NAME
        path.write_bytes(model)
        loaded = LoadedModel("candidate", 1, resolve_artifact(path, None))
        try:
            signature = loaded.signatures[0]
            return loaded.predict(signature.name, inputs_to_wire(dict(inputs), signature))
        finally:
            loaded.close()
