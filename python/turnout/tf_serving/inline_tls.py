"""The `SSLConfig` of a server: keys and certificates that stand in the file itself."""

import os
from pathlib import Path

from turnout.errors import ConfigError
from turnout.text_proto.reader import read_message
from turnout.text_proto.schema import Record
from turnout.tf_serving import messages

_SETTINGS = {"server_cert": "tls_certificate", "server_key": "tls_key", "custom_ca": "tls_client_ca"}


class InlineTls:
    """Makes files of the texts, which the data plane reads; they are in memory alone, so that no key reaches a disk.

    Args:
        file: the text proto `SSLConfig`.

    Attributes:
        settings: the settings of the server that name the files.

    Raises:
        ConfigError: the file is wrong, or says too little.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptors: dict[str, int] = {}
        for name, text in self._read().items():
            self._descriptors[name] = os.memfd_create(f"turnout-{name}", os.MFD_CLOEXEC)
            _replace(self._descriptors[name], text)

    @property
    def settings(self) -> dict[str, str]:
        """Paths by the names of the settings; gRPC alone speaks TLS, as upstream has it."""
        paths = {_SETTINGS[name]: f"/proc/self/fd/{number}" for name, number in self._descriptors.items()}
        return {**paths, "tls_doors": "grpc"}

    def reload(self) -> None:
        """Reads the file anew.

        Raises:
            ConfigError: it is wrong, or asks for client certificates where it did not, or the other way round; what was
                read before stays.
        """
        texts = self._read()
        if set(texts) != set(self._descriptors):
            raise ConfigError(f"`client_verify` in `{self._file}` takes effect at the next start alone")
        for name, text in texts.items():
            _replace(self._descriptors[name], text)

    def close(self) -> None:
        """Frees the memory."""
        for number in self._descriptors.values():
            os.close(number)
        self._descriptors.clear()

    def _read(self) -> dict[str, str]:
        config = read_message(self._file, messages.SSL_CONFIG)
        wanted = ("server_key", "server_cert", *(("custom_ca",) if config.flag("client_verify") else ()))
        return {name: self._text(config, name) for name in wanted}

    def _text(self, config: Record, name: str) -> str:
        text = config.text(name)
        if not text:
            raise ConfigError(f"`{self._file}` has no `{name}`, without which gRPC cannot speak TLS as it asks for")
        return text


def _replace(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
