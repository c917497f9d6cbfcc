import pytest

from turnout.client.exchange import Answer
from turnout.client.failures import grpc_failure, rest_failure, unreachable
from turnout.errors import TurnoutError, error_classes


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_every_code_of_the_catalogue_becomes_its_class(code: str) -> None:
    headers = {"x-turnout-code": code, "x-turnout-hint": "do this", "x-request-id": "r1"}
    body = b'{"error": "what", "code": "x"}'
    for error in (rest_failure(500, Answer(body, headers)), grpc_failure("INTERNAL", "what", headers)):
        assert (type(error), error.code, error.message) == (error_classes()[code], code, "what")
        assert error.context == {"request_id": "r1"}
    assert rest_failure(500, Answer(body, headers)).hint == "do this"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (rest_failure(404, Answer(b"<html>")), "model_not_found", "the server answered with the HTTP status: 404"),
        (rest_failure(502, Answer(b"[1]")), "unavailable", "the server answered with the HTTP status: 502"),
        (rest_failure(418, Answer(b'{"error": "tea"}')), "internal", "tea"),
        (rest_failure(503, Answer(b"", {"x-turnout-code": "new_code"})), "internal", "the server answered with"),
        (grpc_failure("UNAVAILABLE", "refused", {}), "unavailable", "refused"),
        (grpc_failure("DATA_LOSS", "", {}), "internal", "the server answered with the gRPC status: DATA_LOSS"),
        (unreachable("h:1", OSError()), "unavailable", "no answer from `h:1`: OSError"),
    ],
)
def test_without_a_code_the_status_tells(error: TurnoutError, code: str, message: str) -> None:
    assert error.code == code
    assert error.message.startswith(message)


def test_a_server_that_is_not_there_has_the_same_hint_at_every_door() -> None:
    refused = grpc_failure("UNAVAILABLE", "failed to connect to all addresses", {})
    assert refused.hint == unreachable("h:1", OSError()).hint
    assert refused.hint is not None
    assert grpc_failure("UNAVAILABLE", "draining", {"x-turnout-code": "unavailable"}).hint is None
    assert grpc_failure("INTERNAL", "what", {}).hint is None
