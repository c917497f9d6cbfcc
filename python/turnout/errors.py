"""The exceptions of Turnout: one class per code of the error catalogue, each also the builtin that a caller expects.

The catalogue itself (code, retryable, class name, statuses) lives in the data plane; a test compares the two.
"""

from typing import Any, ClassVar


class TurnoutError(Exception):
    """Base of everything that Turnout raises on purpose.

    Attributes:
        code: the catalogue's slug; never changes.
        retryable: whether the same call may succeed later.
        hint: what to do about it, or None.
        context: further facts, by name.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = context


class ModelNotFoundError(TurnoutError, LookupError):
    """No model, version or label of that name is being served."""

    code = "model_not_found"


class SignatureNotFoundError(TurnoutError, LookupError):
    """The version has no signature of that name."""

    code = "signature_not_found"


class InvalidInputError(TurnoutError, ValueError):
    """The tensors do not fit the signature: a name, dtype, rank or dimension."""

    code = "invalid_input"


class MalformedRequestError(TurnoutError, ValueError):
    """The request itself cannot be read: bad JSON, bad protobuf, bad header."""

    code = "malformed_request"


class RequestTooLargeError(TurnoutError, ValueError):
    """A request is over a size limit, which the message names."""

    code = "request_too_large"


class OverloadedError(TurnoutError):
    """A bound of the whole process (bytes in flight, connections) is reached; nothing was started."""

    code = "overloaded"
    retryable = True


class QueueFullError(TurnoutError):
    """The servable's queue is full; nothing was started."""

    code = "queue_full"
    retryable = True


class DeadlineExceededError(TurnoutError, TimeoutError):
    """The deadline passed before there was an answer."""

    code = "deadline_exceeded"
    retryable = True


class CancelledError(TurnoutError):
    """The client went away or cancelled."""

    code = "cancelled"


class UnavailableError(TurnoutError):
    """The server is starting, draining or closed, or the version is not serving now."""

    code = "unavailable"
    retryable = True


class ExecutionError(TurnoutError):
    """The engine refused or failed on these inputs."""

    code = "execution_failed"


class InternalError(TurnoutError):
    """A fault of Turnout itself; the log has the cause under the request's id."""

    code = "internal"


class UnsupportedError(TurnoutError, NotImplementedError):
    """Something that this engine, door or platform does not do."""

    code = "unsupported"


class LoadFailedError(TurnoutError):
    """The engine could not load the artifact."""

    code = "load_failed"
    retryable = True


class ArtifactInvalidError(TurnoutError, ValueError):
    """A file of a version is missing, unreadable, or not what the manifest says."""

    code = "artifact_invalid"


class QuarantinedError(TurnoutError):
    """An earlier start died while it loaded this version; it is not tried again by itself."""

    code = "quarantined"


class RuntimeMissingError(TurnoutError, ImportError):
    """The library that would run or convert this is not installed."""

    code = "runtime_missing"


class FlavorUnknownError(TurnoutError, ValueError):
    """No flavor recognises the file or object."""

    code = "flavor_unknown"


class TrustRequiredError(TurnoutError, PermissionError):
    """Loading would run code from a file, and nobody has granted trust."""

    code = "trust_required"


class ParityError(TurnoutError, ValueError):
    """A converted model answers differently from its original."""

    code = "parity_failed"


class RepositoryError(TurnoutError, OSError):
    """The repository cannot be read or written."""

    code = "repository_failed"


class ConfigError(TurnoutError, ValueError):
    """A setting is unknown, malformed or out of range."""

    code = "config_invalid"


class AddressInUseError(TurnoutError, OSError):
    """A listener's address is taken or cannot be bound."""

    code = "address_in_use"


class ForkedError(TurnoutError, RuntimeError):
    """An object made before `fork()` was used in the child."""

    code = "forked"


def _subclasses(base: type[TurnoutError]) -> list[type[TurnoutError]]:
    return [cls for child in base.__subclasses__() for cls in (child, *_subclasses(child))]


def error_classes() -> dict[str, type[TurnoutError]]:
    """Returns every class by its catalogue code."""
    return {cls.code: cls for cls in _subclasses(TurnoutError)}
