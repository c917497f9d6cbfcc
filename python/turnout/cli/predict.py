"""`turnout predict`."""

import contextlib
import json
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from turnout.cli.output import JsonFlag, print_line
from turnout.errors import InvalidInputError

if TYPE_CHECKING:  # these bring numpy, which help and completion can do without
    from turnout.client.blocking import Client
    from turnout.data.inputs import Inputs
    from turnout.data.prediction import Prediction
    from turnout.data.samples import Sample
    from turnout.serving.inprocess import Model
    from turnout.types import Signature

DEFAULT_URL = "http://127.0.0.1:8501"

ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="TURNOUT_URL", help=f"A server: http://HOST:PORT or grpc://HOST:PORT. [default: {DEFAULT_URL}]"
    ),
]


class Predictor(Protocol):
    """Whatever answers: a model on a server, or one in this process."""

    def signature(self) -> "Signature":
        """Returns the signature that is asked for."""
        ...

    def predict(self, inputs: "Inputs") -> "Prediction":
        """Predicts."""
        ...


def predict(
    model: Annotated[str, typer.Argument(help="A model's name on a server; or a path, which is loaded here.")],
    source: Annotated[
        Path, typer.Option("--input", "-i", help="Rows: .jsonl, .json, .csv, .npy, .npz or .parquet; - reads input.")
    ],
    url: ServerUrl = None,
    form: Annotated[str | None, typer.Option("--format", help="How to read the rows. [default: by suffix]")] = None,
    signature: Annotated[str | None, typer.Option(help="Which signature. [default: the model's first]")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Which version. [default: the one being served]")] = None,
    batch_rows: Annotated[int, typer.Option(min=1, help="Rows in one request at most.")] = 1024,
    timeout_ms: Annotated[int, typer.Option(min=1, help="Milliseconds for one request.")] = 30_000,
    as_json: JsonFlag = False,
) -> None:
    """Ask a model about the rows of a file.

    It prints one JSON object a line for each row; with --json, one that says which model and version answered, with the
    row as its `prediction`. Without --url, a MODEL that exists as a file or folder is loaded into this process; any
    other is asked for at the default address.
    """
    from turnout.data.rows import answer_rows, arrange_rows, split_rows

    sample = _read(source, form)
    with _open(Question(model, signature, version, timeout_ms), url) as predictor:
        for piece in split_rows(arrange_rows(sample, predictor.signature()), batch_rows):
            prediction = predictor.predict(piece)
            for row in answer_rows(prediction):
                record = {"model": model, "version": prediction.version, "prediction": row} if as_json else row
                print_line(json.dumps(record, ensure_ascii=False))


def _read(source: Path, form: str | None) -> "Sample":
    from turnout.data.samples import parse_sample, read_sample

    if str(source) == "-":
        return parse_sample(sys.stdin.buffer, form or "jsonl")
    if not source.is_file():
        raise InvalidInputError(f"no such file: `{source}`")
    return read_sample(source, form)


@dataclass(frozen=True, slots=True)
class Question:
    """Which model is asked, and how."""

    model: str
    signature: str | None
    version: int | None
    timeout_ms: int


@contextlib.contextmanager
def _open(question: Question, url: str | None) -> Generator[Predictor]:
    if url is None and Path(question.model).exists():
        from turnout.serving.inprocess import load

        with load(question.model, version=question.version) as model:
            yield _Here(model, question)
        return
    from turnout.client.blocking import Client

    with Client(url or DEFAULT_URL, timeout_ms=question.timeout_ms) as client:
        yield _OnServer(client, question)


class _Here:
    def __init__(self, model: "Model", question: Question) -> None:
        self._model = model
        self._question = question

    def signature(self) -> "Signature":
        return self._model.signature(self._question.signature)

    def predict(self, inputs: "Inputs") -> "Prediction":
        return self._model.predict(inputs, signature=self._question.signature, timeout_ms=self._question.timeout_ms)


class _OnServer:
    def __init__(self, client: "Client", question: Question) -> None:
        self._client = client
        self._question = question

    def signature(self) -> "Signature":
        metadata = self._client.metadata(self._question.model, version=self._question.version)
        return metadata.signature(self._question.signature)

    def predict(self, inputs: "Inputs") -> "Prediction":
        question = self._question
        return self._client.predict(question.model, inputs, version=question.version, signature=question.signature)
