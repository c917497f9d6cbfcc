"""The server's settings as plain records, and the one place where their defaults stand."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from turnout.host.logs import LogFormat, LogLevel
from turnout.host.machine import Machine

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

Ready = Literal["any", "all", "first"]
RestMode = Literal["compatible", "strict"]
Watch = Literal["auto", "poll", "once"]
TlsDoors = Literal["both", "grpc", "rest"]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Everything that an operator can set for one server. What each field means stands in `turnout.config.schema`.

    The fields without a default depend on the machine: see `default_settings`.
    """

    cache_dir: str
    executor_threads: int
    inflight_bytes: int
    loops: int
    max_body_bytes: int
    request_log_dir: str
    drain_delay_ms: int = 0
    drain_timeout_ms: int = 30_000
    event_capacity: int = 4096
    grpc_port: int = 8500
    grpc_socket: str | None = None
    grpc_tensor_content: bool = False
    grpc_timeout_ms: int | None = None
    header_timeout_ms: int = 10_000
    host: str = "127.0.0.1"
    idle_timeout_ms: int = 120_000
    inline_budget_us: int = 100
    log_format: LogFormat = "text"
    load_retry_limit_ms: int = 60_000
    log_level: LogLevel = "info"
    max_connections: int = 10_000
    max_load_retries: int | None = None
    max_streams: int = 256
    offload_bytes: int = 64 * KIB
    poll_interval_ms: int = 1000
    prefer_tflite: bool = False
    ready: Ready = "any"
    reload_rpc: bool = False
    repository: str | None = None
    request_log_disk_bytes: int = GIB
    request_log_file_age_ms: int = 3_600_000
    request_log_file_bytes: int = 64 * MIB
    request_timeout_ms: int = 30_000
    rest_cors: bool = False
    rest_mode: RestMode = "compatible"
    rest_port: int = 8501
    rest_socket: str | None = None
    reuse_port: bool = False
    settle_ms: int = 1000
    tf_serving_metrics_path: str | None = None
    tls_certificate: str | None = None
    tls_client_ca: str | None = None
    tls_doors: TlsDoors = "both"
    tls_key: str | None = None
    trust: bool = False
    watch: Watch = "auto"


DATA_PLANE_FIELDS = (
    "loops", "executor_threads", "inline_budget_us", "offload_bytes", "max_body_bytes", "inflight_bytes",
    "max_connections", "max_streams", "header_timeout_ms", "idle_timeout_ms", "request_timeout_ms", "event_capacity",
    "grpc_tensor_content", "tf_serving_metrics_path", "rest_cors", "rest_mode", "reload_rpc",
)  # fmt: skip
"""The settings that cross to the data plane; all others are Python's own business."""


def default_settings(machine: Machine, environ: Mapping[str, str], home: Path) -> dict[str, Any]:
    """Returns the defaults that depend on the machine and the user, by field name.

    Args:
        machine: its cores become event loops, a quarter of its memory bounds what may be in flight.
        environ: read for `XDG_CACHE_HOME` and `XDG_STATE_HOME`.
        home: the user's home folder.
    """
    inflight_bytes = min(GIB, machine.usable_memory_bytes // 4)
    return {
        "cache_dir": str(Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "turnout"),
        "executor_threads": machine.cores,
        "inflight_bytes": inflight_bytes,
        "loops": machine.cores,
        "max_body_bytes": min(64 * MIB, inflight_bytes),
        "request_log_dir": str(Path(environ.get("XDG_STATE_HOME") or home / ".local/state") / "turnout/request-log"),
    }


def home_folder() -> Path:
    """Returns the user's home; the folder for temporary files where the user has none, as in many containers."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir())


def data_plane_json(settings: ServerSettings, ready_reason: str = "starting") -> str:
    """Returns the text that `DataPlane` is made with; the shape stands in `docs/concepts/seam.md`."""
    record: dict[str, Any] = {name: getattr(settings, name) for name in DATA_PLANE_FIELDS}
    record["grpc_timeout_ms"] = settings.grpc_timeout_ms or settings.request_timeout_ms
    log = {
        "dir": settings.request_log_dir,
        "file_bytes": settings.request_log_file_bytes,
        "file_age_ms": settings.request_log_file_age_ms,
        "disk_bytes": settings.request_log_disk_bytes,
    }
    return json.dumps({**record, "ready_reason": ready_reason, "request_log": log})
