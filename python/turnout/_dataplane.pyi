"""The native data plane: the one seam between Python, which decides, and Rust, which carries requests.

Everything structured crosses as JSON text and is checked by strict structs on the Rust side; the shapes are described
in `docs/concepts/seam.md`. Every function raises a subclass of `turnout.errors.TurnoutError`, chosen by its catalogue
code.
"""

from collections.abc import Sequence
from os import PathLike
from typing import final

from typing_extensions import Buffer

from turnout.types import ResultTensor, WireTensor

__all__ = [
    "DataPlane",
    "Profiler",
    "__version__",
    "bound_memory_retention",
    "decode_predict_request",
    "decode_predict_response",
    "encode_predict_request",
    "inspect_artifact",
    "list_error_codes",
    "list_metrics",
    "list_rest_routes",
    "list_tf_serving_metrics",
    "masked_crc32c",
    "probe_engine",
]

__version__: str

_Path = str | PathLike[str]

@final
class DataPlane:
    """Event loops, listeners, engines and servables of one server. Thread-safe; blocking calls release the GIL."""

    def __new__(cls, settings_json: str) -> DataPlane: ...
    def listen(
        self,
        door: str,
        address: str,
        reuse_port: bool,
        tls: tuple[_Path, _Path, _Path | None] | None = None,
    ) -> str:
        """Opens a listener for `door` (`rest` or `grpc`) on `HOST:PORT` or `unix:PATH`; returns the bound address.

        With `reuse_port` it is bound beside that of another server, which gets all connections until this one's first
        snapshot that is ready. With `tls` (certificate, key, authority of clients) it speaks nothing but TLS.
        """
    def reload_certificates(self) -> None:
        """Reads the files for TLS anew, for new connections; `config_invalid` leaves a listener what it has."""
    def apply(self, snapshot_json: str) -> None:
        """Replaces the whole desired state. Loads start, routes swap at once, what is omitted drains and unloads."""
    def next_event(self, timeout_ms: int) -> str | None:
        """Waits for the next fact (JSON), at most `timeout_ms`; None when there was none."""
    def answer(self, command: int, code: str | None, message: str) -> None:
        """Answers a command that came as an event: done where `code` is None, else an error of the catalogue."""
    def predict(
        self,
        model: str,
        version: int | None,
        signature: str | None,
        inputs: Sequence[WireTensor],
        timeout_ms: int | None,
    ) -> tuple[int, list[ResultTensor]]:
        """Runs one request in the calling thread, by the same road as REST and gRPC; returns (version, outputs)."""
    def status(self) -> str:
        """What the data plane holds now (JSON): servables, in-flight work, mergeability, learnt times."""
    def metrics(self) -> str:
        """The metrics page, Prometheus text format 0.0.4."""
    def drain(self, delay_ms: int, timeout_ms: int) -> bool:
        """Stops accepting after `delay_ms`, lets what is in flight finish; False when `timeout_ms` cut it short."""
    def close(self) -> None:
        """Stops everything at once. Idempotent."""

@final
class Profiler:
    """A model that is loaded to be measured, operator by operator. Calls wait for each other and release the GIL."""

    def __new__(cls, servable_json: str, folder: _Path) -> Profiler:
        """Loads a servable of a snapshot (JSON); `folder` is an empty one for the runtime's own records."""
    def signatures(self) -> str:
        """What the model answers to (JSON), the default first."""
    def run(self, signature: int, inputs: Sequence[WireTensor], measured: bool) -> None:
        """Executes one call; `measured` ones count."""
    def run_generated(self, signature: int, rows: int, measured: bool) -> None:
        """Executes one call on inputs as the warm-up makes them."""
    def finish(self) -> str:
        """What was measured (JSON): `call_us`; of `operators` `call_us` and `call_runs`, `name`, `op`, `has_others`."""

def bound_memory_retention() -> None:
    """Bounds what the C library keeps of freed memory, for the whole process: for one that is a server's own."""

def inspect_artifact(engine_json: str, artifact_json: str, settings_json: str) -> str:
    """Loads an artifact with a servable's settings, returns its description (JSON: signatures, memory) and drops it."""

def probe_engine(engine_json: str) -> str:
    """Opens a runtime's library and returns its version (JSON)."""

def encode_predict_request(model: str, version: int | None, signature: str, inputs: Sequence[WireTensor]) -> bytes:
    """Serializes a `tensorflow.serving.PredictRequest`."""

def decode_predict_request(message: Buffer) -> tuple[str, str, list[ResultTensor]]:
    """Parses a `tensorflow.serving.PredictRequest`; returns (model, signature, inputs)."""

def decode_predict_response(message: Buffer) -> tuple[int, list[ResultTensor]]:
    """Parses a `tensorflow.serving.PredictResponse`; returns (version, outputs)."""

def masked_crc32c(data: Buffer) -> int:
    """The check that a TFRecord file has of a length or of data."""

def list_error_codes() -> list[tuple[str, bool, str, int, str, str]]:
    """(slug, retryable, Python class, HTTP status, gRPC status name, meaning) for the whole catalogue."""

def list_metrics() -> list[tuple[str, str, str, list[str]]]:
    """(name, kind, help, labels) of every metric that the page can show."""

def list_tf_serving_metrics() -> list[tuple[str, str, str, list[str]]]:
    """The same of the page with TensorFlow Serving's names."""

def list_rest_routes() -> list[tuple[str, str, str]]:
    """(method, path pattern, meaning) of every REST route."""
