"""What a `ModelServerConfig` says, as tables `[models.NAME]`."""

import re
from pathlib import Path
from typing import cast

from turnout.config.schema import ModelTableSchema
from turnout.errors import ConfigError
from turnout.repository.layout import MAX_VERSION, model_name_fault
from turnout.text_proto.schema import Record
from turnout.tf_serving.messages import MODEL_TYPE
from turnout.tf_serving.outcome import Outcome, Reading, Remark, Table, set_if_possible

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def translate_models(file: str, config: Record, outcome: Outcome) -> None:
    """Adds a table for each model of the file.

    Raises:
        ConfigError: a model has no path, or two have one name; upstream refuses both too.
    """
    models = config.record("model_config_list")
    for record in models.records("config") if models is not None else []:
        name = record.text("name")
        line = min(record.lines.values(), default=0)
        if name in outcome.models:
            raise ConfigError(f"`{file}`, line {line}: a second model has this name: `{name}`")
        if not record.text("base_path"):
            raise ConfigError(f"`{file}`, line {line}: the model has no `base_path`: `{name}`")
        fault = model_name_fault(name)
        table = outcome.server if fault is not None else outcome.models.setdefault(name, Table())
        reading = Reading(file, record, table)
        if fault is not None:
            text = f"no model can have that name here, {fault}; its `base_path`: `{record.text('base_path')}`"
            table.remarks.append(Remark(file, line, f"name: {name!r}", "left_out", text))
        else:
            _translate_model(reading)


def _translate_model(reading: Reading) -> None:
    _translate_path(reading)
    _translate_platform(reading)
    _translate_policy(reading)
    _translate_labels(reading)
    if "logging_config" in reading.record.values:
        text = "set `request_log_rate` in the model's table to record calls; the log holds what clients send"
        reading.remark_leaves("logging_config", "changed", text)


def _translate_path(reading: Reading) -> None:
    text = reading.record.text("base_path")
    scheme = _SCHEME.match(text)
    if scheme is not None and scheme[1].lower() != "file":
        remark = f"there is no file system `{scheme[1]}`: mount or copy it, and set `path`"
        reading.remark("base_path", "not_yet", remark)
        return
    path = Path(text[scheme.end() :] if scheme is not None else text)
    if not path.is_absolute():
        path = Path(reading.file).absolute().parent / path
        text = "upstream refuses a relative path; here it is relative to the file that names it"
        reading.remark("base_path", "changed", text)
    fault = set_if_possible(reading.table, ModelTableSchema, "path", str(path))
    if fault is not None:
        reading.remark("base_path", "left_out", fault)


def _translate_platform(reading: Reading) -> None:
    known = {"model_platform": "tensorflow", "model_type": MODEL_TYPE.numbers["TENSORFLOW"]}
    for name, usual in known.items():
        value = reading.record.values.get(name)
        if value == usual:
            reading.remark(name, "ignored", "the files of a version say what they are")
        elif value:
            text = "platforms cannot be added; the files of a version say what they are"
            reading.remark(name, "not_yet", text)


def _translate_policy(reading: Reading) -> None:
    settings, policy = reading.table.settings, reading.record.record("model_version_policy")
    if policy is not None:
        if (latest := policy.record("latest")) is not None:
            settings["policy"] = "latest"
            settings["latest_count"] = max(1, latest.integer("num_versions"))
        elif policy.record("all") is not None:
            settings["policy"] = "all"
        elif (specific := policy.record("specific")) is not None:
            settings["policy"] = "specific"
            settings["specific_versions"] = _versions(Reading(reading.file, specific, reading.table))
    # Upstream unloads what is no longer wanted; Turnout's default would hold up to twice the memory.
    settings["keep_previous"] = False


def _versions(reading: Reading) -> list[int]:
    listed = reading.record.integers("versions")
    wrong = [version for version in listed if not 1 <= version <= MAX_VERSION]
    if wrong:
        reading.remark("versions", "left_out", "versions begin at 1", value=wrong)
    return [version for version in listed if version not in wrong]


def _translate_labels(reading: Reading) -> None:
    labels = cast("dict[str, int]", reading.record.mapping("version_labels"))
    wrong = {label: version for label, version in labels.items() if version < 1}
    if wrong:
        reading.remark("version_labels", "left_out", "versions begin at 1", value=wrong)
    kept = {label: version for label, version in labels.items() if label not in wrong}
    fault = set_if_possible(reading.table, ModelTableSchema, "labels", kept) if kept else None
    if fault is not None:
        reading.remark("version_labels", "left_out", fault)
    elif kept:
        text = "a label may name a version that is not loaded; requests for it are refused until it is"
        reading.remark("version_labels", "changed", text)
