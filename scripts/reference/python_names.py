"""The page of the Python interface, from the docstrings and signatures of the public names."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import turnout
from scripts.reference.markdown import code, page, table

INTRODUCTION = """\
`import turnout` brings these names, and each is loaded when it is first used. What is asked over the network is
described under [REST](../concepts/rest.md) and [gRPC](../concepts/grpc.md); every error has a class of its own, listed
under [error codes](errors.md)."""

LINE_WIDTH = 100

ORDER = ("load", "push", "PushResult", "Model", "Prediction", "Server", "Client", "AsyncClient", "TurnoutError")
"""As a reader meets them; a test compares them with the public names."""

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|Example):$", re.MULTILINE)
_ITEM = re.compile(r"^ {4}(\w+): ", re.MULTILINE)


def python_page() -> str:
    """Every public name with its signature, parameters and methods."""
    return page("Python interface", INTRODUCTION, *(_name(name, getattr(turnout, name)) for name in ORDER))


def _name(name: str, thing: Any) -> str:
    parts = [f"## `turnout.{name}`", *_described(f"turnout.{name}", thing)]
    if inspect.isclass(thing):
        parts += [text for member, value in _members(thing) for text in _member(member, value)]
    return "\n\n".join(parts)


def _members(thing: type) -> Iterator[tuple[str, Any]]:
    """Yields the public methods and properties that the class itself defines and explains."""
    for name, value in vars(thing).items():
        is_explained = inspect.isfunction(value) or isinstance(value, property)
        if is_explained and not name.startswith("_") and inspect.getdoc(value):
            yield name, value


def _member(name: str, value: Any) -> list[str]:
    if isinstance(value, property):
        return [f"### `{name}`", *_described(None, value)]
    word = "await " if inspect.iscoroutinefunction(value) else ""
    return [f"### `{name}`", *_described(f"{word}{name}", value)]


def _described(call: str | None, thing: Any) -> list[str]:
    """Returns the signature, if it is called by anybody, and what the docstring says."""
    doc = inspect.getdoc(thing) or ""
    is_made_elsewhere = inspect.isclass(thing) and "Args:" not in doc
    parts = [] if call is None or is_made_elsewhere else [f"```python\n{_call(call, thing)}\n```"]
    return [*parts, *_sections(doc)]


def _call(call: str, thing: Callable[..., Any]) -> str:
    written = _annotations(thing)
    signature = inspect.signature(thing)
    parameters = [
        each.replace(annotation=written.get(each.name, each.annotation))
        for each in signature.parameters.values()
        if each.name != "self"
    ]
    end = "" if inspect.isclass(thing) else _plain(f" -> {written['return']}")
    line = f"{call}{_plain(str(inspect.Signature(parameters)))}{end}"
    return line if len(line) <= LINE_WIDTH else _broken(call, parameters, end)


def _annotations(thing: Callable[..., Any]) -> dict[str, str]:
    """Returns the annotations as the source has them: aliases by their names."""
    function = vars(thing)["__init__"] if inspect.isclass(thing) else thing
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = [*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs]
    found = {each.arg: ast.unparse(each.annotation) for each in arguments if each.annotation}
    return {**found, "return": ast.unparse(tree.returns) if tree.returns else "None"}


def _plain(text: str) -> str:
    """Annotations are texts here, which are shown in quotes."""
    return text.replace("'", "").replace('"', "")


def _broken(call: str, parameters: list[inspect.Parameter], end: str) -> str:
    """One parameter a line."""
    lines: list[str] = []
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and "    *," not in lines:
            lines.append("    *,")
        lines.append(f"    {_plain(str(each))},")
    return "\n".join([f"{call}(", *lines, f"){end}"])


def _sections(doc: str) -> Iterator[str]:
    """Yields the prose of a docstring, and its lists of parameters, attributes and errors as tables."""
    first, *rest = _SECTION.split(doc)
    yield first.strip()
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        if title == "Returns" or title == "Yields":
            yield f"{title}: {inspect.cleandoc(body)}"
        elif title == "Example":
            yield f"```python\n{inspect.cleandoc(body)}\n```"
        else:
            yield table(_COLUMNS[title], [(code(name), text) for name, text in _items(body)])


_COLUMNS = {
    "Args": ("parameter", "meaning"),
    "Attributes": ("attribute", "meaning"),
    "Raises": ("raises", "when"),
}


def _items(body: str) -> Iterator[tuple[str, str]]:
    _, *rest = _ITEM.split(body)
    yield from zip(rest[::2], rest[1::2], strict=True)
