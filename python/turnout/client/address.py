"""Where a server is, read from a URL."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from turnout.errors import ConfigError

DEFAULT_PORTS = {"http": 8501, "https": 443, "grpc": 8500, "grpcs": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """One door of one server.

    Attributes:
        door: the protocol spoken there.
        secure: whether TLS is used.
        host: host name or address; empty for a Unix socket.
        port: TCP port; 0 for a Unix socket.
        socket_path: path of a Unix socket, or None.
    """

    door: Literal["rest", "grpc"]
    secure: bool
    host: str
    port: int
    socket_path: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, where no proxy is wanted."""
        return self.socket_path is not None or self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def authority(self) -> str:
        """`HOST:PORT`, as it stands in URLs and gRPC targets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(url: str) -> Address:
    """Reads `http://HOST[:PORT]`, `grpc://HOST[:PORT]`, their forms with TLS, `http+unix://PATH` or `grpc+unix://PATH`.

    Raises:
        ConfigError: the URL has another form.
    """
    parts = urlsplit(url)
    scheme, _, transport = parts.scheme.partition("+")
    try:
        port = parts.port
    except ValueError as error:
        raise _refusal(url) from error
    if scheme not in DEFAULT_PORTS or parts.query or parts.fragment or parts.username:
        raise _refusal(url)
    door = "grpc" if scheme.startswith("grpc") else "rest"
    if transport == "unix" and scheme in ("http", "grpc"):
        path = unquote(parts.netloc + parts.path)
        return Address(door, secure=False, host="", port=0, socket_path=path)
    if transport or not parts.hostname or parts.path not in ("", "/"):
        raise _refusal(url)
    return Address(door, scheme in ("https", "grpcs"), parts.hostname, port or DEFAULT_PORTS[scheme])


def _refusal(url: str) -> ConfigError:
    hint = "Write `http://HOST:8501` for REST or `grpc://HOST:8500` for gRPC."
    if url.startswith("unix:"):
        hint = "Write `http+unix:///PATH` for REST or `grpc+unix:///PATH` for gRPC."
    return ConfigError(f"the server's URL has a form that is not understood: `{url}`", hint=hint)
