"""What `BatchingParameters` say: settings of every model, and one of the server."""

from turnout.config.schema import ModelTableSchema, ServerSchema
from turnout.text_proto.schema import Record
from turnout.tf_serving.outcome import Kind, Outcome, Reading, Table, largest_model_setting, set_if_possible

DEFAULT_BATCH_ROWS = 1000
"""Upstream's `max_batch_size` where a file says nothing."""


def translate_batching(file: str, parameters: Record, outcome: Outcome) -> None:
    """Adds what the parameters mean to the server's table and to every model's."""
    reading, models = Reading(file, parameters, outcome.server), list(outcome.models.values())
    rows = _translate_sizes(reading, models)
    _translate_queue(reading, models, rows)
    threads = _number(reading, "num_batch_threads")
    if threads is not None:
        fault = set_if_possible(outcome.server, ServerSchema, "executor_threads", threads)
        text = "`executor_threads`: only batches that are too long for an event loop run there"
        reading.remark("num_batch_threads", *_verdict(fault, text), value=threads)
    _remark_on_the_others(reading)


def _translate_sizes(reading: Reading, models: list[Table]) -> int:
    """Returns the most rows of a batch, as upstream has it."""
    splitting = reading.within("enable_large_batch_splitting").record.flag("value")
    largest, executed = _number(reading, "max_batch_size"), _number(reading, "max_execution_batch_size")
    if "enable_large_batch_splitting" in reading.record.values:
        text = "no request is cut: one of more rows than a batch runs alone"
        reading.remark("enable_large_batch_splitting", "changed", text, value=splitting)
    if splitting and executed:
        text = "`max_batch_rows`: a batch closes at it"
        _set_for_models(reading, models, ("max_execution_batch_size", "max_batch_rows"), executed, text)
        if largest is not None:
            text = "requests of more rows are not refused, they run alone"
            reading.remark("max_batch_size", "changed", text, value=largest)
        return executed
    if executed is not None:
        reading.remark("max_execution_batch_size", "ignored", "upstream reads it only when splitting", value=executed)
    if largest is None:
        return DEFAULT_BATCH_ROWS
    text = "`max_batch_rows`: a request of more rows is not refused, it runs alone"
    _set_for_models(reading, models, ("max_batch_size", "max_batch_rows"), largest, text)
    return largest


def _translate_queue(reading: Reading, models: list[Table], rows: int) -> None:
    batches = _number(reading, "max_enqueued_batches")
    if batches is None:
        return
    requests, most = max(batches, 1) * max(rows, 1), largest_model_setting("max_queue")
    text = f"`max_queue` counts requests: {requests} would fill these batches with one row each"
    if requests > most:
        requests, text = most, f"{text}, and {most} is the most that can be set"
    _set_for_models(reading, models, ("max_enqueued_batches", "max_queue"), requests, text, shown=batches)


def _set_for_models(
    reading: Reading, models: list[Table], names: tuple[str, str], value: int, text: str, shown: int | None = None
) -> None:
    """Sets a setting of every model and remarks on the field.

    Args:
        reading: the parameters.
        models: the models' tables.
        names: the field's and the setting's.
        value: the setting's.
        text: what the setting means in the field's place.
        shown: the field's value where it is not the setting's.
    """
    faults = [set_if_possible(table, ModelTableSchema, names[1], value) for table in models]
    reading.remark(names[0], *_verdict(faults[0], text), value=value if shown is None else shown)


def _verdict(fault: str | None, text: str) -> tuple[Kind, str]:
    return ("changed", text) if fault is None else ("left_out", fault)


def _remark_on_the_others(reading: Reading) -> None:
    values = reading.record.values
    timeout = _number(reading, "batch_timeout_micros")
    if timeout is not None:
        text = "no request waits for others; what arrives while the model is busy runs together next"
        reading.remark("batch_timeout_micros", "not_yet" if timeout > 0 else "ignored", text, value=timeout)
    if "thread_pool_name" in values:
        name = reading.within("thread_pool_name").record.text("value")
        reading.remark("thread_pool_name", "ignored", "metrics carry the model, version and signature", value=name)
    if "allowed_batch_sizes" in values:
        reading.remark("allowed_batch_sizes", "not_yet", "batches run at the size they have, without padding rows")
    if "pad_variable_length_inputs" in values:
        text = "requests of different shapes run apart: none fails for its neighbours, and none is padded"
        is_on = reading.record.flag("pad_variable_length_inputs")
        reading.remark("pad_variable_length_inputs", "not_yet" if is_on else "changed", text)


def _number(reading: Reading, name: str) -> int | None:
    """Returns a field that holds a message with one number; None where it was not set."""
    return reading.within(name).record.integer("value") if name in reading.record.values else None
