"""REST as it is on the wire: requests of any form, and answers to the byte."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        headers: by lower-case name.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON, `NaN` and the infinities included."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """The status, and the one key that the body of an error has."""
        assert list(self.document) == ["error"], self.body
        return self.status, self.document["error"]


def ask(
    url: str, path: str, body: str | bytes | None = None, *, method: str = "", headers: Mapping[str, str] | None = None
) -> Reply:
    """Sends one request over a connection of its own; POST where there is a body, else GET."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        content = body.encode() if isinstance(body, str) else body
        connection.request(method or ("GET" if body is None else "POST"), path, content, dict(headers or {}))
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()
