"""How failures of a call become Turnout's exceptions: by catalogue code where the server gave one, else by status."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from turnout.client.exchange import Answer
from turnout.errors import InternalError, TurnoutError, UnavailableError, error_classes

CODE_HEADER = "x-turnout-code"
HINT_HEADER = "x-turnout-hint"
REQUEST_ID_HEADER = "x-request-id"

_UNREACHABLE_HINT = "Is the server running, and is this its address?"


@cache
def _classes() -> Mapping[str, type[TurnoutError]]:
    return error_classes()


# What is meant where no catalogue code came along: by a proxy, by grpcio itself, by a server of another make.
_HTTP_CODES = {
    400: "invalid_input",
    404: "model_not_found",
    408: "deadline_exceeded",
    413: "request_too_large",
    429: "overloaded",
    499: "cancelled",
    501: "unsupported",
    502: "unavailable",
    503: "unavailable",
    504: "deadline_exceeded",
}
_GRPC_CODES = {
    "CANCELLED": "cancelled",
    "DEADLINE_EXCEEDED": "deadline_exceeded",
    "FAILED_PRECONDITION": "signature_not_found",
    "INVALID_ARGUMENT": "invalid_input",
    "NOT_FOUND": "model_not_found",
    "RESOURCE_EXHAUSTED": "overloaded",
    "UNAVAILABLE": "unavailable",
    "UNIMPLEMENTED": "unsupported",
}


def rest_failure(status: int, answer: Answer) -> TurnoutError:
    """Makes the exception for an answer whose HTTP status is not 200."""
    document = _error_document(answer.body)
    message = str(document.get("error") or f"the server answered with the HTTP status: {status}")
    code = answer.headers.get(CODE_HEADER) or _HTTP_CODES.get(status)
    return _failure(code, message, answer.headers, answer.headers.get(HINT_HEADER))


def grpc_failure(status: str, message: str, metadata: Mapping[str, str]) -> TurnoutError:
    """Makes the exception for a gRPC status other than OK.

    Args:
        status: its name, `NOT_FOUND` say.
        message: the status's details.
        metadata: trailing metadata by lower-case name.
    """
    code = metadata.get(CODE_HEADER) or _GRPC_CODES.get(status)
    hint = _UNREACHABLE_HINT if status == "UNAVAILABLE" and CODE_HEADER not in metadata else None
    return _failure(code, message or f"the server answered with the gRPC status: {status}", metadata, hint)


def unreachable(address: str, cause: Exception) -> UnavailableError:
    """Makes the exception for a connection that could not be made or broke."""
    reason = str(cause) or type(cause).__name__
    return UnavailableError(f"no answer from `{address}`: {reason}", hint=_UNREACHABLE_HINT)


def _failure(code: str | None, message: str, headers: Mapping[str, str], hint: str | None) -> TurnoutError:
    cls = _classes().get(code or "", InternalError)
    request_id = headers.get(REQUEST_ID_HEADER)
    return cls(message, hint=hint, request_id=request_id) if request_id else cls(message, hint=hint)


def _error_document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}  # a proxy's HTML page, say: the status still tells
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}
