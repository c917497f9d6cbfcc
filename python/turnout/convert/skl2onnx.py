"""skl2onnx: the options that make it answer as scikit-learn does, and the names that it has for the answers."""

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from turnout.convert.base import Head
from turnout.convert.graph import MATRIX, ML_DOMAIN, ML_OPSET, OPSET, GraphBuilder, rename_inputs, with_versions
from turnout.convert.sklearn_trees import mend_missing
from turnout.convert.surgery import select, union
from turnout.convert.tables import Layout
from turnout.errors import UnsupportedError
from turnout.host.extras import require

_UNKNOWN_OPTION = re.compile(r"Option '(\w+)' not in")
"""How skl2onnx says that an estimator does not know an option. Not all have `zipmap: False`, and then don't need it."""


def write_heads(model: Any, layout: Layout, heads: tuple[Head, ...]) -> Any:
    """Converts a model, with an output for each head.

    A classifier is converted for its probabilities, for its scores, or for both in one graph that shares what is equal.

    Raises:
        UnsupportedError: skl2onnx cannot convert the model, or not all of these methods.
    """
    methods = [head.method for head in heads]
    if not require("sklearn.base", "sklearn").is_classifier(model):
        graph = _convert(model, layout, {})
        outputs = _outputs_by_method(model, graph)
        return select(graph, [_found(outputs, method) for method in methods])
    plain, raw = {"zipmap": False}, {"zipmap": False, "raw_scores": True}
    has_scores = "decision_function" in methods
    if not has_scores or not hasattr(model, "predict_proba"):
        graph = _convert(model, layout, raw if has_scores else plain)
        names: dict[str, str] = dict(zip(["predict", "scores"], [v.name for v in graph.graph.output], strict=False))
        outputs = {**names, "decision_function" if has_scores else "predict_proba": names.get("scores", "")}
    else:
        graph, second = _convert(model, layout, plain), _convert(model, layout, raw)
        first: list[str] = [value.name for value in graph.graph.output]
        outputs: dict[str, str] = dict(zip(["predict", "predict_proba"], first, strict=True))
        graph, renamed = union(graph, second)
        outputs["decision_function"] = renamed[second.graph.output[1].name]
    graph = select(graph, [_found(outputs, method) for method in methods])
    return _with_flat_scores(graph, methods.index("decision_function")) if has_scores and _is_binary(model) else graph


def write_steps(pipeline: Any, layout: Layout) -> Any:
    """Converts the transformers of a pipeline, with one matrix as the output.

    Raises:
        UnsupportedError: skl2onnx cannot convert them.
    """
    return _convert(pipeline, layout, {})


def _is_binary(model: Any) -> bool:
    return len(model.classes_) == 2


def _outputs_by_method(model: Any, graph: Any) -> dict[str, str]:
    """Returns which output is which method: the first is `predict`, or `transform` of a transformer."""
    names = [value.name for value in graph.graph.output]
    if not hasattr(model, "predict"):
        return {"transform": names[0]}
    others = [method for method in ("predict_proba", "decision_function", "transform") if hasattr(model, method)]
    return dict(zip(["predict", *others[:1]], names, strict=False))


def _found(outputs: Mapping[str, str], method: str) -> str:
    if not outputs.get(method):
        raise UnsupportedError(f"skl2onnx does not convert this method of the model: `{method}`")
    return outputs[method]


def _with_flat_scores(graph: Any, index: int) -> Any:
    """Of two classes scikit-learn answers only the second one's score, skl2onnx both."""
    builder = GraphBuilder("turnout/scores")
    names = [value.name for value in graph.graph.output]
    second = builder.constant(np.array(1, dtype=np.int64))
    flat = builder.add("Gather", names[index], second, axis=1)
    graph.graph.node.extend(builder.nodes)
    graph.graph.initializer.extend(builder.constants)
    return select(graph, [*names[:index], flat, *names[index + 1 :]])


def _convert(model: Any, layout: Layout, options: Mapping[str, bool]) -> Any:
    """Runs skl2onnx.

    Raises:
        UnsupportedError: skl2onnx cannot convert the model, or not with these options.
    """
    skl2onnx = require("skl2onnx", "sklearn")
    final = model.steps[-1][1] if getattr(model, "steps", None) else model
    chosen, types = dict(options), _initial_types(model, layout)
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                graph = skl2onnx.to_onnx(
                    model,
                    initial_types=types,
                    options={id(final): dict(chosen)} if chosen else None,
                    target_opset={"": OPSET, ML_DOMAIN: ML_OPSET},
                )
            mend_missing(graph, model)
            return _with_own_names(with_versions(graph), [name for name, _ in types])
        # skl2onnx refuses by whatever exception its converters meet: RuntimeError, NameError, AttributeError, ...
        except Exception as error:
            unknown = _UNKNOWN_OPTION.match(str(error))
            if unknown is None or chosen.pop(unknown[1], True):
                reason = str(error).strip().partition("\n")[0]
                raise UnsupportedError(f"skl2onnx cannot convert `{type(final).__name__}`: {reason}") from error


def _with_own_names(model: Any, names: list[str]) -> Any:
    """Undoes what skl2onnx does to names that are no identifiers; it keeps the order of the inputs."""
    inputs = model.graph.input
    rename_inputs(model.graph, {value.name: name for value, name in zip(inputs, names, strict=True)})
    for value, name in zip(inputs, names, strict=True):
        value.name = name
    return model


def _initial_types(model: Any, layout: Layout) -> list[tuple[str, Any]]:
    types = require("skl2onnx.common.data_types", "sklearn")
    makers = {"float32": types.FloatTensorType, "string": types.StringTensorType}
    if not layout.named or not _chooses_columns(model):
        return [(MATRIX, types.FloatTensorType([None, layout.width]))]
    return [(column.name, makers[column.dtype]([None, 1])) for column in layout.columns]


def _chooses_columns(model: Any) -> bool:
    """Whether the model asks for columns by name, so that it cannot take a matrix of them."""
    steps = getattr(model, "steps", None)
    if steps:
        return _chooses_columns(steps[0][1])
    if hasattr(model, "transformer_list"):
        return any(_chooses_columns(part) for _, part in model.transformer_list)
    return hasattr(model, "transformers_")
