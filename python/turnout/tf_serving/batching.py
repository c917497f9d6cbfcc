"""What `BatchingParameters` say: settings of every model, and one of the server."""

from typing import cast

from turnout.config.batching import allowed_rows_fault
from turnout.config.schema import ModelTableSchema, ServerSchema
from turnout.text_proto.schema import Record
from turnout.tf_serving.outcome import Outcome, Reading, SettingValue, Table, largest_model_setting, set_if_possible

DEFAULT_BATCH_ROWS = 1000
"""Upstream's `max_batch_size` where a file says nothing."""
DEFAULT_BATCHES = 10
"""Upstream's `max_enqueued_batches` where a file says nothing."""

Models = list[Table]


def translate_batching(file: str, parameters: Record, outcome: Outcome) -> None:
    """Adds what the parameters mean to the server's table and to every model's: all of them merge, as upstream does."""
    reading, models = Reading(file, parameters, outcome.server), list(outcome.models.values())
    _set(reading, models, "merge", None, "always")
    rows = _translate_sizes(reading, models)
    _translate_queue(reading, models, rows)
    timeout = _number(reading, "batch_timeout_micros")
    if timeout is not None:
        _set(reading, models, "batch_timeout_us", "batch_timeout_micros", timeout)
    _translate_padding(reading, models, rows)
    threads = _number(reading, "num_batch_threads")
    if threads is not None:
        fault = set_if_possible(outcome.server, ServerSchema, "executor_threads", threads)
        text = "`executor_threads`: threads of one model at most; short batches run on the event loops"
        reading.remark("num_batch_threads", "left_out" if fault else "changed", fault or text, value=threads)
    if "thread_pool_name" in parameters.values:
        name = reading.within("thread_pool_name").record.text("value")
        reading.remark("thread_pool_name", "ignored", "metrics carry the model, version and signature", value=name)


def _translate_sizes(reading: Reading, models: Models) -> int:
    """Returns the most rows of one execution."""
    splitting = reading.within("enable_large_batch_splitting").record.flag("value")
    largest, executed = _number(reading, "max_batch_size"), _number(reading, "max_execution_batch_size")
    field = None if largest is None else "max_batch_size"
    if not _set(reading, models, "max_batch_rows", field, DEFAULT_BATCH_ROWS if largest is None else largest):
        largest = None
    rows = DEFAULT_BATCH_ROWS if largest is None else largest
    if splitting:
        _set(reading, models, "split_large_requests", None, True)
    if executed is None:
        return rows
    if not splitting:
        reading.remark("max_execution_batch_size", "ignored", "upstream reads it only when splitting", value=executed)
        return rows
    if executed > rows:
        text = f"expected at most `max_batch_size`, {rows}"
        reading.remark("max_execution_batch_size", "left_out", text, value=executed)
        return rows
    _set(reading, models, "max_execution_rows", "max_execution_batch_size", executed)
    return executed or rows


def _translate_queue(reading: Reading, models: Models, rows: int) -> None:
    """`max_queue`, which bounds requests, is made to leave the bound to the batches."""
    given = _number(reading, "max_enqueued_batches")
    batches = DEFAULT_BATCHES if given is None else given
    if batches == 0:
        text = "1, as upstream takes it without splitting"
        reading.remark("max_enqueued_batches", "changed", text, value=0)
        batches, given = 1, None
    field = None if given is None else "max_enqueued_batches"
    if not _set(reading, models, "max_enqueued_batches", field, batches):
        batches = DEFAULT_BATCHES
    most = largest_model_setting("max_queue")
    _set(reading, models, "max_queue", None, min(batches * max(rows, 1), most))


def _translate_padding(reading: Reading, models: Models, rows: int) -> None:
    if "allowed_batch_sizes" in reading.record.values:
        allowed = cast("list[int]", reading.record.values["allowed_batch_sizes"])
        fault = allowed_rows_fault(allowed, rows)
        if fault is None:
            _set(reading, models, "allowed_batch_rows", "allowed_batch_sizes", allowed)
        else:
            reading.remark("allowed_batch_sizes", "left_out", fault)
    if reading.record.flag("pad_variable_length_inputs"):
        _set(reading, models, "pad_variable_lengths", None, True)
        text = (
            "`pad_variable_lengths`: lengths up to 16, and those within a factor of two, are joined; others run apart"
        )
        reading.remark("pad_variable_length_inputs", "changed", text)


def _set(reading: Reading, models: Models, name: str, field: str | None, value: SettingValue) -> bool:
    """Sets a setting of every model, or remarks on the field whose value it cannot have; returns whether it was set."""
    faults = [set_if_possible(table, ModelTableSchema, name, value) for table in models]
    fault = next((fault for fault in faults if fault is not None), None)
    if fault is not None and field is not None:
        reading.remark(field, "left_out", fault, value=value)
    return fault is None


def _number(reading: Reading, name: str) -> int | None:
    """Returns a field that holds a message with one number; None where it was not set."""
    return reading.within(name).record.integer("value") if name in reading.record.values else None
