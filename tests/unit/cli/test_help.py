import dataclasses
import inspect
import re
from typing import Any, get_args

from turnout.cli.serve import serve
from turnout.config.settings import ServerSettings


def test_the_defaults_in_the_help_of_serve_are_those_of_the_settings() -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(ServerSettings)}
    stated: dict[str, Any] = {}
    for name, parameter in inspect.signature(serve).parameters.items():
        option: Any = get_args(parameter.annotation)[1]
        match = re.search(r"\[default: (\S+)\]", getattr(option, "help", None) or "")
        if match and name in defaults:
            stated[name] = match.group(1)
    assert stated == {name: str(defaults[name]) for name in stated}
    assert {"host", "rest_port", "grpc_port", "drain_timeout_ms", "ready"} <= set(stated)
