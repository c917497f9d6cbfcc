"""Graphs that are built, joined and cut down here, run by ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from tests.support.onnx_runner import run_onnx
from turnout.convert.graph import (
    MATRIX,
    GraphBuilder,
    Output,
    finish,
    input_specs,
    matrix_input,
    onnx_library,
)
from turnout.convert.surgery import beside, chain, select, union
from turnout.convert.tables import Layout
from turnout.convert.trees import LEAF, Ensemble, Tree, add_ensemble
from turnout.errors import UnsupportedError

ROWS = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
INT = np.dtype(np.int64)


def doubled(times: float = 2.0) -> Any:
    """A model of one matrix, which it multiplies."""
    builder = GraphBuilder()
    factor = builder.constant(np.array(times, dtype=np.float32))
    return builder.model([matrix_input(2)], [builder.add("Mul", MATRIX, factor)])


def run(model: Any, **inputs: Any) -> list[Any]:
    return [answer.tolist() for answer in run_onnx(model.SerializeToString(), inputs).values()]


def output(name: str, *trailing: int, dtype: Any = np.float32) -> Output:
    return Output(name, np.dtype(dtype), trailing)


def test_a_matrix_is_called_x():
    model = finish(doubled(), Layout.matrix(2), [output("y", 2)])
    assert run(model, x=ROWS) == [[[2.0, 4.0], [6.0, 8.0]]]
    (spec,) = input_specs(Layout.matrix(2))
    assert (spec.name, spec.shape) == ("x", (None, 2))


def test_columns_are_joined():
    layout = Layout.by_name(["a", "turnout_matrix"])
    model = finish(doubled(), layout, [output("y", 2)])
    assert run(model, a=ROWS[:, 0], turnout_matrix=ROWS[:, 1]) == [[[2.0, 4.0], [6.0, 8.0]]]
    assert [(spec.name, spec.shape) for spec in input_specs(layout)] == [("a", (None,)), ("turnout_matrix", (None,))]


def test_columns_of_different_lengths_are_refused():
    model = finish(doubled(), Layout.by_name(["a", "b"]), [output("y", 2)])
    with pytest.raises(Exception, match="Concat"):
        run(model, a=ROWS[:1, 0], b=np.zeros(3, dtype=np.float32))


def declared(model: Any, element: int, rank: int) -> Any:
    onnx = onnx_library()
    name = model.graph.output[0].name
    shape = [None] * rank
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(name, element, shape))
    return model


def test_a_column_of_answers_becomes_a_list():
    model = declared(select_first(doubled()), 1, 2)
    assert run(finish(model, Layout.matrix(2), [output("y")]), x=ROWS) == [[2.0, 6.0]]


def select_first(model: Any) -> Any:
    builder = GraphBuilder("first")
    name = builder.add("Gather", model.graph.output[0].name, builder.constant(np.array([0])), axis=1)
    model.graph.node.extend(builder.nodes)
    model.graph.initializer.extend(builder.constants)
    return select(model, [name])


def test_answers_get_the_framework_s_type():
    model = declared(doubled(), 1, 2)
    finished = finish(model, Layout.matrix(2), [output("y", 2, dtype=np.int8)])
    assert run_onnx(finished.SerializeToString(), {"x": ROWS})["y"].dtype == np.int8
    with pytest.raises(UnsupportedError, match="another element type"):
        finish(declared(doubled(), 1, 2), Layout.matrix(2), [output("y", 2, dtype=object)])


def test_an_input_can_be_an_answer():
    builder = GraphBuilder()
    model = builder.model([matrix_input(2)], [MATRIX])
    assert run(finish(model, Layout.matrix(2), [output("y", 2)]), x=ROWS) == [ROWS.tolist()]


def test_models_follow_each_other():
    model = finish(chain(doubled(), doubled(3.0)), Layout.matrix(2), [output("y", 2)])
    assert run(model, x=ROWS) == [(6 * ROWS).tolist()]


def test_columns_stand_beside_what_is_made_of_them():
    model = finish(beside([MATRIX], doubled()), Layout.matrix(2), [output("y", 4)])
    assert run(model, x=ROWS) == [[[1.0, 2.0, 2.0, 4.0], [3.0, 4.0, 6.0, 8.0]]]


def test_equal_parts_are_shared():
    first = chain(doubled(), doubled(3.0))
    second = chain(doubled(), doubled(5.0))
    joined, names = union(first, second)
    assert len(joined.graph.node) == 3
    outputs = [first.graph.output[0].name, names[second.graph.output[0].name]]
    model = finish(select(joined, outputs), Layout.matrix(2), [output("a", 2), output("b", 2)])
    assert run(model, x=ROWS) == [(6 * ROWS).tolist(), (10 * ROWS).tolist()]


def test_what_no_output_needs_is_cut_off():
    joined, _ = union(chain(doubled(), doubled(3.0)), doubled(7.0))
    kept = select(joined, [joined.graph.output[0].name])
    assert len(kept.graph.node) == 2
    assert len(kept.graph.initializer) == 2


NAN = float("nan")


@pytest.mark.parametrize(
    ("tree", "comparison", "values", "expected"),
    [
        pytest.param({"threshold": 2.0}, "<=", [1.0, 2.0, 3.0, NAN], [-1, -1, 1, 1], id="up to the threshold"),
        pytest.param({"threshold": 2.0}, "<", [1.0, 2.0, 3.0, NAN], [-1, 1, 1, 1], id="below the threshold"),
        pytest.param({"threshold": 2.0, "missing_left": True}, "<", [3.0, NAN], [1, -1], id="missing goes left"),
        pytest.param({"categories": (1.0, 4.0, 6.0)}, "<", [1, 2, 4, 6, 7, NAN], [-1, 1, -1, -1, 1, 1], id="a set"),
        pytest.param({"categories": (3.0,), "missing_left": True}, "<=", [3, 2, NAN], [-1, 1, -1], id="a set of one"),
        pytest.param({"threshold": np.inf}, "<=", [1e38, NAN], [-1, 1], id="only missing values go right"),
    ],
)
def test_trees_are_written(tree: dict[str, Any], comparison: Any, values: list[float], expected: list[float]):
    stump = Tree(
        feature=np.array([1, 0, 0]),
        threshold=np.array([tree.get("threshold", 0.0), 0.0, 0.0]),
        left=np.array([1, LEAF, LEAF]),
        right=np.array([2, LEAF, LEAF]),
        missing_left=np.array([tree.get("missing_left", False), False, False]),
        leaf=np.array([[0.0], [-1.0], [1.0]]),
        categories={0: tree["categories"]} if "categories" in tree else {},
    )
    builder = GraphBuilder()
    sums = add_ensemble(builder, Ensemble((stump,), 1, np.zeros(1), comparison), MATRIX)
    model = finish(builder.model([matrix_input(2)], [sums]), Layout.matrix(2), [output("y", 1)])
    rows = np.stack([np.zeros(len(values)), np.array(values)], axis=1).astype(np.float32)
    assert [row[0] for row in run(model, x=rows)[0]] == expected


def test_sums_start_from_a_base_and_are_averaged():
    leaf = Tree(
        feature=np.zeros(1, dtype=np.int64),
        threshold=np.zeros(1),
        left=np.array([LEAF]),
        right=np.array([LEAF]),
        missing_left=np.zeros(1, dtype=np.bool_),
        leaf=np.array([[2.0, 4.0]]),
    )
    builder = GraphBuilder()
    ensemble = Ensemble((leaf, leaf), 2, np.array([10.0, 20.0]), "<=", average=4.0)
    model = builder.model([matrix_input(2)], [add_ensemble(builder, ensemble, MATRIX)])
    assert run(finish(model, Layout.matrix(2), [output("y", 2)]), x=ROWS) == [[[11.0, 22.0]] * 2]
