"""The messages of TensorFlow Serving's configuration files, with their fields as its `.proto` files have them."""

from turnout.text_proto.schema import AnyOf, EnumType, Field, MapOf, Message
from turnout.text_proto.session_config import CONFIG_PROTO

INT32_VALUE = Message("Int32Value", (Field(1, "value", "int32"),))
INT64_VALUE = Message("Int64Value", (Field(1, "value", "int64"),))
BOOL_VALUE = Message("BoolValue", (Field(1, "value", "bool"),))
STRING_VALUE = Message("StringValue", (Field(1, "value", "string"),))

VERSION_POLICY = Message(
    "ServableVersionPolicy",
    (
        Field(100, "latest", Message("Latest", (Field(1, "num_versions", "uint32"),)), oneof="policy_choice"),
        Field(101, "all", Message("All", ()), oneof="policy_choice"),
        Field(
            102,
            "specific",
            Message("Specific", (Field(1, "versions", "int64", repeated=True),)),
            oneof="policy_choice",
        ),
    ),
)

SAMPLING_CONFIG = Message(
    "SamplingConfig",
    (
        Field(1, "sampling_rate", "double"),
        Field(2, "attributes", "int32"),
        Field(
            3,
            "per_task_sampling_configs",
            Message(
                "PerTaskSamplingConfig",
                (Field(1, "dc", "string"), Field(2, "task_index", "int32"), Field(3, "sampling_rate", "double")),
            ),
            repeated=True,
        ),
    ),
)

LOGGING_CONFIG = Message(
    "LoggingConfig",
    (
        Field(
            1,
            "log_collector_config",
            Message("LogCollectorConfig", (Field(1, "type", "string"), Field(2, "filename_prefix", "string"))),
        ),
        Field(2, "sampling_config", SAMPLING_CONFIG),
        Field(
            3,
            "custom_logging_config",
            AnyOf({}),
            refusal="it configures a logger that somebody compiled into their own server",
        ),
    ),
)

MODEL_TYPE = EnumType("ModelType", {"MODEL_TYPE_UNSPECIFIED": 0, "TENSORFLOW": 1, "OTHER": 2})

MODEL_CONFIG = Message(
    "ModelConfig",
    (
        Field(1, "name", "string"),
        Field(2, "base_path", "string"),
        Field(3, "model_type", MODEL_TYPE),
        Field(4, "model_platform", "string"),
        Field(7, "model_version_policy", VERSION_POLICY),
        Field(
            8,
            "version_labels",
            MapOf(Message("VersionLabelsEntry", (Field(1, "key", "string"), Field(2, "value", "int64")))),
        ),
        Field(6, "logging_config", LOGGING_CONFIG),
    ),
)

MODEL_CONFIG_LIST = Message("ModelConfigList", (Field(1, "config", MODEL_CONFIG, repeated=True),))

MODEL_SERVER_CONFIG = Message(
    "ModelServerConfig",
    (
        Field(1, "model_config_list", MODEL_CONFIG_LIST, oneof="config"),
        Field(
            2,
            "custom_model_config",
            AnyOf({}),
            oneof="config",
            refusal="it configures a source of models that somebody compiled into their own server",
        ),
    ),
)

BATCHING_PARAMETERS = Message(
    "BatchingParameters",
    (
        Field(1, "max_batch_size", INT64_VALUE),
        Field(2, "batch_timeout_micros", INT64_VALUE),
        Field(3, "max_enqueued_batches", INT64_VALUE),
        Field(4, "num_batch_threads", INT64_VALUE),
        Field(5, "thread_pool_name", STRING_VALUE),
        Field(6, "allowed_batch_sizes", "int64", repeated=True),
        Field(7, "pad_variable_length_inputs", "bool"),
        Field(8, "enable_large_batch_splitting", BOOL_VALUE),
        Field(9, "max_execution_batch_size", INT64_VALUE),
    ),
)

MONITORING_CONFIG = Message(
    "MonitoringConfig",
    (
        Field(
            1,
            "prometheus_config",
            Message("PrometheusConfig", (Field(1, "enable", "bool"), Field(2, "path", "string"))),
        ),
    ),
)

SSL_CONFIG = Message(
    "SSLConfig",
    (
        Field(1, "server_key", "string"),
        Field(2, "server_cert", "string"),
        Field(3, "custom_ca", "string"),
        Field(4, "client_verify", "bool"),
    ),
)

SESSION_BUNDLE_CONFIG = Message(
    "SessionBundleConfig",
    (
        Field(1, "session_target", "string"),
        Field(2, "session_config", CONFIG_PROTO),
        Field(3, "batching_parameters", BATCHING_PARAMETERS),
        Field(4, "session_run_load_threadpool_index", INT32_VALUE),
        Field(5, "experimental_transient_ram_bytes_during_load", "uint64"),
        Field(6, "saved_model_tags", "string", repeated=True),
        Field(779, "enable_model_warmup", "bool"),
        Field(
            780,
            "model_warmup_options",
            Message("ModelWarmupOptions", (Field(1, "num_request_iterations", INT32_VALUE),)),
        ),
        Field(781, "enable_session_metadata", "bool"),
        Field(782, "remove_unused_fields_from_bundle_metagraph", "bool"),
    ),
)

SAVED_MODEL_ADAPTER = Message(
    "SavedModelBundleSourceAdapterConfig", (Field(1000, "legacy_config", SESSION_BUNDLE_CONFIG),)
)

PLATFORM_CONFIG = Message(
    "PlatformConfig",
    (
        Field(
            1,
            "source_adapter_config",
            AnyOf({"tensorflow.serving.SavedModelBundleSourceAdapterConfig": SAVED_MODEL_ADAPTER}),
        ),
    ),
)

PLATFORM_CONFIG_MAP = Message(
    "PlatformConfigMap",
    (
        Field(
            1,
            "platform_configs",
            MapOf(Message("PlatformConfigsEntry", (Field(1, "key", "string"), Field(2, "value", PLATFORM_CONFIG)))),
        ),
    ),
)
