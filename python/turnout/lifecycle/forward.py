"""Hands the data plane's log lines to Python's logging."""

import logging
from collections.abc import Mapping
from typing import Any

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_TAKEN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Names that a log record has already; logging refuses them as extra fields."""


def forward_log(event: Mapping[str, Any]) -> None:
    """Logs one `log` event of the data plane under `turnout.<target>`."""
    fields = {name if name not in _TAKEN else f"{name}_": value for name, value in event["fields"].items()}
    logger = logging.getLogger(f"turnout.{event['target'].replace('::', '.')}")
    logger.log(_LEVELS[event["level"]], "%s", event["message"], extra=fields)
