import re
from typing import Any

import typer.main

import turnout
from scripts.reference.command_line import commands
from scripts.reference.pages import FOLDER, stale
from scripts.reference.python_names import ORDER
from turnout import _dataplane, errors
from turnout.cli.app import app
from turnout.config.schema import ModelTableSchema, ServerSchema
from turnout.text_proto.schema import AnyOf, MapOf, Message
from turnout.tf_serving.messages import (
    BATCHING_PARAMETERS,
    MODEL_SERVER_CONFIG,
    MONITORING_CONFIG,
    PLATFORM_CONFIG_MAP,
    SSL_CONFIG,
)

UNITS = ("seconds", "bytes", "rows", "requests", "total", "info", "flight", "open", "ready", "state")


def test_pages_say_what_the_code_says():
    assert stale(FOLDER) == [], "run `make docs-reference`"


def test_every_public_name_is_explained():
    assert set(ORDER) == set(turnout.__all__) - {"__version__"}
    assert [name for name in ORDER if not getattr(turnout, name).__doc__] == []


def test_every_error_code_has_its_exception():
    listed = {(slug, retryable, name) for slug, retryable, name, *_ in _dataplane.list_error_codes()}
    classes = [
        value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    ours = {
        (error.code, error.retryable, error.__name__)
        for error in classes
        if issubclass(error, errors.TurnoutError) and error is not errors.TurnoutError
    }
    assert listed == ours


def test_every_error_code_and_exception_says_what_it_means():
    for _, _, name, _, _, meaning in _dataplane.list_error_codes():
        assert meaning
        assert getattr(errors, name).__doc__


def test_every_metric_is_named_by_the_rule_and_explained():
    for name, kind, meaning, labels in _dataplane.list_metrics():
        assert re.fullmatch(rf"turnout_[a-z_]*({'|'.join(UNITS)})", name), name
        assert kind in {"counter", "gauge", "histogram"}
        assert (kind == "counter") == name.endswith("_total"), name
        assert meaning
        assert all(re.fullmatch(r"[a-z_]+", label) for label in labels)


def test_every_metric_under_tf_serving_s_names_is_explained():
    for name, kind, meaning, labels in _dataplane.list_tf_serving_metrics():
        assert re.fullmatch(r":tensorflow:serving:[a-z_]+", name), name
        assert kind in {"counter", "histogram"}
        assert meaning
        assert labels


def test_every_rest_route_is_explained():
    routes = _dataplane.list_rest_routes()
    assert len(routes) == len(set(routes)) > 0
    assert all(meaning for _, _, meaning in routes)


def test_every_command_and_flag_is_explained():
    root: Any = typer.main.get_command(app)
    for words, command in commands("turnout", root):
        assert command.help, words
        assert [parameter.name for parameter in command.params if not parameter.help] == [], words


def test_every_setting_is_explained():
    for schema in (ServerSchema, ModelTableSchema):
        assert [name for name, field in schema.model_fields.items() if not field.description] == []


def test_the_guide_says_what_becomes_of_every_field_of_tf_serving_s_files():
    guide = (FOLDER.parent / "guides" / "from-tf-serving.md").read_text(encoding="utf-8")
    tables = "".join(line for line in guide.splitlines() if line.startswith("|"))
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", tables))))
    for message in (MODEL_SERVER_CONFIG, BATCHING_PARAMETERS, MONITORING_CONFIG, SSL_CONFIG, PLATFORM_CONFIG_MAP):
        assert {name for name in leaf_fields(message) if name not in named} == set(), message.name


def leaf_fields(message: Message) -> set[str]:
    """The fields below a message that hold no other message; those of the logger and of the session are told as one."""
    found: set[str] = set()
    for field in message.fields:
        inner: tuple[Message, ...] = ()
        if isinstance(field.type, AnyOf):
            inner = tuple(field.type.messages.values())
        elif isinstance(field.type, MapOf):
            inner = tuple(each.type for each in field.type.entry.fields if isinstance(each.type, Message))
        elif isinstance(field.type, Message) and field.name not in {"logging_config", "session_config"}:
            inner = (field.type,)
        below = {name for each in inner for name in leaf_fields(each)} - {"value"}
        found |= below or {field.name}
    return found
