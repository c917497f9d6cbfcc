"""What each flag of `tensorflow_model_server` does: a case for every row of the migration guide's table."""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from turnout.cli.model_server import image_flags
from turnout.config.settings import ServerSettings
from turnout.errors import ConfigError
from turnout.lifecycle.settings import ModelSettings
from turnout.repository.layout import ModelSource
from turnout.tf_serving.flag_parsing import parse_arguments, usage
from turnout.tf_serving.flags import FLAGS, flag_table
from turnout.tf_serving.inline_tls import InlineTls
from turnout.tf_serving.plan import MAX_MESSAGE_BYTES, Plan, make_plan, rest_host

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "from-tf-serving.md"
BASE = "--model_base_path=/m"

FILES = {
    "batching": "max_batch_size { value: 7 } batch_timeout_micros { value: 5 }",
    "models": "model_config_list { config { name: 'a' base_path: '/a' } config { name: 'b' base_path: '/b' } }",
    "session": "intra_op_parallelism_threads: 3 allow_soft_placement: true",
    "platform": """platform_configs { key: 'tensorflow' value { source_adapter_config {
        [type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig] {
          legacy_config { batching_parameters { max_batch_size { value: 9 } } } } } } }""",
    "on": "prometheus_config { enable: true }",
    "named": "prometheus_config { enable: true, path: '/x' }",
    "off": "prometheus_config { enable: false, path: '/x' }",
    "bad": "prometheus_config { enable: true path: 'x' }",
    "ssl": "server_key: 'K' server_cert: 'C'",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def plan(*flags: str, environ: Mapping[str, str] | None = None) -> Plan:
    is_named = any(flag.startswith(("--model_config_file=", "--model_base_path=")) for flag in flags)
    given = flags if is_named else (BASE, *flags)
    arguments = parse_arguments(given)
    assert arguments.unknown == ()
    ssl_file = arguments.text("ssl_config_file")
    if not ssl_file:
        return make_plan(arguments, None, environ or {})
    tls = InlineTls(Path(ssl_file))
    try:
        return make_plan(arguments, tls.settings, environ or {})
    finally:
        tls.close()


def differences(made: Plan) -> dict[str, Any]:
    """Everything that is not as it is with the base path alone: settings, listeners, lines of the log."""
    usual, found = plan(), dict[str, Any]()
    for field in dataclasses.fields(ServerSettings):
        value = getattr(made.config.server.settings, field.name)
        if value != getattr(usual.config.server.settings, field.name):
            found[field.name] = value
    of_usual = usual.config.model("default").settings
    for name in made.config.model_paths:
        for field in dataclasses.fields(ModelSettings):
            value = getattr(made.config.model(name).settings, field.name)
            if value != getattr(of_usual, field.name) and field.metadata.get("is_setting", True):
                found[f"{name}.{field.name}"] = value
    listeners = [listener.address for listener in made.listeners]
    if listeners != ["0.0.0.0:8500"]:
        found["listeners"] = listeners
    if made.sources != usual.sources:
        found["sources"] = [
            (source.name, str(source.path)) for source in made.sources if isinstance(source, ModelSource)
        ]
    if made.notices:
        found["log"] = [(logging.getLevelName(notice.level), notice.text.split("`")[1]) for notice in made.notices]
    return found


def warned(name: str) -> dict[str, Any]:
    return {"log": [("WARNING", f"--{name}")]}


def told(name: str) -> dict[str, Any]:
    return {"log": [("INFO", f"--{name}")]}


CASES: dict[str, list[tuple[tuple[str, ...], dict[str, Any]]]] = {
    "port": [(("--port=1",), {"listeners": ["0.0.0.0:1"]})],
    "grpc_socket_path": [
        (("--grpc_socket_path=/s",), {"listeners": ["0.0.0.0:8500", "unix:/s"]}),
        (("--port=0", "--grpc_socket_path=/s"), {"listeners": ["unix:/s"]}),
    ],
    "rest_api_port": [
        (("--rest_api_port=2",), {"listeners": ["0.0.0.0:8500", f"{rest_host()}:2"]}),
        (("--rest_api_port=8500",), {"log": [("ERROR", "--rest_api_port")]}),
    ],
    "rest_api_num_threads": [(("--rest_api_num_threads=1",), told("rest_api_num_threads"))],
    "rest_api_timeout_in_ms": [(("--rest_api_timeout_in_ms=5",), {"request_timeout_ms": 5})],
    "rest_api_enable_cors_support": [
        (("--rest_api_enable_cors_support",), {"rest_cors": True}),
        (("--rest_api_enable_cors_support=false",), {}),
    ],
    "enable_batching": [
        (
            ("--enable_batching",),
            {"default.merge": "always", "default.max_batch_rows": 1000, "default.max_queue": 10_000},
        ),
        (("--enable_batching=false",), {}),
    ],
    "batching_parameters_file": [
        (
            ("--enable_batching=true", "--batching_parameters_file=batching"),
            {
                "default.merge": "always",
                "default.max_batch_rows": 7,
                "default.max_queue": 70,
                "default.batch_timeout_us": 5,
            },
        )
    ],
    "enable_per_model_batching_parameters": [
        (("--enable_per_model_batching_parameters",), warned("enable_per_model_batching_parameters"))
    ],
    "allow_version_labels_for_unavailable_models": [(("--allow_version_labels_for_unavailable_models",), {})],
    "model_config_file": [(("--model_config_file=models",), {"sources": [("a", "/a"), ("b", "/b")]})],
    "model_config_file_poll_wait_seconds": [(("--model_config_file_poll_wait_seconds=3",), {})],
    "model_name": [
        (("--model_name=n",), {"sources": [("n", "/m")]}),
        (("--model_name=n", "--model_config_file=models"), {"sources": [("a", "/a"), ("b", "/b")]}),
    ],
    "model_base_path": [
        (("--model_base_path=file:///x",), {"sources": [("default", "/x")]}),
        (("--model_base_path=absent/x",), {"sources": [("default", "FOLDER/absent/x")]}),
    ],
    "num_load_threads": [(("--num_load_threads=2",), told("num_load_threads"))],
    "num_unload_threads": [(("--num_unload_threads=2",), told("num_unload_threads"))],
    "max_num_load_retries": [(("--max_num_load_retries=0",), {"max_load_retries": 0})],
    "load_retry_interval_micros": [(("--load_retry_interval_micros=5000",), {"load_retry_limit_ms": 5})],
    "file_system_poll_wait_seconds": [
        (("--file_system_poll_wait_seconds=3",), {"poll_interval_ms": 3000}),
        (("--file_system_poll_wait_seconds=0",), {"watch": "once"}),
        (("--file_system_poll_wait_seconds=-1",), {"watch": "once"}),
    ],
    "flush_filesystem_caches": [(("--flush_filesystem_caches",), told("flush_filesystem_caches"))],
    "tensorflow_session_parallelism": [
        (("--tensorflow_session_parallelism=2",), {"default.intra_op_threads": 2, "default.inter_op_threads": 2}),
    ],
    "tensorflow_intra_op_parallelism": [
        (("--tensorflow_intra_op_parallelism=2",), {"default.intra_op_threads": 2}),
    ],
    "tensorflow_inter_op_parallelism": [(("--tensorflow_inter_op_parallelism=2",), {"default.inter_op_threads": 2})],
    "tensorflow_session_config_file": [
        (
            ("--tensorflow_session_config_file=session", "--tensorflow_intra_op_parallelism=2"),
            {"default.session_config_file": "FOLDER/session"},
        )
    ],
    "use_alts_credentials": [(("--use_alts_credentials=false",), {})],
    "ssl_config_file": [
        (
            ("--ssl_config_file=ssl",),
            {"tls_certificate": "/proc/self/fd/N", "tls_key": "/proc/self/fd/N", "tls_doors": "grpc"},
        )
    ],
    "platform_config_file": [
        (
            ("--platform_config_file=platform",),
            {"default.merge": "always", "default.max_batch_rows": 9, "default.max_queue": 90},
        )
    ],
    "per_process_gpu_memory_fraction": [
        (("--per_process_gpu_memory_fraction=0.5",), warned("per_process_gpu_memory_fraction")),
        (("--per_process_gpu_memory_fraction=0",), {}),
    ],
    "saved_model_tags": [
        (("--saved_model_tags=serve,gpu",), {"default.savedmodel_tags": ("serve", "gpu")}),
        (("--saved_model_tags=serve",), {}),
    ],
    "grpc_channel_arguments": [
        (("--grpc_channel_arguments=grpc.max_concurrent_streams=9",), {"max_streams": 9}),
        (("--grpc_channel_arguments=grpc.x=1",), warned("grpc_channel_arguments")),
    ],
    "grpc_max_threads": [(("--grpc_max_threads=2",), told("grpc_max_threads"))],
    "enable_model_warmup": [(("--enable_model_warmup=false",), {"default.warmup_iterations": 0})],
    "num_request_iterations_for_warmup": [
        (("--num_request_iterations_for_warmup=2",), {"default.warmup_iterations": 2})
    ],
    "version": [(("--version=false",), {})],
    "monitoring_config_file": [
        (("--monitoring_config_file=on",), {"tf_serving_metrics_path": "/monitoring/prometheus/metrics"}),
        (("--monitoring_config_file=named",), {"tf_serving_metrics_path": "/x"}),
        (("--monitoring_config_file=off",), {"log": [("INFO", "enable: false"), ("INFO", 'path: "/x"')]}),
        (("--monitoring_config_file=bad",), {"log": [("WARNING", 'path: "x"')]}),
    ],
    "remove_unused_fields_from_bundle_metagraph": [
        (("--remove_unused_fields_from_bundle_metagraph",), told("remove_unused_fields_from_bundle_metagraph"))
    ],
    "prefer_tflite_model": [(("--prefer_tflite_model",), {"prefer_tflite": True})],
    "num_tflite_pools": [(("--num_tflite_pools=2",), {"default.interpreters": 2})],
    "num_tflite_interpreters_per_pool": [
        (("--num_tflite_interpreters_per_pool=2",), {}),
        (("--num_tflite_pools=3", "--num_tflite_interpreters_per_pool=2"), {"default.interpreters": 6}),
    ],
    "enable_signature_method_name_check": [
        (("--enable_signature_method_name_check",), warned("enable_signature_method_name_check"))
    ],
    "xla_cpu_compilation_enabled": [(("--xla_cpu_compilation_enabled",), {"default.xla": True})],
    "xla_gpu_compilation_enabled": [(("--xla_gpu_compilation_enabled",), warned("xla_gpu_compilation_enabled"))],
    "enable_profiler": [
        (("--enable_profiler",), warned("enable_profiler")),
        (("--enable_profiler=false",), {}),
    ],
    "thread_pool_factory_config_file": [
        (("--thread_pool_factory_config_file=f",), warned("thread_pool_factory_config_file"))
    ],
    "mixed_precision": [(("--mixed_precision=bfloat16",), {"default.mixed_precision": "bfloat16"})],
    "skip_initialize_tpu": [(("--skip_initialize_tpu",), told("skip_initialize_tpu"))],
    "enable_grpc_healthcheck_service": [(("--enable_grpc_healthcheck_service",), {})],
    "enable_serialization_as_tensor_content": [
        (("--enable_serialization_as_tensor_content",), {"grpc_tensor_content": True})
    ],
}


def test_every_flag_has_a_case_and_a_row() -> None:
    assert list(CASES) == [flag.name for flag in FLAGS]
    assert flag_table() in GUIDE.read_text(encoding="utf-8"), f"the guide should have:\n{flag_table()}"


@pytest.mark.parametrize(
    ("flags", "expected"), [pytest.param(*case, id=case[0][0]) for cases in CASES.values() for case in cases]
)
def test_what_a_flag_does(flags: tuple[str, ...], expected: dict[str, Any], folder: Path) -> None:
    found = differences(plan(*flags))
    for name, value in found.items():
        if isinstance(value, str) and value.startswith("/proc/self/fd/"):
            found[name] = "/proc/self/fd/N"
    if "default.session_config_file" in found:
        found["default.session_config_file"] = found["default.session_config_file"].replace(str(folder), "FOLDER")
    if "sources" in expected:
        expected["sources"] = [(name, path.replace("FOLDER", str(folder))) for name, path in expected["sources"]]
    assert found == expected


def test_what_holds_without_flags() -> None:
    made = plan()
    settings, model = made.config.server.settings, made.config.model("default").settings
    assert (settings.host, settings.request_timeout_ms, settings.max_load_retries) == ("0.0.0.0", 30_000, 5)
    assert (settings.grpc_timeout_ms, settings.tf_serving_metrics_path) == (86_400_000, None)
    assert (settings.load_retry_limit_ms, settings.ready, settings.watch) == (60_000, "first", "auto")
    assert settings.max_body_bytes <= settings.inflight_bytes
    assert settings.max_body_bytes <= MAX_MESSAGE_BYTES
    assert (model.merge, model.keep_previous, model.policy, model.latest_count) == ("never", False, "latest", 1)


def test_variables_set_what_no_flag_sets_and_the_rest_of_the_usual_sources_is_not_read(folder: Path) -> None:
    (folder / "turnout.toml").write_text("[models.other]\npath = '/other'\n")
    environ = {"TURNOUT_READY": "all", "TURNOUT_MODEL_MERGE": "auto", "XDG_CONFIG_HOME": str(folder)}
    made = plan(environ=environ)
    assert made.config.server.settings.ready == "all"
    assert made.config.model("default").settings.merge == "auto"
    assert list(made.config.model_paths) == ["default"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tensorflow_session_parallelism=1", "--tensorflow_intra_op_parallelism=1",
          "--tensorflow_inter_op_parallelism=1"], "excludes the other two"),
        (["--port=0"], "gRPC has no place to listen"),
        (["--port=70000"], "`--port` is no port: 70000"),
        (["--use_alts_credentials"], "there is no ALTS"),
        (["--batching_parameters_file=batching"], "needs `--enable_batching`"),
        (["--grpc_channel_arguments=a"], "expected `NAME=VALUE`, got `a`"),
        (["--model_name=a/b"], "no model can have this name and path"),
        (["--model_base_path=gs://bucket/m"], "no model can have this name and path"),
        (["--model_config_file=absent"], "`absent` cannot be read"),
        (["--platform_config_file=absent"], "`absent` cannot be read"),
        (["--tensorflow_session_config_file=batching"], "expected a field of `ConfigProto`"),
        (["--ssl_config_file=models"], "expected a field of `SSLConfig`"),
    ],
)  # fmt: skip
def test_what_keeps_it_from_starting(flags: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(*flags)


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("--port=+5", "port", 5),
        ("--port=-2147483648", "port", -(2**31)),
        ("--load_retry_interval_micros=9223372036854775807", "load_retry_interval_micros", 2**63 - 1),
        ("--per_process_gpu_memory_fraction=1e-1", "per_process_gpu_memory_fraction", 0.1),
        ("--model_name=a=b", "model_name", "a=b"),
        ("--model_name=", "model_name", ""),
        ("--enable_batching", "enable_batching", True),
        ("--enable_batching=false", "enable_batching", False),
    ],
)
def test_values(word: str, name: str, value: object) -> None:
    arguments = parse_arguments(["--port=1", word])
    assert arguments.given[name] == value
    assert arguments.unknown == ()


@pytest.mark.parametrize("word", ["--port=", "--port=1.5", "--port=2147483648", "--enable_batching=1", "--port=0x1"])
def test_values_that_no_flag_can_have(word: str) -> None:
    with pytest.raises(ConfigError, match="is not valid: expected"):
        parse_arguments([word])


def test_what_is_no_flag_is_told_apart() -> None:
    arguments = parse_arguments(["--nope", "--port", "8500", "-port=1", "--help", "--Port=1"])
    assert arguments.unknown == ("--nope", "--port", "8500", "-port=1", "--Port=1")
    assert arguments.wants_help
    assert arguments.given == {}
    assert "--load_retry_interval_micros" in usage("tensorflow_model_server")


@pytest.mark.parametrize(
    ("environ", "model"),
    [
        ({}, ["--model_name=model", "--model_base_path=/models/model"]),
        ({"MODEL_NAME": "m", "MODEL_BASE_PATH": "/x"}, ["--model_name=m", "--model_base_path=/x/m"]),
    ],
)
def test_variables_of_the_image(environ: dict[str, str], model: list[str]) -> None:
    assert image_flags(environ) == ["--port=8500", "--rest_api_port=8501", *model]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server_key: 'K'", "`F` has no `server_cert`"),
        ("server_key: 'K' server_cert: 'C' client_verify: true", "`F` has no `custom_ca`"),
    ],
)
def test_too_little_for_tls(text: str, message: str) -> None:
    Path("F").write_text(text)
    with pytest.raises(ConfigError, match=message):
        InlineTls(Path("F"))


def test_texts_for_tls_are_files_of_this_process_alone() -> None:
    Path("F").write_text("server_key: 'K' server_cert: 'C' custom_ca: 'A' client_verify: true")
    tls = InlineTls(Path("F"))
    paths = {name: path for name, path in tls.settings.items() if name != "tls_doors"}
    assert {name: Path(path).read_text() for name, path in paths.items()} == {
        "tls_key": "K", "tls_certificate": "C", "tls_client_ca": "A"
    }  # fmt: skip
    Path("F").write_text("server_key: 'K2' server_cert: 'C2' custom_ca: '' client_verify: false")
    with pytest.raises(ConfigError, match="takes effect at the next start alone"):
        tls.reload()
    assert Path(paths["tls_key"]).read_text() == "K"
    Path("F").write_text("server_key: 'second' server_cert: 'C2' custom_ca: 'A2' client_verify: true")
    tls.reload()
    assert Path(paths["tls_key"]).read_text() == "second"
    tls.close()
    assert not Path(paths["tls_key"]).exists()
