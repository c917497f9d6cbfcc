"""URL forms, methods and headers."""

import gzip
import json
import zlib
from collections.abc import Mapping

import pytest

from tests.support.rest import ask

ROW = '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
NAMED = '{"instances": [{"x": [5.1, 3.5, 1.4, 0.2]}]}'

TAKEN = {
    "as documented": ("/v1/models/iris:predict", "20"),
    "in capitals": ("/V1/MODELS/iris:PREDICT", "20"),
    "a version": ("/v1/models/iris/versions/1:predict", "1"),
    "a version with zeros": ("/v1/models/iris/versions/00020:predict", "20"),
    "a label": ("/v1/models/iris/labels/stable:predict", "1"),
    "an escaped label": ("/v1/models/iris/labels/a%20b:predict", "20"),
    "an escaped name": ("/v1/models/%69ris:predict", "20"),
    "a query": ("/v1/models/iris:predict?debug=1", "20"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_paths_that_predict(url: str, case: str) -> None:
    path, version = TAKEN[case]
    for body in (ROW, NAMED):
        reply = ask(url, path, body)
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        assert reply.document["predictions"][0]["label"] == 0
        assert reply.headers["x-turnout-model-version"] == version


REFUSED: Mapping[str, tuple[str, str, int, str]] = {
    "an unknown verb": ("POST", "/v1/models/iris:explode", 400, "Malformed request: POST /v1/models/iris:explode"),
    "no name": ("POST", "/v1/models/:predict", 400, "Malformed request: POST /v1/models/:predict"),
    "a slash too many": ("GET", "/v1/models/iris/", 400, "Malformed request: GET /v1/models/iris/"),
    "a query, as it came": ("GET", "/v1/x?a=%20", 400, "Malformed request: GET /v1/x?a=%20"),
    "version and label": (
        "POST",
        "/v1/models/iris/versions/1/labels/stable:predict",
        400,
        "Malformed request: POST /v1/models/iris/versions/1/labels/stable:predict",
    ),
    "a version in words": (
        "GET",
        "/v1/models/iris/versions/one",
        400,
        "Malformed request: GET /v1/models/iris/versions/one",
    ),
    "a version beyond int64": (
        "POST",
        "/v1/models/iris/versions/9223372036854775808:predict",
        400,
        "Failed to convert version: 9223372036854775808 to numeric.",
    ),
    "no name but a version": ("GET", "/v1/models/versions/1", 400, "Missing model name in request."),
    "no name but a label": ("GET", "/v1/models/labels/x/metadata", 400, "Missing model name in request."),
    "a path of another kind": ("GET", "/v2/models", 404, "there is no such path: `/v2/models`"),
    "the version prefix alone": ("GET", "/v1", 404, "there is no such path: `/v1`"),
    "an unknown model": ("POST", "/v1/models/none:predict", 404, "Servable not found for request: Latest(none)"),
    "an unknown name with a slash": (
        "POST",
        "/v1/models/a%2Fb:predict",
        404,
        "Servable not found for request: Latest(a/b)",
    ),
    "an unknown version": (
        "POST",
        "/v1/models/iris/versions/50:predict",
        404,
        "Servable not found for request: Specific(iris, 50)",
    ),
    "an unknown label": (
        "POST",
        "/v1/models/iris/labels/x%3Ay:predict",
        400,
        "Unrecognized servable version label: x:y",
    ),
    "an unknown model's label": (
        "POST",
        "/v1/models/none/labels/x:predict",
        400,
        "Unrecognized servable version label: x",
    ),
    "a broken model": ("POST", "/v1/models/broken:predict", 404, "Servable not found for request: Latest(broken)"),
    "status of an unknown model": ("GET", "/v1/models/none", 404, "Could not find any versions of model none"),
    "status of an unknown version": (
        "GET",
        "/v1/models/iris/versions/50",
        404,
        "Could not find version 50 of model iris",
    ),
    "status of an unknown label": ("GET", "/v1/models/iris/labels/x", 400, "Unrecognized servable version label: x"),
    "metadata of an unknown model": (
        "GET",
        "/v1/models/none/metadata",
        404,
        "Servable not found for request: Latest(none)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_paths_that_are_refused(url: str, case: str) -> None:
    method, path, status, message = REFUSED[case]
    reply = ask(url, path, ROW if method == "POST" else None, method=method)
    assert reply.error == (status, message)
    assert reply.body == b'{\n    "error": ' + json.dumps(message).encode() + b"\n}", "TensorFlow Serving's white space"
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/v1/models/iris:predict", "/v1/models/iris", "/v1/models/iris/metadata", "/livez"])
def test_every_method_on_every_path(url: str, method: str, path: str) -> None:
    allowed = "POST" if path.endswith(":predict") else "GET, HEAD"
    reply = ask(url, path, method=method)
    if method in allowed:
        assert reply.status == 200
        return
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    if method != "HEAD" and path != "/livez":
        assert reply.error[1] == f"Malformed request: {method} {path}"


def test_the_body_is_checked_before_the_model_is_looked_up(url: str) -> None:
    for path in ("/v1/models/none:predict", "/v1/models/none/labels/x:predict"):
        assert ask(url, path, "{").error == (
            400,
            "JSON Parse error: Missing a name for object member. at offset: 1",
        )
        assert ask(url, path, '{"signature_name": 1}').error[1].endswith("'signature_name' key must be a string value.")


def test_advice_and_code_are_headers(url: str) -> None:
    reply = ask(url, "/v1/models/broken:predict", ROW)
    assert reply.headers["x-turnout-code"] == "model_not_found"
    assert reply.headers["x-turnout-hint"].startswith("version 3 failed: not an ONNX file")


def test_content_types_do_not_matter(url: str) -> None:
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "nonsense", ""):
        headers = {"Content-Type": content_type} if content_type else {}
        assert ask(url, "/v1/models/iris:predict", ROW, headers=headers).status == 200


def test_gzip_is_inflated_and_what_is_no_compression_is_ignored(url: str, strict_url: str) -> None:
    path, packed = "/v1/models/iris:predict", gzip.compress(ROW.encode())
    for encoding, body, status in (
        ("gzip", packed, 200),
        ("GZIP", packed, 200),
        ("identity, gzip", packed, 200),
        ("gzip", packed[:-5], 400),
        ("gzip", ROW.encode(), 400),
        ("deflate", zlib.compress(ROW.encode()), 415),
        ("br", b"x", 415),
        ("identity", ROW.encode(), 200),
    ):
        for server in (url, strict_url):
            reply = ask(server, path, body, headers={"Content-Encoding": encoding})
            assert reply.status == status, (encoding, reply.body)
            assert "content-encoding" not in reply.headers
    for encoding in ("utf-8", "application/json"):
        assert ask(url, path, ROW, headers={"Content-Encoding": encoding}).status == 200
        assert ask(strict_url, path, ROW, headers={"Content-Encoding": encoding}).status == 415


CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, GET",
    "access-control-allow-headers": "Content-Type",
}


def test_web_pages_are_let_in_where_the_setting_says_so(url: str, strict_url: str) -> None:
    for path, body in (
        ("/v1/models/iris:predict", ROW),
        ("/v1/models/none:predict", ROW),
        ("/v1/models/iris", None),
        ("/v1/nothing", None),
    ):
        opened, closed = ask(strict_url, path, body).headers, ask(url, path, body).headers
        assert {name: opened.get(name) for name in CORS} == CORS, path
        assert not CORS.keys() & closed.keys(), path
    assert not CORS.keys() & ask(strict_url, "/metrics").headers.keys()


def test_browsers_may_ask_first(url: str, strict_url: str) -> None:
    for server in (url, strict_url):
        for origin, status in (("https://a.example", 200), ("http://localhost:3000", 200), ("null", 400), (None, 400)):
            headers = {"Origin": origin} if origin else {}
            reply = ask(server, "/v1/any/path", method="OPTIONS", headers=headers)
            assert reply.status == status
            assert (CORS.items() <= reply.headers.items()) == (server == strict_url)
            if status == 200:
                assert (reply.body, "content-type" in reply.headers) == (b"", False)
            else:
                assert reply.error == (400, "Malformed request: OPTIONS /v1/any/path")
    assert ask(url, "/livez", method="OPTIONS", headers={"Origin": "http://a"}).status == 405


def test_a_request_that_takes_too_long_is_504(url: str) -> None:
    # A deadline that has passed before the model could be asked.
    body = '{"instances": [' + ",".join(["[1.0, 2.0, 3.0, 4.0]"] * 200_000) + "]}"
    reply = ask(url, "/v1/models/iris:predict", body, headers={"X-Request-Timeout-Ms": "1"})
    status, message = reply.error
    assert (status, message[:20]) == (504, "the deadline passed ")
