import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from turnout.host.logs import configure_logging


@pytest.fixture(autouse=True)
def restore_logger() -> Iterator[None]:
    logger = logging.getLogger("turnout")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.level, logger.propagate = before[0], before[1], before[2]


def lines_of(log_format: Literal["text", "json"], level: Literal["info", "error"] = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(log_format, level, stream)
    return stream


def test_json_is_one_object_a_line_with_the_fields_of_the_record() -> None:
    stream = lines_of("json")
    logging.getLogger("turnout.lifecycle").warning("load\nfailed", extra={"model": "iris", "version": 2})
    line, rest = stream.getvalue().split("\n", 1)
    entry = json.loads(line)
    assert rest == ""
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "warning",
        "logger": "turnout.lifecycle",
        "message": "load\nfailed",
        "model": "iris",
        "version": 2,
    }


def test_text_is_for_people() -> None:
    stream = lines_of("text")
    logging.getLogger("turnout.serve").info("ready", extra={"rest": "127.0.0.1:1"})
    assert stream.getvalue().split(" ", 1)[1] == "info    turnout.serve: ready rest=127.0.0.1:1\n"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_is_shown(log_format: Literal["text", "json"]) -> None:
    stream = lines_of(log_format)
    try:
        int("inner cause")
    except ValueError:
        logging.getLogger("turnout").exception("outer")
    assert "ValueError: invalid literal" in stream.getvalue()


def test_lower_levels_are_left_out() -> None:
    stream = lines_of("text", "error")
    logging.getLogger("turnout.x").warning("hidden")
    assert stream.getvalue() == ""


def test_setting_up_twice_does_not_double_the_lines() -> None:
    lines_of("text")
    stream = lines_of("text")
    logging.getLogger("turnout.x").error("once")
    assert stream.getvalue().count("once") == 1
