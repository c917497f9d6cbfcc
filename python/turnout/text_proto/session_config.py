"""TensorFlow's `ConfigProto`, which says how a session works, with its fields as the `.proto` file has them."""

from turnout.text_proto.schema import AnyOf, EnumType, Field, MapOf, Message, Scalar

_DISTRIBUTED = "it is about sessions that span machines"


def _scalars(kind: Scalar, *fields: tuple[int, str]) -> list[Field]:
    """Makes fields of one type, each from its number and its name."""
    return [Field(number, name, kind) for number, name in fields]


GPU_OPTIONS = Message(
    "GPUOptions",
    (
        *_scalars("double", (1, "per_process_gpu_memory_fraction")),
        *_scalars("string", (2, "allocator_type"), (5, "visible_device_list")),
        *_scalars("int64", (3, "deferred_deletion_bytes")),
        *_scalars("bool", (4, "allow_growth"), (8, "force_gpu_compatible")),
        *_scalars("int32", (6, "polling_active_delay_usecs"), (7, "polling_inactive_delay_msecs")),
        Field(9, "experimental", AnyOf({}), refusal="it sets up a GPU, and TensorFlow runs on processors here"),
    ),
)
OPTIMIZER_OPTIONS_LEVEL = EnumType("Level", {"L1": 0, "L0": -1})
OPTIMIZER_OPTIONS_GLOBAL_JIT_LEVEL = EnumType("GlobalJitLevel", {"DEFAULT": 0, "OFF": -1, "ON_1": 1, "ON_2": 2})
OPTIMIZER_OPTIONS = Message(
    "OptimizerOptions",
    (
        *_scalars(
            "bool",
            (1, "do_common_subexpression_elimination"),
            (2, "do_constant_folding"),
            (4, "do_function_inlining"),
            (7, "cpu_global_jit"),
        ),
        *_scalars("int64", (6, "max_folded_constant_in_bytes")),
        Field(3, "opt_level", OPTIMIZER_OPTIONS_LEVEL),
        Field(5, "global_jit_level", OPTIMIZER_OPTIONS_GLOBAL_JIT_LEVEL),
    ),
)
REWRITER_CONFIG_TOGGLE = EnumType(
    "Toggle", {"DEFAULT": 0, "ON": 1, "OFF": 2, "AGGRESSIVE": 3, "EXPERIMENTAL_MLIR": 4, "EXPERIMENTAL_BOTH": 5}
)
REWRITER_CONFIG_MEM_OPT_TYPE = EnumType(
    "MemOptType",
    {
        "DEFAULT_MEM_OPT": 0,
        "NO_MEM_OPT": 1,
        "MANUAL": 2,
        "SWAPPING_HEURISTICS": 4,
        "RECOMPUTATION_HEURISTICS": 5,
        "SCHEDULING_HEURISTICS": 6,
        "HEURISTICS": 3,
    },
)
AUTO_PARALLEL_OPTIONS = Message(
    "AutoParallelOptions",
    (
        *_scalars("bool", (1, "enable")),
        *_scalars("int32", (2, "num_replicas")),
    ),
)
REWRITER_CONFIG_NUM_ITERATIONS_TYPE = EnumType("NumIterationsType", {"DEFAULT_NUM_ITERS": 0, "ONE": 1, "TWO": 2})
SCOPED_ALLOCATOR_OPTIONS = Message(
    "ScopedAllocatorOptions",
    (Field(1, "enable_op", "string", repeated=True),),
)
REWRITER_CONFIG_CPU_LAYOUT = EnumType("CpuLayout", {"NO_CONVERSION_ON_CPU": 0, "NCHW_TO_NHWC": 1, "NHWC_TO_NCHW": 2})
VERIFIER_CONFIG_TOGGLE = EnumType("Toggle", {"DEFAULT": 0, "ON": 1, "OFF": 2})
VERIFIER_CONFIG = Message(
    "VerifierConfig",
    (
        *_scalars("int64", (1, "verification_timeout_in_ms")),
        Field(2, "structure_verifier", VERIFIER_CONFIG_TOGGLE),
    ),
)
REWRITER_CONFIG = Message(
    "RewriterConfig",
    (
        *_scalars(
            "bool",
            (2, "disable_model_pruning"),
            (19, "disable_meta_optimizer"),
            (21, "fail_on_optimizer_errors"),
            (26, "experimental_disable_compressed_tensor_optimization"),
            (27, "experimental_disable_folding_quantization_emulation"),
            (32, "disable_tfg_optimizer"),
        ),
        *_scalars("string", (6, "memory_optimizer_target_node_name_scope")),
        *_scalars("int32", (17, "min_graph_nodes")),
        *_scalars("int64", (20, "meta_optimizer_timeout_ms")),
        Field(1, "layout_optimizer", REWRITER_CONFIG_TOGGLE),
        Field(3, "constant_folding", REWRITER_CONFIG_TOGGLE),
        Field(4, "memory_optimization", REWRITER_CONFIG_MEM_OPT_TYPE),
        Field(5, "auto_parallel", AUTO_PARALLEL_OPTIONS),
        Field(7, "arithmetic_optimization", REWRITER_CONFIG_TOGGLE),
        Field(8, "dependency_optimization", REWRITER_CONFIG_TOGGLE),
        Field(9, "loop_optimization", REWRITER_CONFIG_TOGGLE),
        Field(10, "function_optimization", REWRITER_CONFIG_TOGGLE),
        Field(11, "debug_stripper", REWRITER_CONFIG_TOGGLE),
        Field(12, "meta_optimizer_iterations", REWRITER_CONFIG_NUM_ITERATIONS_TYPE),
        Field(13, "shape_optimization", REWRITER_CONFIG_TOGGLE),
        Field(14, "remapping", REWRITER_CONFIG_TOGGLE),
        Field(15, "scoped_allocator_optimization", REWRITER_CONFIG_TOGGLE),
        Field(16, "scoped_allocator_opts", SCOPED_ALLOCATOR_OPTIONS),
        Field(18, "pin_to_host_optimization", REWRITER_CONFIG_TOGGLE),
        Field(22, "implementation_selector", REWRITER_CONFIG_TOGGLE),
        Field(23, "auto_mixed_precision", REWRITER_CONFIG_TOGGLE),
        Field(24, "common_subgraph_elimination", REWRITER_CONFIG_TOGGLE),
        Field(25, "auto_mixed_precision_mkl", REWRITER_CONFIG_TOGGLE),
        Field(28, "use_plugin_optimizers", REWRITER_CONFIG_TOGGLE),
        Field(29, "auto_mixed_precision_cpu", REWRITER_CONFIG_TOGGLE),
        Field(30, "experimental_conditional_code_motion", REWRITER_CONFIG_TOGGLE),
        Field(31, "auto_mixed_precision_onednn_bfloat16", REWRITER_CONFIG_TOGGLE),
        Field(50, "cpu_layout_conversion", REWRITER_CONFIG_CPU_LAYOUT),
        Field(100, "optimizers", "string", repeated=True),
        Field(
            200,
            "custom_optimizers",
            AnyOf({}),
            refusal="it configures an optimizer that somebody compiled into their own TensorFlow",
        ),
        Field(300, "inter_optimizer_verifier_config", VERIFIER_CONFIG),
        Field(301, "post_optimization_verifier_config", VERIFIER_CONFIG),
    ),
)
GRAPH_OPTIONS = Message(
    "GraphOptions",
    (
        *_scalars(
            "bool",
            (2, "enable_recv_scheduling"),
            (5, "infer_shapes"),
            (6, "place_pruned_graph"),
            (7, "enable_bfloat16_sendrecv"),
        ),
        *_scalars("int64", (4, "build_cost_model"), (9, "build_cost_model_after")),
        *_scalars("int32", (8, "timeline_step")),
        Field(3, "optimizer_options", OPTIMIZER_OPTIONS),
        Field(10, "rewrite_options", REWRITER_CONFIG),
    ),
)
THREAD_POOL_OPTION_PROTO = Message(
    "ThreadPoolOptionProto",
    (
        *_scalars("int32", (1, "num_threads")),
        *_scalars("string", (2, "global_name")),
    ),
)
SESSION_METADATA = Message(
    "SessionMetadata",
    (
        *_scalars("string", (1, "name")),
        *_scalars("int64", (2, "version")),
    ),
)
CONFIG_PROTO_EXPERIMENTAL_MLIR_BRIDGE_ROLLOUT = EnumType(
    "MlirBridgeRollout",
    {"MLIR_BRIDGE_ROLLOUT_UNSPECIFIED": 0, "MLIR_BRIDGE_ROLLOUT_ENABLED": 1, "MLIR_BRIDGE_ROLLOUT_DISABLED": 2},
)
CONFIG_PROTO_EXPERIMENTAL = Message(
    "Experimental",
    (
        *_scalars("string", (1, "collective_group_leader"), (3, "executor_type"), (35, "tf2xla_dump_dir")),
        *_scalars("int32", (4, "recv_buf_max_chunk"), (28, "backend_server_port"), (31, "stream_merge_threshold")),
        *_scalars(
            "bool",
            (5, "use_numa_affinity"),
            (6, "collective_deterministic_sequential_execution"),
            (7, "collective_nccl"),
            (8, "share_session_state_in_clusterspec_propagation"),
            (9, "disable_thread_spinning"),
            (10, "share_cluster_devices_in_session"),
            (12, "optimize_for_static_graph"),
            (13, "enable_mlir_bridge"),
            (14, "disable_output_partition_graphs"),
            (16, "enable_mlir_graph_optimization"),
            (18, "use_tfrt"),
            (21, "disable_functional_ops_lowering"),
            (22, "xla_prefer_single_graph_cluster"),
            (24, "disable_optimize_for_static_graph"),
            (26, "disable_eager_executor_streaming_enqueue"),
            (27, "enable_multi_host"),
            (29, "target_tpu"),
            (30, "target_gpu"),
            (32, "tfrt_use_ifrt"),
            (33, "finalize_function_library_runtime"),
            (34, "finalize_resource_manager"),
            (36, "online_cost_analysis"),
        ),
        *_scalars("int64", (15, "xla_fusion_autotuner_thresh")),
        Field(11, "session_metadata", SESSION_METADATA),
        Field(17, "mlir_bridge_rollout", CONFIG_PROTO_EXPERIMENTAL_MLIR_BRIDGE_ROLLOUT),
        Field(23, "coordination_config", AnyOf({}), refusal=_DISTRIBUTED),
    ),
)
CONFIG_PROTO = Message(
    "ConfigProto",
    (
        *_scalars(
            "int32", (2, "intra_op_parallelism_threads"), (3, "placement_period"), (5, "inter_op_parallelism_threads")
        ),
        *_scalars(
            "bool",
            (7, "allow_soft_placement"),
            (8, "log_device_placement"),
            (9, "use_per_session_threads"),
            (15, "isolate_session_state"),
            (17, "share_cluster_devices_in_session"),
        ),
        *_scalars("int64", (11, "operation_timeout_in_ms")),
        Field(
            1,
            "device_count",
            MapOf(Message("DeviceCountEntry", (Field(1, "key", "string"), Field(2, "value", "int32")))),
        ),
        Field(4, "device_filters", "string", repeated=True),
        Field(6, "gpu_options", GPU_OPTIONS),
        Field(10, "graph_options", GRAPH_OPTIONS),
        Field(12, "session_inter_op_thread_pool", THREAD_POOL_OPTION_PROTO, repeated=True),
        Field(13, "rpc_options", AnyOf({}), refusal=_DISTRIBUTED),
        Field(14, "cluster_def", AnyOf({}), refusal=_DISTRIBUTED),
        Field(16, "experimental", CONFIG_PROTO_EXPERIMENTAL),
        Field(18, "pluggable_device_options", GPU_OPTIONS),
    ),
)
