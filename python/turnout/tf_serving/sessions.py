"""What the files say about TensorFlow's sessions: settings of every model."""

from collections.abc import Sequence
from pathlib import Path

from turnout.config.schema import ModelTableSchema
from turnout.text_proto.schema import Record
from turnout.tf_serving.outcome import Kind, Outcome, Reading, SettingValue, Table, set_if_possible

_TOGGLE_ON = 1
"""`ON` of the switches in `rewrite_options`."""

_BY_HAND = "copy it into a file with a `ConfigProto`, and name that in `session_config_file` of the models"

_KNOWN: dict[str, tuple[Kind, str]] = {
    "enable_model_warmup": (
        "changed",
        "warm-up files are run unless `warmup_iterations = 0` in a model's table; every version is warmed up besides",
    ),
    "model_warmup_options.num_request_iterations": ("changed", "it is `warmup_iterations` in a model's table"),
}

_SETTINGS: dict[str, Sequence[str]] = {
    "intra_op_threads": ("intra_op_parallelism_threads",),
    "inter_op_threads": ("inter_op_parallelism_threads",),
    "xla": ("graph_options", "optimizer_options", "cpu_global_jit"),
    "mixed_precision": ("graph_options", "rewrite_options", "auto_mixed_precision_onednn_bfloat16"),
}
"""Settings, and the fields of a `ConfigProto` that they stand for."""


def translate_session_file(file: Path, outcome: Outcome) -> None:
    """Has every model name the file, which was read already to see whether it is right."""
    for table in outcome.models.values():
        set_if_possible(table, ModelTableSchema, "session_config_file", str(file.absolute()))


def translate_bundle(reading: Reading, models: Sequence[Table]) -> None:
    """Adds what a `SessionBundleConfig` says beside batching to the tables of the models."""
    remarks, tags = dict(_KNOWN), "saved_model_tags"
    for setting, path in _SETTINGS.items():
        number = _number(reading.record.record("session_config"), path)
        if number is not None:
            remarks[".".join(("session_config", *path))] = _set(models, setting, _value(setting, number))
    for name in reading.record.values:
        if name == tags:
            reading.remark(tags, *_set(models, "savedmodel_tags", reading.record.texts(tags)))
        elif name == "session_config":
            reading.remark_leaves(name, "not_yet", _BY_HAND, remarks)
        elif name != "batching_parameters":
            reading.remark_leaves(name, "not_yet", "it has no counterpart", remarks)


def _number(record: Record | None, path: Sequence[str]) -> int | None:
    *outer, name = path
    for each in outer:
        record = None if record is None else record.record(each)
    return record.integer(name) if record is not None and name in record.values else None


def _value(setting: str, number: int) -> "SettingValue | None":
    """Returns what a setting is where a field has this number; None for what it is anyway."""
    if setting == "mixed_precision":
        return "bfloat16" if number == _TOGGLE_ON else None
    if setting == "xla":
        return True if number else None
    return number if number > 0 else None


def _set(models: Sequence[Table], setting: str, value: "SettingValue | None") -> tuple[Kind, str]:
    if value is None:
        return "ignored", f"`{setting}` is so without being set"
    faults = [set_if_possible(table, ModelTableSchema, setting, value) for table in models]
    fault = next((fault for fault in faults if fault is not None), None)
    return ("left_out", fault) if fault is not None else ("changed", f"it is `{setting}` of every model")
