"""Whole graphs put together and cut down: one after the other, side by side with equal parts shared, outputs chosen."""

from collections.abc import Iterator, Sequence
from typing import Any

from turnout.convert.graph import GraphBuilder, onnx_library, rename_inputs, replace_items


def chain(first: Any, second: Any) -> Any:
    """Returns a model that hands the one output of the first to the one input of the second."""
    following = onnx_library().compose.add_prefix(second, "then/").graph
    graph = first.graph
    rename_inputs(following, {following.input[0].name: graph.output[0].name})
    graph.node.extend(following.node)
    graph.initializer.extend(following.initializer)
    replace_items(graph.output, following.output)
    return first


def beside(columns: Sequence[str], model: Any) -> Any:
    """Returns a model that answers some of its inputs, and its one output, side by side in one matrix."""
    builder = GraphBuilder("turnout/beside")
    joined = builder.add("Concat", *columns, model.graph.output[0].name, axis=1)
    model.graph.node.extend(builder.nodes)
    return select(model, [joined])


def union(first: Any, second: Any) -> tuple[Any, dict[str, str]]:
    """Adds to a model what another one, of the same inputs, computes besides; equal nodes are shared.

    Returns:
        The model, and the new name of each tensor of the second one.
    """
    graph = first.graph
    names = {value.name: value.name for value in graph.input}
    known = {_content(constant): constant.name for constant in graph.initializer}
    for constant in second.graph.initializer:
        content = _content(constant)
        if content not in known:
            known[content] = f"second/{constant.name}"
            graph.initializer.add().CopyFrom(constant)
            graph.initializer[-1].name = known[content]
        names[constant.name] = known[content]
    nodes = {_meaning(node): node for node in graph.node}
    for node in second.graph.node:
        _add_node(graph, node, names, nodes)
    return first, names


def _add_node(graph: Any, node: Any, names: dict[str, str], nodes: dict[bytes, Any]) -> None:
    copied = type(node)()
    copied.CopyFrom(node)
    replace_items(copied.input, [names.get(name, name) for name in node.input])
    same = nodes.get(_meaning(copied))
    if same is not None:
        names.update(zip(node.output, same.output, strict=True))
        return
    names.update({name: f"second/{name}" for name in node.output if name})
    replace_items(copied.output, [names.get(name, name) for name in node.output])
    copied.name = f"second/{node.name}"
    graph.node.append(copied)
    nodes[_meaning(copied)] = copied


def _content(constant: Any) -> bytes:
    """Returns the bytes that equal constants share, whatever their names."""
    nameless = type(constant)()
    nameless.CopyFrom(constant)
    nameless.name = ""
    return nameless.SerializeToString(deterministic=True)


def _meaning(node: Any) -> bytes:
    """Returns the bytes that nodes share which compute the same of the same inputs."""
    nameless = type(node)()
    nameless.CopyFrom(node)
    nameless.name = ""
    replace_items(nameless.output, ["" for _ in node.output])
    return nameless.SerializeToString(deterministic=True)


def select(model: Any, names: Sequence[str]) -> Any:
    """Returns the model with these tensors as its outputs, in this order, and only the nodes that they need."""
    graph = model.graph
    declared = {value.name: value for value in [*graph.output, *graph.value_info]}
    unknown = onnx_library().helper.make_empty_tensor_value_info
    replace_items(graph.output, [declared.get(name) or unknown(name) for name in names])
    needed: set[str] = set(names)
    kept: list[Any] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(_reads(node))
            kept.append(node)
    replace_items(graph.node, reversed(kept))
    replace_items(graph.initializer, [constant for constant in graph.initializer if constant.name in needed])
    return model


def _reads(node: Any) -> Iterator[str]:
    """Yields the tensors that a node reads, those of its inner graphs among them."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                yield from _reads(inner)
