"""The edge where text from people becomes settings: what each setting means, its type, its unit and its bounds.

No defaults stand here: a field that is None was not set. Only this module knows pydantic.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from turnout.errors import ConfigError

Count = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Milliseconds = Annotated[int, Field(ge=0, le=86_400_000)]
Microseconds = Annotated[int, Field(ge=0, le=60_000_000)]
Bytes = Annotated[int, Field(ge=1024)]
Text = Annotated[str, Field(min_length=1)]


class Schema(BaseModel):
    """Base of the schemas: frozen, strict about names, described by the docstring under each field."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ServerSchema(Schema):
    """Settings of the server, as they stand at the top of `turnout.toml`."""

    cache_dir: Text | None = None
    """Folder for private copies of model files and the journal of loads; default `$XDG_CACHE_HOME/turnout`."""
    drain_delay_ms: Milliseconds | None = None
    """Milliseconds that a stopping server goes on accepting, while `/readyz` already says 503."""
    drain_timeout_ms: Milliseconds | None = None
    """Milliseconds that a stopping server waits for the requests in flight."""
    event_capacity: Annotated[int, Field(ge=64, le=1_000_000)] | None = None
    """Number of facts that may wait between the data plane and the life-cycle manager."""
    executor_threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads that run batches which are too long for an event loop; default: the usable cores."""
    grpc_port: Port | None = None
    """TCP port of gRPC; 0 takes a free one."""
    grpc_socket: Text | None = None
    """Path of a Unix socket on which gRPC listens instead of the TCP port."""
    grpc_tensor_content: bool | None = None
    """Sends the numbers of gRPC's Predict answers in `tensor_content`, not in the typed fields that clients read."""
    grpc_timeout_ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = None
    """Milliseconds that a gRPC call may take which brings no deadline of its own; default `request_timeout_ms`."""
    header_timeout_ms: Milliseconds | None = None
    """Milliseconds from a request's first byte to the end of its header, and for its body to make progress."""
    host: Text | None = None
    """Address that the TCP ports are bound to; `0.0.0.0` opens them to the network."""
    idle_timeout_ms: Milliseconds | None = None
    """Milliseconds after which a connection without a request is closed."""
    inflight_bytes: Bytes | None = None
    """Bytes of requests and answers that the process holds at one time; default 1 GiB or a quarter of the memory."""
    inline_budget_us: Microseconds | None = None
    """Microseconds of predicted work that may run on an event loop in one turn; more goes to an executor thread."""
    load_retry_limit_ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = None
    """Milliseconds of the longest wait before a failed load is tried again; the first is at most a second."""
    log_format: Literal["text", "json"] | None = None
    """Form of the log on standard error: lines of text, or one JSON object a line."""
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    """Least level that is logged."""
    loops: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Event loops, each a thread; default: the usable cores (affinity and control group quota)."""
    max_body_bytes: Bytes | None = None
    """Bytes of the largest request body, after decompression; default 64 MiB, at most `inflight_bytes`."""
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Connections per listener."""
    max_load_retries: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """How often a failed load is tried again while its files do not change; default: without end."""
    max_streams: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Concurrent HTTP/2 streams per connection."""
    offload_bytes: Bytes | None = None
    """Bytes of a body above which it is decoded and encoded off the event loop."""
    poll_interval_ms: Annotated[int, Field(ge=10, le=3_600_000)] | None = None
    """Milliseconds between two looks at the repository where file-system events are not to be had."""
    prefer_tflite: bool | None = None
    """Serves a version's `model.tflite` rather than the SavedModel in the same folder."""
    ready: Literal["any", "all", "first"] | None = None
    """When `/readyz` turns to 200: after all first attempts one model serves (`any`) or every one does (`all`), or as
    soon as one model serves, while others are still loaded (`first`)."""
    reload_rpc: bool | None = None
    """Lets every client of gRPC choose what is served, by `HandleReloadConfigRequest`. Its default is `true` in
    `tensorflow_model_server`."""
    repository: Text | None = None
    """What is served when no path is given: a repository, a model's folder or a model file."""
    request_log_dir: Text | None = None
    """Folder of the request log; default `$XDG_STATE_HOME/turnout/request-log`. Its files hold what clients sent."""
    request_log_disk_bytes: Annotated[int, Field(ge=65_536)] | None = None
    """Bytes of all files of the request log together; the oldest are removed."""
    request_log_file_age_ms: Annotated[int, Field(ge=1000, le=2_592_000_000)] | None = None
    """Milliseconds after which a file of the request log is closed and the next one begun."""
    request_log_file_bytes: Annotated[int, Field(ge=65_536)] | None = None
    """Bytes at which a file of the request log is closed; larger records are left out."""
    request_timeout_ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = None
    """Milliseconds that a request may take which brings no deadline of its own."""
    rest_cors: bool | None = None
    """Lets web pages of every origin call the paths under `/v1/`: adds CORS headers to their answers."""
    rest_mode: Literal["compatible", "strict"] | None = None
    """Takes faulty REST requests that TensorFlow Serving takes (`compatible`), or refuses them (`strict`)."""
    rest_port: Port | None = None
    """TCP port of REST; 0 takes a free one."""
    rest_socket: Text | None = None
    """Path of a Unix socket on which REST listens instead of the TCP port."""
    reuse_port: bool | None = None
    """Lets a second server bind the same ports, for hand-over; it gets connections once it is ready."""
    settle_ms: Milliseconds | None = None
    """Milliseconds that the files of a version without a manifest must be still before it is loaded."""
    tf_serving_metrics_path: Annotated[str, Field(pattern=r"^/[^?#\s]*$")] | None = None
    """Path on which REST serves metrics under TensorFlow Serving's names too."""
    tls_certificate: Text | None = None
    """Path of the certificate (PEM), with those that lead to its authority; the TCP ports then speak TLS alone."""
    tls_client_ca: Text | None = None
    """Path of the authorities of clients (PEM): every client has to show a certificate of one of them."""
    tls_doors: Literal["both", "grpc", "rest"] | None = None
    """Which TCP ports speak TLS."""
    tls_key: Text | None = None
    """Path of the private key (PEM) of the certificate. Renewed files are taken up within seconds."""
    trust: bool | None = None
    """Allows pickled models, which are code, to be converted in a child process."""
    watch: Literal["auto", "poll", "once"] | None = None
    """How changes are noticed: by file-system events where those tell everything (`auto`), by looking every
    `poll_interval_ms` (`poll`), or not at all after the start (`once`)."""


class ModelSchema(Schema):
    """Settings of one model: `[models.NAME]` of `turnout.toml`, or `model.toml` in the model's folder."""

    allowed_batch_rows: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=1024)] | None = None
    """Sizes, rising, to the next of which a batch is filled up with copies of a row; the last is the most rows of one
    execution. With `merge = "always"`."""
    batch_timeout_us: Microseconds | None = None
    """Microseconds that a request waits for others at most. With `merge = "always"`."""
    intra_op_threads: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Threads of one execution; 0 lets the warm-up decide. The operator's alone, as are the SavedModels' settings."""
    interpreters: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Calls that a TensorFlow Lite model executes at one time at most; 0: one for each thread. The operator's alone."""
    inter_op_threads: Annotated[int, Field(ge=0, le=1024)] | None = None
    """SavedModels: threads of its own for operators that do not need each other; 0 lets the warm-up decide."""
    mixed_precision: Literal["off", "bfloat16"] | None = None
    """SavedModels: computes some operators in bfloat16, on processors that have AVX-512; others stay with float32."""
    savedmodel_tags: list[Annotated[str, Field(pattern=r"^[^\x00]*$")]] | None = None
    """SavedModels: serves the graph that has exactly these tags; default `["serve"]`."""
    session_config_file: Annotated[str, Field(pattern=r"^[^\x00]+$")] | None = None
    """SavedModels: path of a file with TensorFlow's `ConfigProto` in text form, relative to `turnout.toml`."""
    xla: bool | None = None
    """SavedModels: compiles parts of the graph by XLA at their first calls, once for each shape."""
    keep_previous: bool | None = None
    """Keeps the version that served before in memory, so that a rollback takes milliseconds."""
    labels: dict[str, Annotated[int, Field(ge=1)]] | None = None
    """Movable names of versions: `{stable = 2}`."""
    latest_count: Count | None = None
    """How many of the newest versions the policy `latest` wants."""
    load_timeout_ms: Annotated[int, Field(ge=1000, le=86_400_000)] | None = None
    """Milliseconds that loading and warming up may take; `model.toml` can only lower it."""
    max_batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Rows that are executed together at most, and with `merge = "always"` rows of one request; `model.toml` can only
    lower it."""
    max_enqueued_batches: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Batches that wait at most, for each signature; `model.toml` can only lower it. With `merge = "always"`."""
    max_execution_rows: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Rows of one execution at most, with `split_large_requests`; 0 takes `max_batch_rows`."""
    max_queue: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests that wait at most; `model.toml` can only lower it."""
    merge: Literal["auto", "never", "always"] | None = None
    """Executes requests together where that was shown to change nothing (`auto`), never, or as the operator vouches
    (`always`), by TensorFlow Serving's batching parameters."""
    pad_variable_lengths: bool | None = None
    """Fills requests of different lengths up to the longest with their first element. With `merge = "always"`."""
    policy: Literal["latest", "all", "specific"] | None = None
    """Which versions are wanted: the newest ones, all, or those of `specific_versions`."""
    request_log_rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """Part of the answered calls that is written to the request log: 0 is none, 1 is all. The operator's alone."""
    split_large_requests: bool | None = None
    """Cuts requests to fill batches of `max_execution_rows`, and joins their answers. With `merge = "always"`."""
    specific_versions: list[Annotated[int, Field(ge=1)]] | None = None
    """The versions that the policy `specific` wants."""
    swap: Literal["availability_first", "memory_first"] | None = None
    """Loads the new version before the old one goes, or frees the memory first and answers nothing in between."""
    warmup_iterations: Annotated[int, Field(ge=0, le=1000)] | None = None
    """How often each request of a version's warm-up file is run before it serves; 0 leaves the file alone."""


class ModelTableSchema(ModelSchema):
    """What a table `[models.NAME]` of `turnout.toml` can say: a model's settings, and where the model lies."""

    path: Annotated[str, Field(pattern=r"^[^\x00]+$")] | None = None
    """Its folder, a version's folder or a model file, relative to `turnout.toml`. Not together with `repository`."""


OPERATOR_ONLY = frozenset(
    {
        *ServerSchema.model_fields, "engine", "inter_op_threads", "interpreter", "interpreters", "intra_op_threads",
        "library", "mixed_precision", "path", "python", "request_log_rate", "savedmodel_tags", "session_config_file",
        "xla",
    }
)  # fmt: skip
"""Names that a file inside the repository is refused: they grant trust, choose what is run, or set a limit."""

LOWER_ONLY = ("load_timeout_ms", "max_batch_rows", "max_enqueued_batches", "max_queue")
"""Limits that a file inside the repository may lower and never raise."""


def check(
    schema: type[Schema],
    values: Mapping[str, Any],
    where: Mapping[str, str],
    *,
    strict: bool,
    elsewhere: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Returns the values that are set, converted and within their bounds.

    Args:
        schema: what is allowed.
        values: what was given, by setting.
        where: for each setting, where it was given, in words.
        strict: whether text that looks like a number is refused; files are strict, variables cannot be.
        elsewhere: how names that do not belong here are written instead.

    Raises:
        ConfigError: a name is unknown or a value does not fit.
    """
    for name in values:
        if name not in schema.model_fields:
            raise unknown_setting(name, where[name], schema.model_fields, elsewhere or {})
    try:
        return schema.model_validate(dict(values), strict=strict).model_dump(exclude_unset=True, exclude_none=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise ConfigError(
            f"setting `{name}` in {where[name]} is not valid: expected {_expected(cast('Any', first))},"
            f" got {values[name]!r}"
        ) from error


def unknown_setting(name: str, where: str, known: Mapping[str, Any], elsewhere: Mapping[str, str]) -> ConfigError:
    """Makes the error for a name that does not exist here, with the closest one that does as the hint."""
    close = [elsewhere[name]] if name in elsewhere else get_close_matches(name, list(known), n=1)
    hint = f"Did you mean `{close[0]}`?" if close else "`turnout config show` lists every setting."
    return ConfigError(f"unknown setting in {where}: `{name}`", hint=hint)


_EXPECTED = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "`true` or `false`",
    "bool_parsing": "`true` or `false`",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "string_pattern_mismatch": "a path",
    "list_type": "a list",
    "model_type": "a table",
    "dict_type": "a table",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}
"""Our words for the kinds of errors that the schemas above can cause."""


def _expected(error: Mapping[str, Any]) -> str:
    words: str = _EXPECTED.get(error["type"]) or error["msg"]
    return words.format(**error.get("ctx", {}))
