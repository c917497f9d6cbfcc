"""TensorFlow's own session with a `ConfigProto`, for tests: a script, and the function to call it.

python tests/support/tensorflow_session.py < JOBS
"""

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a model's default signature, of one input `x` and one output `y`, both float32.

    Attributes:
        folder: the SavedModel.
        shape: of the input; its values rise evenly from -1 to 1.
        config: a `ConfigProto` in text form.
        tags: which graph to take.
    """

    folder: str
    shape: tuple[int, ...]
    config: str = ""
    tags: tuple[str, ...] = ("serve",)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What TensorFlow answered.

    Attributes:
        y: the output.
        operators: how many operators of each type the second call ran, as the session's own trace says.
    """

    y: NDArray[np.float32]
    operators: Mapping[str, int]


def rising(shape: Sequence[int]) -> NDArray[np.float32]:
    """Makes the input of a job."""
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def ask_tensorflow(python: str, jobs: Sequence[Job]) -> list[Outcome]:
    """Runs jobs in a process of TensorFlow's."""
    text = json.dumps([asdict(job) for job in jobs])
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([python, __file__], input=text, capture_output=True, text=True, check=True, env=environ)
    return [
        Outcome(np.frombuffer(base64.b64decode(y), np.float32).reshape(shape), operators)
        for y, shape, operators in json.loads(done.stdout.splitlines()[-1])
    ]


def _run(tf: Any, job: Mapping[str, Any]) -> tuple[str, list[int], dict[str, int]]:
    from google.protobuf import text_format

    config = text_format.Parse(job["config"], tf.compat.v1.ConfigProto())
    with tf.compat.v1.Session(graph=tf.Graph(), config=config) as session:
        meta = tf.compat.v1.saved_model.load(session, job["tags"], job["folder"])
        signature = meta.signature_def["serving_default"]
        fetch, feed = signature.outputs["y"].name, {signature.inputs["x"].name: rising(job["shape"])}
        session.run(fetch, feed)
        metadata = tf.compat.v1.RunMetadata()
        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.SOFTWARE_TRACE)
        y = session.run(fetch, feed, options=options, run_metadata=metadata)
    nodes = [node for device in metadata.step_stats.dev_stats for node in device.node_stats]
    kinds = Counter(node.timeline_label.partition(" = ")[2].partition("(")[0] for node in nodes)
    return base64.b64encode(y.tobytes()).decode(), list(y.shape), dict(kinds)


def _main() -> None:
    import tensorflow

    print(json.dumps([_run(tensorflow, job) for job in json.load(sys.stdin)]))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    _main()
