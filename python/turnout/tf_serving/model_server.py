"""A server with the behaviour of `tensorflow_model_server`: when its ports open, and what its log says then."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from turnout.serving.certificates import CertificateWatch
from turnout.serving.running import Serving
from turnout.tf_serving.flag_parsing import Arguments
from turnout.tf_serving.inline_tls import InlineTls
from turnout.tf_serving.plan import Plan, make_plan
from turnout.tf_serving.reloading import ConfigPoll, Reloader

_log = logging.getLogger("turnout.tf_serving")

PATIENCE_S = 5.0
"""After one model serves, how long the ports stay closed for the first loads of the others."""

_LOOK_S = 0.02


class ModelServer:
    """Made once from the flags, started once, stopped once.

    Args:
        arguments: the flags.

    Attributes:
        plan: what the flags mean.

    Raises:
        ConfigError: they contradict each other, or a file that they name is wrong.
    """

    def __init__(self, arguments: Arguments) -> None:
        ssl_file = arguments.text("ssl_config_file")
        self._tls = InlineTls(Path(ssl_file)) if ssl_file else None
        self._tls_watch = CertificateWatch([ssl_file], self._tls.reload) if self._tls else None
        self.plan: Plan = make_plan(arguments, self._tls.settings if self._tls else None)
        self._serving = Serving(self.plan.sources, self.plan.config, owns_process=True, listeners=self.plan.listeners)
        reloader = Reloader(self._serving, arguments, list(self.plan.config.model_paths))
        self._serving.on_command("reload_config", reloader.handle)
        self._poll = _config_poll(arguments, reloader)

    def start(self, is_stopped: Callable[[float], bool]) -> None:
        """Loads the models, and opens the ports when the first load of each has ended, well or not.

        Clients and probes that wait for a port so find models behind it, as upstream has it; unlike there, a model that
        is broken or missing keeps none of the others from being served, and a slow one does so for `PATIENCE_S`.

        Args:
            is_stopped: waits for so many seconds; whether somebody has asked for the end meanwhile.

        Raises:
            AddressInUseError: a port is taken.
        """
        for notice in self.plan.notices:
            _log.log(notice.level, "%s", notice.text)
        if self._tls_watch is not None:
            self._tls_watch.start()
        self._serving.start(listen=False)
        if self._poll is not None:
            self._poll.start()
        serves_since_s: float | None = None
        while not (status := self._serving.status()).attempted:
            if any(model.default is not None for model in status.models.values()):
                serves_since_s = serves_since_s or time.monotonic()
            if serves_since_s is not None and time.monotonic() - serves_since_s > PATIENCE_S:
                break
            if is_stopped(_LOOK_S):
                return
        self._serving.listen()
        self._announce()

    def stop(self) -> bool:
        """Drains and stops; returns whether every request was finished."""
        if self._poll is not None:
            self._poll.close()
        finished = self._serving.stop()
        self._free()
        return finished

    def close(self) -> None:
        """Stops at once."""
        self._serving.close()
        self._free()

    def _announce(self) -> None:
        """Start-up scripts look for these lines; the words and the place of the port are upstream's."""
        for listener in self.plan.listeners:
            if listener.door == "grpc":
                address = listener.address.replace("unix:", "UNIX socket ")
                _log.info("%s", f"Running gRPC ModelServer at {address} ...")
        for listener in self.plan.listeners:
            if listener.door == "rest":
                port = listener.address.rpartition(":")[2]
                _log.info("%s", f"Exporting HTTP/REST API at:localhost:{port} ...")

    def _free(self) -> None:
        if self._poll is not None:
            self._poll.close()
        if self._tls_watch is not None:
            self._tls_watch.close()
        if self._tls is not None:
            self._tls.close()


def _config_poll(arguments: Arguments, reloader: Reloader) -> ConfigPoll | None:
    file, wait_s = arguments.text("model_config_file"), arguments.integer("model_config_file_poll_wait_seconds")
    return ConfigPoll(Path(file), wait_s, reloader) if file and wait_s > 0 else None
