"""A fitted object becomes ONNX, with the engine that will serve it as the judge of its answers."""

from turnout.convert.conversion import Runner, convert
from turnout.convert.sampling import generate
from turnout.convert.subjects import subject_of
from turnout.convert.tables import table_of
from turnout.data.samples import Sample
from turnout.errors import ParityError
from turnout.pushing.candidate import Candidate

GENERATED = "generated"

_OWN_ROWS = "The rows were generated; `--sample`, or `sample=`, compares the answers to rows of your own."
_OWN_EXPORT = "Export the model to ONNX by other means, and push that file."


def convert_object(
    model: object, sample: Sample | None, sample_name: str, signature: str | None, run: Runner
) -> tuple[bytes, Candidate]:
    """Converts a fitted object of scikit-learn, XGBoost or LightGBM, and compares the answers row by row.

    Args:
        model: the fitted object.
        sample: rows to compare with, in the framework's own element types; None draws them from the model itself.
        sample_name: what the manifest calls the sample.
        signature: the method that becomes the default signature; None for what `predict` returns.
        run: executes the converted model.

    Returns:
        The ONNX file, and what is known about it.

    Raises:
        FlavorUnknownError: the object is of no known framework.
        UnsupportedError: it cannot be converted.
        ParityError: the converted model answers differently.
        InvalidInputError: the sample does not fit the model, or it has no such method.
    """
    subject = subject_of(model)
    notes: tuple[str, ...] = ()
    if sample is None:
        table, sample_name = generate(subject.layout, subject.draws), GENERATED
    else:
        table, unused = table_of(sample, subject.layout)
        if unused:
            notes = (f"columns of the sample that the model does not use: {', '.join(f'`{name}`' for name in unused)}",)
    try:
        converted = convert(subject, table, run, signature)
    except ParityError as error:
        error.hint = error.hint or (_OWN_ROWS if sample is None else _OWN_EXPORT)
        raise
    return converted.model, Candidate.of(subject, converted, sample_name, notes)
