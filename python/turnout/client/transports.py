"""How bytes travel: one transport for each of REST and gRPC, blocking and asynchronous.

Each keeps its connections open between calls. A transport makes one attempt; whether there is another one is decided
by the caller.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import httpx

from turnout.client.address import Address
from turnout.client.exchange import Answer, Exchange
from turnout.client.failures import REQUEST_ID_HEADER, grpc_failure, rest_failure, unreachable
from turnout.client.tls import ClientTls
from turnout.errors import DeadlineExceededError, TurnoutError

TIMEOUT_HEADER = "x-request-timeout-ms"
_OK = 200
_GRPC_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Transport(Protocol):
    """A blocking door to one server. Thread-safe."""

    def send(self, exchange: Exchange[Any], timeout_ms: float, request_id: str) -> Answer:
        """Makes one attempt.

        Raises:
            TurnoutError: the server refused, or could not be reached in time.
        """
        ...

    def close(self) -> None:
        """Closes the connections."""
        ...


class AsyncTransport(Protocol):
    """An asynchronous door to one server, for one event loop."""

    async def send(self, exchange: Exchange[Any], timeout_ms: float, request_id: str) -> Answer:
        """Makes one attempt; see `Transport.send`."""
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


def open_transport(address: Address, tls: ClientTls) -> Transport:
    """Returns a transport that connects with its first call."""
    return RestTransport(address, tls) if address.door == "rest" else GrpcTransport(address, tls)


def open_async_transport(address: Address, tls: ClientTls) -> AsyncTransport:
    """Returns a transport that connects with its first call."""
    return AsyncRestTransport(address, tls) if address.door == "rest" else AsyncGrpcTransport(address, tls)


class RestTransport:
    """HTTP/1.1 by httpx."""

    def __init__(self, address: Address, tls: ClientTls) -> None:
        self._address = address
        transport = httpx.HTTPTransport(uds=address.socket_path) if address.socket_path else None
        self._client = httpx.Client(
            base_url=_base_url(address),
            transport=transport,
            trust_env=not address.is_local,
            timeout=None,
            verify=tls.ssl_context() if address.secure else False,
        )

    def send(self, exchange: Exchange[Any], timeout_ms: float, request_id: str) -> Answer:
        """See `Transport`."""
        headers = _rest_headers(timeout_ms, request_id)
        try:
            response = self._client.request(
                exchange.method, exchange.path, content=exchange.body, headers=headers, timeout=timeout_ms / 1000
            )
        except httpx.HTTPError as error:
            raise _httpx_failure(error, self._address, timeout_ms) from error
        return _read_response(response)

    def close(self) -> None:
        """See `Transport`."""
        self._client.close()


class AsyncRestTransport:
    """HTTP/1.1 by httpx."""

    def __init__(self, address: Address, tls: ClientTls) -> None:
        self._address = address
        transport = httpx.AsyncHTTPTransport(uds=address.socket_path) if address.socket_path else None
        self._client = httpx.AsyncClient(
            base_url=_base_url(address),
            transport=transport,
            trust_env=not address.is_local,
            timeout=None,
            verify=tls.ssl_context() if address.secure else False,
        )

    async def send(self, exchange: Exchange[Any], timeout_ms: float, request_id: str) -> Answer:
        """See `AsyncTransport`."""
        headers = _rest_headers(timeout_ms, request_id)
        try:
            response = await self._client.request(
                exchange.method, exchange.path, content=exchange.body, headers=headers, timeout=timeout_ms / 1000
            )
        except httpx.HTTPError as error:
            raise _httpx_failure(error, self._address, timeout_ms) from error
        return _read_response(response)

    async def close(self) -> None:
        """See `AsyncTransport`."""
        await self._client.aclose()


class GrpcTransport:
    """gRPC by grpcio, with messages as bytes."""

    def __init__(self, address: Address, tls: ClientTls) -> None:
        import grpc

        self._address = address
        target = _grpc_target(address)
        if address.secure:
            self._channel = grpc.secure_channel(target, tls.grpc_credentials(), options=_grpc_options(address))
        else:
            self._channel = grpc.insecure_channel(target, options=_grpc_options(address))

    def send(self, exchange: Exchange[Any], timeout_ms: float, request_id: str) -> Answer:
        """See `Transport`."""
        import grpc

        call = cast("grpc.UnaryUnaryMultiCallable[bytes, bytes]", self._channel.unary_unary(exchange.path))
        metadata = ((REQUEST_ID_HEADER, request_id),)
        try:
            body, finished = call.with_call(exchange.body, timeout=timeout_ms / 1000, metadata=metadata)
        except grpc.RpcError as error:
            failed = cast("grpc.Call", error)
            raise _rpc_failure(failed.code(), failed.details(), failed.trailing_metadata()) from error
        return Answer(body, _metadata(finished.trailing_metadata()))

    def close(self) -> None:
        """See `Transport`."""
        self._channel.close()


class AsyncGrpcTransport:
    """gRPC by grpcio's asyncio interface. The channel is made with the first call, inside the caller's event loop."""

    def __init__(self, address: Address, tls: ClientTls) -> None:
        self._address = address
        self._credentials = tls.grpc_credentials() if address.secure else None
        self._channel: Any = None

    async def send(self, exchange: Exchange[Any], timeout_ms: float, request_id: str) -> Answer:
        """See `AsyncTransport`."""
        from grpc import aio

        if self._channel is None:
            self._channel = self._open()
        call = self._channel.unary_unary(exchange.path)(
            exchange.body, timeout=timeout_ms / 1000, metadata=((REQUEST_ID_HEADER, request_id),)
        )
        try:
            body = await call
        except aio.AioRpcError as error:
            raise _rpc_failure(error.code(), error.details(), error.trailing_metadata()) from error
        return Answer(body, _metadata(await call.trailing_metadata()))

    async def close(self) -> None:
        """See `AsyncTransport`."""
        if self._channel is not None:
            await self._channel.close()

    def _open(self) -> Any:
        from grpc import aio

        target, options = _grpc_target(self._address), _grpc_options(self._address)
        if self._credentials is not None:
            return aio.secure_channel(target, self._credentials, options=options)
        return aio.insecure_channel(target, options=options)


def _base_url(address: Address) -> str:
    if address.socket_path is not None:
        return "http://localhost"
    return f"{'https' if address.secure else 'http'}://{address.authority}"


def _rest_headers(timeout_ms: float, request_id: str) -> dict[str, str]:
    return {
        "content-type": "application/json",
        TIMEOUT_HEADER: str(max(1, int(timeout_ms))),
        REQUEST_ID_HEADER: request_id,
    }


def _read_response(response: httpx.Response) -> Answer:
    answer = Answer(response.content, {name.lower(): value for name, value in response.headers.items()})
    if response.status_code != _OK:
        raise rest_failure(response.status_code, answer)
    return answer


def _httpx_failure(error: httpx.HTTPError, address: Address, timeout_ms: float) -> TurnoutError:
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return DeadlineExceededError(f"the server did not answer in time: waited {timeout_ms:.0f} ms")
    return unreachable(address.socket_path or address.authority, error)


def _grpc_target(address: Address) -> str:
    return f"unix:{address.socket_path}" if address.socket_path else address.authority


def _grpc_options(address: Address) -> list[tuple[str, int | str]]:
    options: list[tuple[str, int | str]] = [*_GRPC_OPTIONS]
    if address.is_local:
        options.append(("grpc.enable_http_proxy", 0))
    if address.socket_path is not None:
        # The default is the percent-encoded path, which is no authority that HTTP/2 servers accept.
        options.append(("grpc.default_authority", "localhost"))
    return options


def _metadata(pairs: Iterable[tuple[str, str | bytes]] | None) -> Mapping[str, str]:
    return {key: value for key, value in pairs or () if isinstance(value, str)}


def _rpc_failure(code: Any, details: str | None, metadata: Any) -> TurnoutError:
    return grpc_failure(code.name, details or "", _metadata(metadata))
