"""What a client needs of TLS besides the address: whom to trust, and how to show who it is."""

import ssl
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from turnout.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files in PEM.

    Attributes:
        ca_path: authorities of servers; None trusts those that the system or the libraries bring along.
        certificate_path: the client's own certificate, where the server asks for one.
        key_path: its key; None where it is in the same file.
    """

    ca_path: str | PathLike[str] | None = None
    certificate_path: str | PathLike[str] | None = None
    key_path: str | PathLike[str] | None = None

    def ssl_context(self) -> ssl.SSLContext:
        """Returns what HTTPS needs.

        Raises:
            ConfigError: a file cannot be read, or certificate and key do not fit.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_path)
            if self.certificate_path is not None:
                context.load_cert_chain(self.certificate_path, self.key_path)
        except OSError as error:
            raise ConfigError(f"the files for TLS cannot be used: {error}: {self._names()}") from error
        return context

    def grpc_credentials(self) -> Any:
        """Returns what gRPC over TLS needs.

        Raises:
            ConfigError: a file cannot be read.
        """
        import grpc

        self.ssl_context()  # gRPC would keep silent about wrong files, and fail at the first call
        return grpc.ssl_channel_credentials(
            _read(self.ca_path), _read(self.key_path or self.certificate_path), _read(self.certificate_path)
        )

    def _names(self) -> str:
        paths = (self.ca_path, self.certificate_path, self.key_path)
        return ", ".join(f"`{path}`" for path in paths if path is not None)


def _read(path: str | PathLike[str] | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
