"""What a model's settings say about TensorFlow's session: a file in text form, and settings for parts of it."""

from collections.abc import Sequence
from pathlib import Path

from turnout.config.layers import Resolved
from turnout.errors import ConfigError
from turnout.lifecycle.settings import ModelSettings, SessionSettings
from turnout.text_proto.reader import parse_message, read_message
from turnout.text_proto.schema import Record
from turnout.text_proto.session_config import CONFIG_PROTO
from turnout.text_proto.wire import serialize

MAX_CONFIG_BYTES = 64 * 1024
"""Of a serialized `ConfigProto`: it goes to the data plane with every change of state."""

_XLA = "graph_options { optimizer_options { global_jit_level: ON_1 cpu_global_jit: true } }"
_BFLOAT16 = "graph_options { rewrite_options { auto_mixed_precision_onednn_bfloat16: ON } }"

_OPTIMIZER, _REWRITER = ("graph_options", "optimizer_options"), ("graph_options", "rewrite_options")
_SAME: tuple[tuple[str, tuple[Sequence[str], ...]], ...] = (
    ("intra_op_threads", (("intra_op_parallelism_threads",),)),
    ("inter_op_threads", (("inter_op_parallelism_threads",), ("session_inter_op_thread_pool",))),
    ("xla", ((*_OPTIMIZER, "global_jit_level"), (*_OPTIMIZER, "cpu_global_jit"))),
    ("mixed_precision", ((*_REWRITER, "auto_mixed_precision_onednn_bfloat16"),)),
)
"""Settings, and the fields of a `ConfigProto` that say the same."""


def read_session(resolved: Resolved[ModelSettings], folder: Path) -> SessionSettings:
    """Returns what the settings of a model come to; reads the file that they name.

    Args:
        resolved: a model's settings.
        folder: where `turnout.toml` lies: a path in it is relative to that, and any other one to the current folder.

    Raises:
        ConfigError: the file cannot be read or is wrong, or a setting and the file say the same thing.
    """
    settings = resolved.settings
    record = Record(CONFIG_PROTO)
    if settings.session_config_file is not None:
        is_in_file = resolved.origins["session_config_file"].kind == "turnout.toml"
        path = Path(folder if is_in_file else "", settings.session_config_file)
        record = read_message(path, CONFIG_PROTO)
        _refuse_contradictions(resolved, record, path)
    parts = [serialize(record)]
    parts += [serialize(parse_message(_XLA, CONFIG_PROTO, "xla"))] if settings.xla else []
    parts += [serialize(parse_message(_BFLOAT16, CONFIG_PROTO, ""))] if settings.mixed_precision == "bfloat16" else []
    config = b"".join(parts)
    if len(config) > MAX_CONFIG_BYTES:
        raise ConfigError(
            f"`{settings.session_config_file}` says too much: expected at most {MAX_CONFIG_BYTES} bytes when it is"
            f" serialized, got {len(config)}"
        )
    name = "inter_op_parallelism_threads"
    inter_op = record.integer(name) if name in record.values else settings.inter_op_threads or None
    return SessionSettings(config, max(0, record.integer("intra_op_parallelism_threads")), inter_op)


def _refuse_contradictions(resolved: Resolved[ModelSettings], record: Record, path: Path) -> None:
    defaults = ModelSettings()
    for name, fields in _SAME:
        value = getattr(resolved.settings, name)
        line = next((line for field in fields if (line := _line_of(record, field)) is not None), None)
        if value != getattr(defaults, name) and line is not None:
            raise ConfigError(
                f"setting `{name}` ({resolved.origins[name]}) is also said by `{path}`, line {line}",
                hint="Let one of the two say it.",
            )


def _line_of(record: Record, path: Sequence[str]) -> int | None:
    """Returns the line on which a field stands that is set, or None."""
    *outer, name = path
    for each in outer:
        inner = record.record(each)
        if inner is None:
            return None
        record = inner
    return record.lines.get(name)
