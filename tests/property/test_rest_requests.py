"""Whole REST requests, good and bad, of every dtype: a real server against the slow reference in `tests.support`."""

import base64
import http.client
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import turnout
from tests.support.models import wait_settled
from tests.support.rest_reference import FLOATS, Input, RefusedError, Request, judge, nested
from tests.support.savedmodel import make_models, require_tensorflow

pytestmark = pytest.mark.timeout(600)

FIXTURES = Path(__file__).parents[2] / "crates" / "turnout-engine" / "tests" / "fixtures" / "onnx"
DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "bfloat16", "float32", "float64", "string",
)  # fmt: skip
GRAPHS = {dtype: {"x": Input(dtype)} for dtype in sorted((*DTYPES, "complex64", "complex128"))}
Signatures: TypeAlias = dict[str, dict[str, Input]]
Tokens: TypeAlias = Any
"""A JSON value to be written: a token as text, a list, or an object as a tuple of keys and values."""
Members: TypeAlias = tuple[tuple[str, Tokens], ...]


class Door:
    """One connection to a server."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def predict(self, model: str, body: bytes) -> tuple[int, str]:
        """Returns the status and the text of the answer; what is not UTF-8 in it is escaped."""
        self._connection.request("POST", f"/v1/models/{model}:predict", body)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode(errors="surrogateescape")


@pytest.fixture(scope="module", params=["compatible", "strict"])
def mode(request: pytest.FixtureRequest) -> str:
    """How strict the server is."""
    return request.param


def serve(repository: Path, folder: Path, mode: str) -> Iterator[Door]:
    """A connection to a server of one repository."""
    own = {"cache_dir": str(folder), "settle_ms": 0, "loops": 1, "rest_mode": mode}
    with turnout.Server(repository, settings=own) as server, closing(Door(wait_settled(server).rest_url)) as door:
        yield door


@pytest.fixture(scope="module")
def onnx_door(mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """ONNX models that return their input `x` of [?, 3]."""
    repository = tmp_path_factory.mktemp("repository")
    for dtype in DTYPES:
        (repository / dtype / "1").mkdir(parents=True)
        shutil.copy(FIXTURES / f"identity_{dtype}.onnx", repository / dtype / "1" / "model.onnx")
    yield from serve(repository, tmp_path_factory.mktemp("cache"), mode)


@pytest.fixture(scope="module")
def repository_of_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with one signature a dtype, and one with two inputs."""
    require_tensorflow()
    folder = tmp_path_factory.mktemp("graphs")
    make_models(folder, "identities", "half_plus_two")
    return folder / "models"


@pytest.fixture(scope="module")
def graph_door(mode: str, repository_of_graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """SavedModels that take any shape."""
    yield from serve(repository_of_graphs, tmp_path_factory.mktemp("cache"), mode)


numbers = st.one_of(
    st.integers(-3, 300).map(str),
    st.sampled_from([sign + str(2**bits + step) for bits in (7, 8, 15, 16, 24, 31, 32, 53, 63, 64)
                     for step in (-1, 0, 1) for sign in ("", "-")]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][-+]?[0-9]{1,2})?", fullmatch=True),
    st.sampled_from([
        "0", "-0", "-0.0", "1.0", "1e2", "1E+2", "65504.0", "65520", "1e39", "-1e39", "3.4028235677973366e38", "1e-46",
        "1.7976931348623157e308", "1.8e308", "9e308", "1e309", "-1e400", "5e-324", "1e-400",
        "NaN", "-NaN", "Inf", "-Inf", "Infinity", "-Infinity",
        "01", "+1", ".5", "1.", "1e", "-", "0x1", "nan", "Infi",
    ]),
)  # fmt: skip
"""Numbers of all kinds and sizes, and what only looks like one."""

texts = st.one_of(
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text(max_size=8).map(json.dumps),
    st.sampled_from([r'"\u0000"', r'"\ud83d\ude00"', r'"\ud800"', r'"\udc00x"']),
    st.sampled_from([r'"\/\b\f"', r'"\x"', '"\t"', '"', r'"\u12"']),
)  # fmt: skip

base64s = st.one_of(
    st.binary(max_size=6).map(lambda data: json.dumps(base64.b64encode(data).decode())),
    st.sampled_from(['"aGk"', '"aGl="', '"aG k ="', '"aGk=="', '"aGk."', '"a"', '"-_8="', '"aGk=x"', '""', '"="', "1"]),
)  # fmt: skip


others = st.sampled_from(["null", "true", "false", "1", '"x"', "nope", "[]", "{}", '{"a":1}', '{"b64":"aGk=","c":1}'])


def leaves(dtype: str) -> st.SearchStrategy[Tokens]:
    """Mostly what a dtype takes."""
    encoded = base64s.map(lambda token: (("b64", token),))
    if dtype == "string":
        return st.one_of(texts, texts, encoded)
    if dtype == "bool":
        return st.sampled_from(["true", "false"])
    if dtype in FLOATS:
        return numbers
    limits = np.iinfo(dtype)
    return st.one_of(st.integers(int(limits.min), int(limits.max)).map(str), numbers)


@st.composite
def tensors(draw: st.DrawFn, dtype: str, shape: list[int] | None = None) -> Tokens:
    """A nested list of some shape, at times with something in it that does not belong there."""
    dims = draw(st.lists(st.integers(0, 3), max_size=4)) if shape is None else shape
    leaf = leaves(dtype)

    def build(level: int) -> Tokens:
        if level == len(dims):
            return draw(leaf)
        return [build(level + 1) for _ in range(dims[level])]

    tree = build(0)
    if draw(st.integers(0, 4)) == 0:
        tree = spoil(draw, tree)
    return tree


def spoil(draw: st.DrawFn, tree: Tokens) -> Tokens:
    """Puts something else into one place of a tree."""
    parts = cast("list[Tokens]", tree) if isinstance(tree, list) else None
    if parts and draw(st.booleans()):
        place = draw(st.integers(0, len(parts) - 1))
        return [*parts[:place], spoil(draw, parts[place]), *parts[place + 1 :]]
    if parts is not None and draw(st.booleans()):
        return parts[:-1] if draw(st.booleans()) else [*parts, "1"]
    return draw(st.one_of(others, numbers, texts, st.just(["1"]), st.just([tree]), st.just([[tree]])))


@st.composite
def documents(draw: st.DrawFn, dtypes: dict[str, str], dims: tuple[int, ...], signature: str) -> bytes:
    """A request for inputs of these dtypes; `dims`: those behind the rows, where a model has them."""
    rows = draw(st.integers(0, 3))
    inner = [*dims] if dims else draw(st.lists(st.integers(0, 3), max_size=3))
    if draw(st.booleans()):
        if len(dtypes) == 1 and draw(st.booleans()):
            (dtype,) = dtypes.values()
            value: Tokens = draw(tensors(dtype, [rows, *inner]))
        else:
            value = [tuple((name, draw(tensors(dtype, inner))) for name, dtype in dtypes.items()) for _ in range(rows)]
        pairs: list[tuple[str, Tokens]] = [("instances", value)]
    else:
        fitting = {name: draw(tensors(dtype, [rows, *inner])) for name, dtype in dtypes.items()}
        plain = len(dtypes) == 1 and draw(st.booleans())
        pairs = [("inputs", next(iter(fitting.values())) if plain else tuple(fitting.items()))]
    odd = draw(st.integers(0, 12))
    if odd == 0:
        pairs.append(
            draw(st.sampled_from([("inputs", "1"), ("instances", ["1"]), ("signature_name", "1"), ("x", "[{}]")]))
        )
    if odd == 1 and isinstance(pairs[0][1], tuple):
        members = cast("Members", pairs[0][1])
        pairs[0] = (pairs[0][0], (*members, *draw(st.sampled_from([members, (("zz", "1"),)]))))
    pairs.insert(draw(st.integers(0, len(pairs))), ("signature_name", json.dumps(signature)))
    body = write(tuple(pairs), draw(st.sampled_from(["", " ", "\n\t "]))).encode(errors="surrogatepass")
    return damage(draw, body)


def write(tree: Tokens, space: str) -> str:
    """Writes a document, with white space between its tokens."""
    if isinstance(tree, list):
        return f"[{space}{f'{space},'.join(write(element, space) for element in cast('list[Tokens]', tree))}{space}]"
    if isinstance(tree, tuple):
        members = (f"{json.dumps(key)}{space}:{space}{write(value, space)}" for key, value in cast("Members", tree))
        return f"{{{f'{space},'.join(members)}}}"
    return tree


def damage(draw: st.DrawFn, body: bytes) -> bytes:
    """Cuts a body, changes a byte of it, or adds to it, at times."""
    kind = draw(st.integers(0, 15))
    place = draw(st.integers(0, len(body) - 1))
    if kind == 0:
        return body[:place]
    if kind == 1:
        return (
            body[:place]
            + draw(st.sampled_from([*(bytes([byte]) for byte in b'{}[]:,"\\ 01.e-tn\x00\xff'), b""]))
            + body[place + 1 :]
        )
    return body + draw(st.sampled_from([b"", b" \n", b"\x00", b"}", b" {}", b"nonsense"])) if kind == 2 else body


def compare(door: Door, model: str, body: bytes, signatures: Signatures, mode: str) -> None:
    """Asks the server and the reference; both must say the same."""
    note(repr(body))
    status, text = door.predict(model, body)
    want = judge(body, signatures, strict=mode == "strict")
    if isinstance(want, Request):
        assert status == 200, text
        check_answer(text, want, signatures[want.signature])
    else:
        check_refusal(status, text, want)


def check_refusal(status: int, text: str, want: RefusedError) -> None:
    """The request was refused, and as no JSON only where it is none."""
    assert status == 400, (want, text)
    message = json.loads(text)["error"]
    if want.syntax is not None and "too big" not in message:
        assert message.startswith("JSON Parse error") == want.syntax, (want, message)


def check_answer(text: str, want: Request, inputs: dict[str, Input]) -> None:
    """The model returned what it was given."""
    key = "predictions" if want.form == "rows" else "outputs"
    document = json.loads(text, strict=False)
    assert list(document) == [key]
    (name, (shape, values)) = next(iter(want.tensors.items()))
    dtype = inputs[name].dtype
    if dtype in FLOATS:
        bits = np.dtype(f"u{np.dtype(FLOATS[dtype]).itemsize}")
        words = [0 if np.isnan(value) else int(np.array(value, FLOATS[dtype]).view(bits)) for value in values]
        read = [float(value) for value in flat(document[key])]
        got = [0 if np.isnan(value) else int(np.array(value, FLOATS[dtype]).view(bits)) for value in read]
        assert got == words
        assert nested(shape, [0] * len(values)) == zeros(document[key])
        return
    expected = [value.decode(errors="surrogateescape") if isinstance(value, bytes) else value for value in values]
    assert document[key] == nested(shape, expected)


def flat(tree: Any) -> list[Any]:
    """The elements of nested lists."""
    if not isinstance(tree, list):
        return [tree]
    return [element for part in cast("list[Any]", tree) for element in flat(part)]


def zeros(tree: Any) -> Any:
    """The same lists with nothing but zeros in them."""
    return [zeros(part) for part in cast("list[Any]", tree)] if isinstance(tree, list) else 0


many = settings(max_examples=settings().max_examples * 6)
"""Whole requests have many ways to be wrong."""


@many
@given(data=st.data())
def test_a_savedmodel_that_takes_any_shape(graph_door: Door, mode: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    body = data.draw(documents({"x": dtype}, (), dtype))
    compare(graph_door, "identities", body, GRAPHS, mode)


@many
@given(data=st.data())
def test_an_onnx_model_with_rows_of_three(onnx_door: Door, mode: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    body = data.draw(documents({"x": dtype}, data.draw(st.sampled_from([(3,), (3,), ()])), ""))
    compare(onnx_door, dtype, body, {"serving_default": {"x": Input(dtype, (None, 3))}}, mode)


SUM = {
    "serving_default": {"x": Input("float32")},
    "a_sum": {"left": Input("float32"), "right": Input("float32")},
    "half_plus_three": {"x": Input("float32")},
}


@many
@given(data=st.data())
def test_a_signature_with_two_inputs_and_outputs(graph_door: Door, mode: str, data: st.DataObject) -> None:
    body = data.draw(documents({"left": "float32", "right": "float32"}, (), "a_sum"))
    note(repr(body))
    status, text = graph_door.predict("half_plus_two", body)
    want = judge(body, SUM, strict=mode == "strict")
    if isinstance(want, RefusedError):
        check_refusal(status, text, want)
        return
    operands = [np.array(values, np.float32).reshape(shape) for shape, values in want.tensors.values()]
    with np.errstate(all="ignore"):
        try:
            total = operands[0] + operands[-1] if want.signature == "a_sum" else None
        except ValueError:
            assert status == 400
            assert "Incompatible shapes" in text
            return
    document = json.loads(text)
    if total is None or status != 200:
        # A row format needs rows in the answer as well, which the graph may have none of.
        assert total is None or (want.form == "rows" and total.ndim == 0)
        return
    columns = document.get("outputs") or {
        name: [row[name] for row in document["predictions"]] for name in ("sum", "half")
    }
    with np.errstate(all="ignore"):
        for name, expected in (("sum", total), ("half", total / np.float32(2))):
            got = np.array(columns[name], np.float32).reshape(expected.shape)
            assert np.array_equal(got, expected, equal_nan=True), name
