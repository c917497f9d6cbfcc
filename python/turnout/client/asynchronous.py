"""The asynchronous client; what its methods promise stands in `turnout.client.blocking.Client`."""

import asyncio
import random
import time
import uuid
from os import PathLike
from types import TracebackType
from typing import Self, TypeVar

from turnout.client.address import parse_url
from turnout.client.blocking import DEFAULT_TIMEOUT_MS, make_codec
from turnout.client.exchange import Exchange, Steps
from turnout.client.records import ModelMetadata, ModelSummary, VersionStatus
from turnout.client.retry import RetryPolicy, check_timeout
from turnout.client.steps import MetadataCache, predict_steps, probe_steps
from turnout.client.tls import ClientTls
from turnout.client.transports import open_async_transport
from turnout.data.inputs import Inputs
from turnout.data.prediction import Prediction
from turnout.errors import TurnoutError
from turnout.host.forks import ForkGuard

T = TypeVar("T")

_ONCE = RetryPolicy(attempts=1)


class AsyncClient:
    """Calls a running server by REST or gRPC, for one event loop. Calls may run concurrently.

    Args:
        url: as for `Client`.
        timeout_ms: deadline of a whole call, further attempts included, where the call does not give its own.
        retry: when a call that failed for the moment is tried again.
        ca_path: as for `Client`; so are the other files.
        certificate_path: see there.
        key_path: see there.
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
        self._transport = open_async_transport(address, ClientTls(ca_path, certificate_path, key_path))
        self._timeout_ms = check_timeout(timeout_ms)
        self._retry = retry or RetryPolicy()
        self._cache = MetadataCache()
        self._guard = ForkGuard(f"the client of `{url}`")

    async def predict(
        self,
        model: str,
        inputs: Inputs,
        *,
        version: int | None = None,
        signature: str | None = None,
        timeout_ms: int | None = None,
        request_id: str | None = None,
    ) -> Prediction:
        """Asks for a prediction; see `Client.predict`. Cancelling the task cancels the request."""
        steps = predict_steps(self._codec, self._cache, model, version, signature, inputs)
        return await self._run(steps, timeout_ms, request_id)

    async def status(self, model: str, *, version: int | None = None) -> tuple[VersionStatus, ...]:
        """Returns the states of a model's versions, newest first."""
        return await self._call(self._codec.status(model, version), self._deadline(None), uuid.uuid4().hex)

    async def metadata(self, model: str, *, version: int | None = None) -> ModelMetadata:
        """Returns the signatures of a version."""
        return await self._call(self._codec.metadata(model, version), self._deadline(None), uuid.uuid4().hex)

    async def models(self) -> tuple[ModelSummary, ...]:
        """Returns all models; see `Client.models`."""
        return await self._call(self._codec.models(), self._deadline(None), uuid.uuid4().hex)

    async def ready(self) -> bool:
        """Returns whether the server wants traffic; False also when nothing answers."""
        return await self._run(probe_steps(self._codec.ready), None, None, _ONCE)

    async def live(self) -> bool:
        """Returns whether the server answers at all."""
        return await self._run(probe_steps(self._codec.live), None, None, _ONCE)

    async def close(self) -> None:
        """Closes the connections. Idempotent."""
        if not self._guard.is_forked:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _deadline(self, timeout_ms: int | None) -> float:
        return time.monotonic() + (self._timeout_ms if timeout_ms is None else check_timeout(timeout_ms)) / 1000

    async def _run(
        self, steps: Steps[T], timeout_ms: int | None, request_id: str | None, retry: RetryPolicy | None = None
    ) -> T:
        deadline = self._deadline(timeout_ms)
        request_id = request_id or uuid.uuid4().hex
        try:
            exchange = next(steps)
            while True:
                try:
                    result = await self._call(exchange, deadline, request_id, retry)
                except TurnoutError as error:
                    exchange = steps.throw(error)
                else:
                    exchange = steps.send(result)
        except StopIteration as stop:
            return stop.value

    async def _call(
        self, exchange: Exchange[T], deadline: float, request_id: str, retry: RetryPolicy | None = None
    ) -> T:
        self._guard.check()
        attempt = 0
        while True:
            attempt += 1
            remaining_ms = max(1.0, (deadline - time.monotonic()) * 1000)
            try:
                return exchange.read(await self._transport.send(exchange, remaining_ms, request_id))
            except TurnoutError as error:
                remaining_ms = (deadline - time.monotonic()) * 1000
                pause_ms = (retry or self._retry).delay_ms(attempt, error, remaining_ms, random.random())
                if pause_ms is None:
                    raise
            await asyncio.sleep(pause_ms / 1000)
