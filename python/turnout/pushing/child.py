"""What runs in the child process of a push: whatever may crash, and whatever may be code. `python -m` runs it.

It is given one JSON file with the request, and answers with one: `{"result": …}` or `{"error": …}`.
"""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

from turnout.convert import lightgbm, xgboost
from turnout.errors import ArtifactInvalidError, TurnoutError
from turnout.extras import require
from turnout.flavors.resolve import ENTRY_NAME
from turnout.pushing.conversion import convert_object
from turnout.pushing.trial import try_out
from turnout.samples import read_sample
from turnout.types import Signature


def main(request_path: Path, answer_path: Path) -> None:
    """Does what the request says and writes the answer."""
    request: dict[str, Any] = json.loads(request_path.read_text(encoding="utf-8"))
    try:
        answer: dict[str, Any] = {"result": _TASKS[request.pop("task")](**request)}
    except TurnoutError as error:
        answer = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    answer_path.write_text(json.dumps(answer), encoding="utf-8")


def _convert(path: str, flavor: str, sample: str | None, signature: str | None, folder: str) -> dict[str, Any]:
    model = _READERS[flavor](path)
    rows = None if sample is None else read_sample(Path(sample))
    converted, candidate = convert_object(model, rows, Path(sample or "").name, signature)
    Path(folder, ENTRY_NAME).write_bytes(converted)
    return candidate.to_json()


def _try_out(path: str, signatures: list[dict[str, Any]]) -> dict[str, Any]:
    return try_out(Path(path), tuple(Signature.from_json(record) for record in signatures)).to_json()


def _unpickle(path: str) -> Any:
    """Runs the code in the file, which somebody has granted."""
    try:
        return require("joblib", "sklearn").load(path)
    except (pickle.UnpicklingError, EOFError, ImportError, AttributeError, ValueError, IndexError, KeyError) as error:
        message = f"the pickle cannot be read ({type(error).__name__}: {error}): `{path}`"
        raise ArtifactInvalidError(
            message, hint="It needs the libraries, and their versions, that wrote it."
        ) from error


_READERS = {"sklearn": _unpickle, "xgboost": xgboost.load, "lightgbm": lightgbm.load}
_TASKS = {"convert": _convert, "try_out": _try_out}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
