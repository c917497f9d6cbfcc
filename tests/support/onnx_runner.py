"""ONNX Runtime's own Python interface, as the judge of graphs that have not been pushed."""

from collections.abc import Mapping
from typing import Any, cast

import onnxruntime as onnxruntime_module
from numpy.typing import NDArray

onnxruntime = cast("Any", onnxruntime_module)
ERRORS_ONLY = 3


def run_onnx(model: bytes, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Executes a model once; outputs by the graph's names."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    texts = {name: array.astype(object) if array.dtype.kind == "U" else array for name, array in inputs.items()}
    return dict(zip(names, session.run(names, texts), strict=True))
