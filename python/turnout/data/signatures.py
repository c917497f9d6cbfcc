"""Which of a version's signatures a caller means."""

from collections.abc import Iterable

from turnout.errors import SignatureNotFoundError
from turnout.types import DEFAULT_SIGNATURE, Signature


def choose_signature(model: str, version: int, signatures: Iterable[Signature], name: str | None) -> Signature:
    """Returns a signature by name; without one `serving_default`, or the first where there is none of that name.

    Args:
        model: the model's name, for the message.
        version: the version's number, for the message.
        signatures: what the version answers to, the default first.
        name: None or empty takes the default.

    Raises:
        SignatureNotFoundError: the version has none of that name.
    """
    by_name = {signature.name: signature for signature in signatures}
    if not name and by_name:
        return by_name.get(DEFAULT_SIGNATURE) or next(iter(by_name.values()))
    if name in by_name:
        return by_name[name]
    listed = ", ".join(f"`{known}`" for known in by_name) or "none"
    message = f"model `{model}` version {version} has no signature of that name: expected one of {listed}, got `{name}`"
    raise SignatureNotFoundError(message)
