"""What runs in the child process of a push: whatever may crash, and whatever may be code. `python -m` runs it.

It is given one JSON file with the request, and answers with one: `{"result": …}` or `{"error": …}`.
"""

import faulthandler
import json
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from turnout.convert.subjects import load_file
from turnout.data.samples import read_sample
from turnout.errors import TurnoutError
from turnout.flavors.registry import detect
from turnout.flavors.resolve import ENTRY_NAME
from turnout.pushing.conversion import convert_object
from turnout.pushing.execution import load_arrays, run_file, run_here, save_arrays
from turnout.pushing.isolation import error_record
from turnout.pushing.trial import try_out
from turnout.types import Signature

_GRACE_S = 10
"""Seconds after its time in which a child that nobody waits for any more ends itself."""


def main(request_path: Path, answer_path: Path) -> None:
    """Does what the request says and writes the answer."""
    faulthandler.enable()
    request: dict[str, Any] = json.loads(request_path.read_text(encoding="utf-8"))
    signal.setitimer(signal.ITIMER_REAL, request.pop("timeout_s") + _GRACE_S)
    try:
        answer: dict[str, Any] = {"result": _TASKS[request.pop("task")](**request)}
    except TurnoutError as error:
        answer = {"error": error_record(error)}
    answer_path.write_text(json.dumps(answer), encoding="utf-8")


def _convert(path: str, sample: str | None, sample_name: str, signature: str | None, folder: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")  # the frameworks': nobody reads them here
    model = load_file(Path(path), detect(Path(path)))
    rows = None if sample is None else read_sample(Path(sample))
    converted, candidate = convert_object(model, rows, sample_name, signature, run_here)
    Path(folder, ENTRY_NAME).write_bytes(converted)
    return candidate.to_json()


def _run(path: str, inputs: list[str]) -> dict[str, Any]:
    folder = Path(path).parent
    outputs = run_file(Path(path), load_arrays(folder, "inputs", inputs))
    save_arrays(folder, "outputs", outputs)
    return {"outputs": list(outputs)}


def _try_out(path: str, signatures: list[dict[str, Any]], sample: str | None) -> dict[str, Any]:
    rows = None if sample is None else read_sample(Path(sample))
    return try_out(Path(path), tuple(Signature.from_json(record) for record in signatures), rows).to_json()


_TASKS = {"convert": _convert, "run": _run, "try_out": _try_out}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
