"""Makes `python/turnout/demo/iris.onnx`, the model that the wheel ships.

A logistic regression on Fisher's iris measurements, which come with scikit-learn. Input `x`: float32 `[batch, 4]`,
centimetres (sepal length, sepal width, petal length, petal width). Outputs: `label` int64 `[batch]` (0 setosa,
1 versicolor, 2 virginica) and `probabilities` float32 `[batch, 3]`.
"""

from pathlib import Path
from typing import Any, cast

import skl2onnx
from onnx import ModelProto
from onnx.helper import make_opsetid
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

TARGET = Path(__file__).parent.parent / "python/turnout/demo/iris.onnx"
OPSET = {"": 17, "ai.onnx.ml": 3}
"""Old enough for every ONNX Runtime that the `onnx` extra allows."""


def build() -> ModelProto:
    """Trains the classifier and converts it."""
    features, labels = cast("tuple[Any, Any]", load_iris(return_X_y=True))
    model: Any = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression(max_iter=1000))])
    model.fit(features, labels)
    convert = cast("Any", skl2onnx).to_onnx  # its annotations contradict its documentation
    inputs = [("x", FloatTensorType([None, 4]))]
    converted: ModelProto = convert(model, initial_types=inputs, target_opset=OPSET, options={"zipmap": False})
    _rename(converted, "output_label", "label")
    _rename(converted, "output_probability", "probabilities")
    del converted.opset_import[:]  # the converter lists one of them twice
    converted.opset_import.extend(make_opsetid(domain, version) for domain, version in OPSET.items())
    converted.graph.name = "iris"
    converted.doc_string = "Species of iris by logistic regression: 0 setosa, 1 versicolor, 2 virginica."
    return converted


def _rename(model: ModelProto, old: str, new: str) -> None:
    for output in model.graph.output:
        output.name = new if output.name == old else output.name
    for node in model.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
        node.input[:] = [new if name == old else name for name in node.input]


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(build().SerializeToString(deterministic=True))
    print(f"wrote {TARGET}: {TARGET.stat().st_size} bytes")
