"""The flags of `tensorflow_model_server`: names, types and defaults are upstream's, and what becomes of each here."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

FlagKind: TypeAlias = Literal["bool", "float", "int32", "int64", "string"]
FlagValue: TypeAlias = bool | float | int | str

State: TypeAlias = Literal["same", "better", "changed", "ignored", "not yet", "refused"]
"""`same`: it does what it did. `better`: it does more, or fails less. `changed`: look at it. `ignored`: nothing is
lost. `not yet`: it is accepted, and a warning in the log says that it does nothing. `refused`: there is no start."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Attributes:
        name: without the dashes.
        kind: what its text is read as.
        default: its value where it is not given; None where the machine decides, as upstream has it too.
        state: what becomes of it.
        text: what that means, for the table in the migration guide and for the warning.
    """

    name: str
    kind: FlagKind
    default: FlagValue | None
    state: State
    text: str


_LOOPS = "requests run on one event loop per core (`TURNOUT_LOOPS`)"
_THREADS = "threads of one execution; 0 lets the warm-up decide"

FLAGS = (
    Flag("port", "int32", 8500, "same", "gRPC, on 0.0.0.0; 0 turns the TCP port off"),
    Flag(
        "grpc_socket_path", "string", "", "changed",
        "a Unix socket beside the port, without TLS. A client of gRPC's own library sends the path as its authority,"
        " which is refused, unless it has the channel option `grpc.default_authority=localhost`",
    ),
    Flag("rest_api_port", "int32", 0, "same", "REST, on all interfaces; 0 turns it off, and so does gRPC's own port"),
    Flag("rest_api_num_threads", "int32", None, "ignored", f"{_LOOPS}; `=1` does not hang"),
    Flag("rest_api_timeout_in_ms", "int32", 30_000, "same", "gRPC calls without a deadline have a day"),
    Flag("rest_api_enable_cors_support", "bool", False, "same", "see [REST](../concepts/rest.md)"),
    Flag(
        "enable_batching", "bool", False, "better",
        "with upstream's defaults. [A request that does not fit fails alone](../concepts/batching.md)",
    ),
    Flag("batching_parameters_file", "string", "", "changed", "see [its fields](#batching-batchingparameters)"),
    Flag("enable_per_model_batching_parameters", "bool", False, "not yet", "`batching_params.pbtxt` is not read"),
    Flag(
        "allow_version_labels_for_unavailable_models", "bool", False, "better",
        "always: a label may name a version that is not loaded; requests for it are refused until it is",
    ),
    Flag("model_config_file", "string", "", "same", "see [its fields](#models-modelserverconfig)"),
    Flag(
        "model_config_file_poll_wait_seconds", "int32", 0, "better",
        "a changed file is taken over without losing a request, a broken one changes nothing, an unchanged one"
        " is left alone",
    ),
    Flag("model_name", "string", "default", "same", "without effect beside `--model_config_file`"),
    Flag("model_base_path", "string", "", "better", "it may be relative, and it may be missing at the start"),
    Flag("num_load_threads", "int32", 0, "ignored", "models load beside each other: none waits for a slow one"),
    Flag("num_unload_threads", "int32", 0, "ignored", "unloading holds nothing up"),
    Flag("max_num_load_retries", "int32", 5, "better", "changed files are tried again at once"),
    Flag(
        "load_retry_interval_micros", "int64", 60_000_000, "better",
        "the longest wait: the first is at most a second and each is twice the one before",
    ),
    Flag(
        "file_system_poll_wait_seconds", "int32", 1, "better",
        "local folders tell their changes at once, remote ones are looked at as often as this; 0 and less: only at"
        " the start. A missing folder holds up no other model",
    ),
    Flag("flush_filesystem_caches", "bool", True, "ignored", "the system frees its caches by itself"),
    Flag("tensorflow_session_parallelism", "int64", 0, "same", f"of both kinds: {_THREADS}"),
    Flag("tensorflow_intra_op_parallelism", "int64", 0, "same", _THREADS),
    Flag("tensorflow_inter_op_parallelism", "int64", 0, "same", f"of operators beside each other: {_THREADS}"),
    Flag(
        "tensorflow_session_config_file", "string", "", "same",
        "every field of `ConfigProto` that the installed TensorFlow knows; goes before the flags for threads",
    ),
    Flag("use_alts_credentials", "bool", False, "refused", "there is no ALTS, and plain text would be worse"),
    Flag(
        "ssl_config_file", "string", "", "better",
        "see [its fields](#tls-sslconfig): gRPC's TCP port speaks TLS; a changed file is taken up within seconds",
    ),
    Flag("platform_config_file", "string", "", "changed", "see [its fields](#platforms-platformconfigmap)"),
    Flag("per_process_gpu_memory_fraction", "float", 0.0, "not yet", "there is no GPU engine"),
    Flag("saved_model_tags", "string", "serve", "same", "exactly these, with commas between"),
    Flag(
        "grpc_channel_arguments", "string", "", "changed",
        "`grpc.max_concurrent_streams` is honoured; the others are warned of: they tune upstream's library",
    ),
    Flag("grpc_max_threads", "int32", None, "ignored", f"{_LOOPS}; they do not run out of threads"),
    Flag(
        "enable_model_warmup", "bool", True, "better",
        "[warm-up files](../concepts/versions.md#warm-up-files); without, made-up rows still warm versions up",
    ),
    Flag("num_request_iterations_for_warmup", "int32", 0, "same", "at most 1000"),
    Flag("version", "bool", False, "same", "prints the versions of this server and of TensorFlow"),
    Flag(
        "monitoring_config_file", "string", "", "better",
        "see [its fields](#monitoring-monitoringconfig); `/metrics` has Turnout's own, by version and signature",
    ),
    Flag("remove_unused_fields_from_bundle_metagraph", "bool", True, "ignored", "it saved memory"),
    Flag("prefer_tflite_model", "bool", False, "same", "see [TensorFlow Lite models](../concepts/tflite.md)"),
    Flag("num_tflite_pools", "int32", None, "changed", "pools times interpreters are the calls at one time"),
    Flag("num_tflite_interpreters_per_pool", "int32", 1, "changed", "counts where `--num_tflite_pools` is given"),
    Flag("enable_signature_method_name_check", "bool", False, "not yet", "Predict may be called on any signature"),
    Flag("xla_cpu_compilation_enabled", "bool", False, "same", "see [SavedModels](../concepts/savedmodel.md#settings)"),
    Flag("xla_gpu_compilation_enabled", "bool", False, "not yet", "there is no GPU engine"),
    Flag("enable_profiler", "bool", True, "not yet", "there is no `ProfilerService`"),
    Flag("thread_pool_factory_config_file", "string", "", "not yet", "thread pools cannot be replaced"),
    Flag("mixed_precision", "string", "", "same", "`bfloat16`; other values are refused"),
    Flag("skip_initialize_tpu", "bool", False, "ignored", "there is no TPU engine to initialise"),
    Flag("enable_grpc_healthcheck_service", "bool", False, "better", "`grpc.health.v1.Health` is always there"),
    Flag(
        "enable_serialization_as_tensor_content", "bool", False, "better",
        "Predict's numbers; strings stay where every client reads them, and REST does not break",
    ),
)  # fmt: skip
"""In the order of upstream's own list."""


def find_flag(name: str) -> Flag | None:
    """Returns the flag of that name, or None."""
    return next((flag for flag in FLAGS if flag.name == name), None)


def flag_table() -> str:
    """Returns the flags as a table in Markdown, for the migration guide."""
    rows = [f"| `--{flag.name}` | {_shown(flag.default)} | {flag.state} | {flag.text} |" for flag in FLAGS]
    return "\n".join(["| flag | default | state | here |", "|---|---|---|---|", *rows])


def _shown(default: FlagValue | None) -> str:
    if default is None:
        return "the cores"
    if isinstance(default, bool):
        return str(default).lower()
    return f"`{default}`" if default != "" else ""
