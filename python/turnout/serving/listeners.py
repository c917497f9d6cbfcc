"""Where a server listens."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from turnout.config.settings import ServerSettings
from turnout.serving.certificates import TlsPaths

Door: TypeAlias = Literal["rest", "grpc"]


@dataclass(frozen=True, slots=True)
class Listener:
    """One place where clients connect.

    Attributes:
        door: what is spoken there.
        address: `HOST:PORT` or `unix:PATH`.
    """

    door: Door
    address: str

    def tls(self, settings: ServerSettings) -> TlsPaths | None:
        """Returns the files with which it speaks TLS; None where it does not. Unix sockets never do."""
        if settings.tls_certificate is None or settings.tls_key is None or self.address.startswith("unix:"):
            return None
        if settings.tls_doors not in ("both", self.door):
            return None
        return settings.tls_certificate, settings.tls_key, settings.tls_client_ca


def configured_listeners(settings: ServerSettings) -> tuple[Listener, ...]:
    """Returns one listener for each door, as the settings say."""
    return (
        Listener("rest", _address(settings.rest_socket, settings.host, settings.rest_port)),
        Listener("grpc", _address(settings.grpc_socket, settings.host, settings.grpc_port)),
    )


def _address(socket_path: str | None, host: str, port: int) -> str:
    if socket_path is not None:
        return f"unix:{socket_path}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
