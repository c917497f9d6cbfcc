"""Examples for the tests of Classify and Regress, by protobuf's own writing, and TensorFlow's answers to them."""

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.savedmodel import PYTHON, SCRIPTS
from tests.support.serving_stubs import serving_stubs

SCRIPT = SCRIPTS / "make_examples.py"
STUBS = serving_stubs()

WEIGHTS = ((1.0, -1.0, 0.5), (0.25, 2.0, -1.0))
BIASES = (0.1, 0.0, -0.2)
"""What the script's models compute with, too."""

Features = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """Examples for one signature.

    Attributes:
        model: the folder's name.
        signature: which one is called.
        method: `classify` or `regress`.
        examples: features by name, for each Example.
        context: features that belong to all Examples which lack them; None where there is none.
    """

    model: str
    signature: str
    method: str
    examples: Sequence[Features]
    context: Features | None = field(default=None)


def example(features: Features) -> Any:
    """Makes an `Example`; the kind of a feature is that of its first value."""
    message = STUBS.example_pb2.Example()
    for name, values in features.items():
        feature = message.features.feature[name]
        match values[0] if values else None:
            case None:
                pass
            case bytes():
                feature.bytes_list.value.extend(values)
            case float():
                feature.float_list.value.extend(values)
            case _:
                feature.int64_list.value.extend(values)
    return message


def merged(case: Case) -> list[bytes]:
    """The Examples with their context, merged by name and not by bytes."""
    shared = dict(case.context or {})
    return [example({**shared, **features}).SerializeToString() for features in case.examples]


def put_input(message: Any, case: Case) -> None:
    """Fills in the arm that the case wants."""
    if case.context is None:
        message.example_list.examples.extend(example(features) for features in case.examples)
        return
    target = message.example_list_with_context
    target.context.CopyFrom(example(case.context))
    target.examples.extend(example(features) for features in case.examples)


def request(case: Case) -> Any:
    """The message of the case's method."""
    kinds = {
        "classify": STUBS.classification_pb2.ClassificationRequest,
        "regress": STUBS.regression_pb2.RegressionRequest,
    }
    message = kinds[case.method]()
    message.model_spec.name = case.model
    message.model_spec.signature_name = case.signature
    put_input(message.input, case)
    return message


def body(case: Case) -> dict[str, Any]:
    """The document of the case's method."""
    document: dict[str, Any] = {"examples": [as_json(features) for features in case.examples]}
    if case.context is not None:
        document["context"] = as_json(case.context)
    if case.signature:
        document["signature_name"] = case.signature
    return document


def as_json(features: Features) -> dict[str, Any]:
    """Features as REST has them."""

    def one(value: Any) -> Any:
        return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    return {name: [one(value) for value in values] for name, values in features.items()}


def make_example_models(folder: Path, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Writes the models into a repository, each as version 1, and returns TensorFlow's answers to the cases."""
    made = folder / "made"
    made.mkdir()
    asked = [
        {
            "model": case.model,
            "signature": case.signature or "serving_default",
            "examples": [base64.b64encode(text).decode() for text in merged(case)],
        }
        for case in cases
    ]
    run = subprocess.run([PYTHON, SCRIPT, made], input=json.dumps(asked), capture_output=True, text=True, check=True)
    for model in made.iterdir():
        (folder / "models" / model.name).mkdir(parents=True)
        model.rename(folder / "models" / model.name / "1")
    return json.loads(run.stdout)
