"""Log set-up for the command line: text for people or one JSON object a line.

A library must not configure logging, so nothing here happens at import.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def extra_fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """Returns what the caller passed as `extra=`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextFormatter(logging.Formatter):
    """`TIME LEVEL logger: message name=value …`."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one line, followed by the traceback if there is one."""
        fields = "".join(f" {name}={value}" for name, value in extra_fields(record).items())
        line = f"{_moment(record)} {record.levelname.lower():<7} {record.name}: {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one line, whatever the message holds."""
        entry: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **extra_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def configure_logging(log_format: LogFormat, log_level: LogLevel, stream: TextIO | None = None) -> logging.Handler:
    """Sends the records of `turnout` and its children to one handler; called once, by a command.

    Args:
        log_format: `text` or `json`.
        log_level: the least level that is shown.
        stream: where lines go; standard error when not given.

    Returns:
        The handler, so that a test can remove it.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logger = logging.getLogger("turnout")
    logger.handlers[:] = [handler]
    logger.setLevel(log_level.upper())
    logger.propagate = False
    return handler
