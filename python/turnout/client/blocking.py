"""The blocking client."""

import random
import time
import uuid
from os import PathLike
from types import TracebackType
from typing import Self, TypeVar

from turnout.client.address import Address, parse_url
from turnout.client.exchange import Codec, Exchange, Steps
from turnout.client.records import ModelMetadata, ModelSummary, VersionStatus
from turnout.client.retry import RetryPolicy, check_timeout
from turnout.client.steps import MetadataCache, predict_steps, probe_steps
from turnout.client.tls import ClientTls
from turnout.client.transports import open_transport
from turnout.data.inputs import Inputs
from turnout.data.prediction import Prediction
from turnout.errors import TurnoutError
from turnout.host.forks import ForkGuard

T = TypeVar("T")

DEFAULT_TIMEOUT_MS = 30_000
_ONCE = RetryPolicy(attempts=1)


class Client:
    """Calls a running server by REST or gRPC. Thread-safe; connections are kept open between calls.

    Args:
        url: `http://HOST:8501` for REST or `grpc://HOST:8500` for gRPC; also `https://`, `grpcs://`, and
            `http+unix:///PATH` or `grpc+unix:///PATH` for Unix sockets.
        timeout_ms: deadline of a whole call, further attempts included, where the call does not give its own.
        retry: when a call that failed for the moment is tried again.
        ca_path: for TLS, a file of authorities (PEM) to trust instead of the usual ones.
        certificate_path: for TLS, the client's own certificate (PEM), where the server asks for one.
        key_path: its key; None where it is in the same file.

    Raises:
        ConfigError: the URL or a file for TLS cannot be used.

    Example:
        >>> with turnout.Client("http://127.0.0.1:8501") as client:
        ...     client.predict("iris", [[5.1, 3.5, 1.4, 0.2]])["label"]
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_ms: int = DEFAULT_TIMEOUT_MS,
        retry: RetryPolicy | None = None,
        ca_path: str | PathLike[str] | None = None,
        certificate_path: str | PathLike[str] | None = None,
        key_path: str | PathLike[str] | None = None,
    ) -> None:
        address = parse_url(url)
        self._codec = make_codec(address)
        self._transport = open_transport(address, ClientTls(ca_path, certificate_path, key_path))
        self._timeout_ms = check_timeout(timeout_ms)
        self._retry = retry or RetryPolicy()
        self._cache = MetadataCache()
        self._guard = ForkGuard(f"the client of `{url}`")

    def predict(
        self,
        model: str,
        inputs: Inputs,
        *,
        version: int | None = None,
        signature: str | None = None,
        timeout_ms: int | None = None,
        request_id: str | None = None,
    ) -> Prediction:
        """Asks for a prediction.

        Args:
            model: the model's name.
            inputs: arrays by input name; or one array for a signature with one input; or a data frame whose columns
                are the inputs; or rows, a list of dictionaries with a value for each input. Floats are rounded to the
                precision of the signature, integers have to fit, and what would become infinite is refused.
            version: None takes the version that the server serves by default.
            signature: None takes the default one.
            timeout_ms: deadline of the whole call.
            request_id: what the server's log calls the request; one is made up where none is given.

        Returns:
            The outputs by name, and the version that answered.

        Raises:
            InvalidInputError: the inputs do not fit the signature.
            ConfigError: `timeout_ms` is less than 1.
            TurnoutError: a subclass for each other cause; `.retryable` says whether trying again may help.
        """
        steps = predict_steps(self._codec, self._cache, model, version, signature, inputs)
        return self._run(steps, timeout_ms, request_id)

    def status(self, model: str, *, version: int | None = None) -> tuple[VersionStatus, ...]:
        """Returns the states of a model's versions, newest first."""
        return self._call(self._codec.status(model, version), self._deadline(None), _new_request_id())

    def metadata(self, model: str, *, version: int | None = None) -> ModelMetadata:
        """Returns the signatures of a version."""
        return self._call(self._codec.metadata(model, version), self._deadline(None), _new_request_id())

    def models(self) -> tuple[ModelSummary, ...]:
        """Returns all models.

        Raises:
            UnsupportedError: over gRPC, which has no list of models.
        """
        return self._call(self._codec.models(), self._deadline(None), _new_request_id())

    def ready(self) -> bool:
        """Returns whether the server wants traffic; False also when nothing answers."""
        return self._run(probe_steps(self._codec.ready), None, None, _ONCE)

    def live(self) -> bool:
        """Returns whether the server answers at all."""
        return self._run(probe_steps(self._codec.live), None, None, _ONCE)

    def close(self) -> None:
        """Closes the connections. Idempotent."""
        if not self._guard.is_forked:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _deadline(self, timeout_ms: int | None) -> float:
        return time.monotonic() + (self._timeout_ms if timeout_ms is None else check_timeout(timeout_ms)) / 1000

    def _run(
        self, steps: Steps[T], timeout_ms: int | None, request_id: str | None, retry: RetryPolicy | None = None
    ) -> T:
        deadline = self._deadline(timeout_ms)
        request_id = request_id or _new_request_id()
        try:
            exchange = next(steps)
            while True:
                try:
                    result = self._call(exchange, deadline, request_id, retry)
                except TurnoutError as error:
                    exchange = steps.throw(error)
                else:
                    exchange = steps.send(result)
        except StopIteration as stop:
            return stop.value

    def _call(self, exchange: Exchange[T], deadline: float, request_id: str, retry: RetryPolicy | None = None) -> T:
        self._guard.check()
        attempt = 0
        while True:
            attempt += 1
            remaining_ms = max(1.0, (deadline - time.monotonic()) * 1000)
            try:
                return exchange.read(self._transport.send(exchange, remaining_ms, request_id))
            except TurnoutError as error:
                remaining_ms = (deadline - time.monotonic()) * 1000
                pause_ms = (retry or self._retry).delay_ms(attempt, error, remaining_ms, random.random())
                if pause_ms is None:
                    raise
            time.sleep(pause_ms / 1000)


def make_codec(address: Address) -> Codec:
    """Returns the codec of an address's protocol."""
    if address.door == "rest":
        from turnout.client.rest_codec import RestCodec

        return RestCodec()
    from turnout.client.grpc_codec import GrpcCodec

    return GrpcCodec()


def _new_request_id() -> str:
    return uuid.uuid4().hex
