"""What a call consists of, apart from how it is sent: generators that both clients drive."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

from turnout.client.exchange import Codec, Exchange, Steps, Unread
from turnout.client.records import ModelMetadata
from turnout.data.inputs import Inputs
from turnout.data.prediction import Prediction
from turnout.errors import InvalidInputError, SignatureNotFoundError, UnavailableError

Key: TypeAlias = tuple[str, int | None]

_CACHED_MODELS = 256


class MetadataCache:
    """The signatures that servers described lately, by model and version; bounded. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: OrderedDict[Key, ModelMetadata] = OrderedDict()

    def get(self, key: Key) -> ModelMetadata | None:
        """Returns what was put last, or None."""
        with self._lock:
            return self._entries.get(key)

    def put(self, key: Key, metadata: ModelMetadata) -> None:
        """Remembers, and forgets the oldest entry when there are too many."""
        with self._lock:
            self._entries[key] = metadata
            self._entries.move_to_end(key)
            if len(self._entries) > _CACHED_MODELS:
                self._entries.popitem(last=False)


def predict_steps(
    codec: Codec, cache: MetadataCache, model: str, version: int | None, signature: str | None, inputs: Inputs
) -> Steps[Prediction]:
    """Predicts by the signature as it was last described, and looks again when that turns out to be stale.

    A model's default version may be replaced between two calls by one that has other names or element types.
    """
    key = (model, version)
    metadata = cache.get(key)
    if metadata is not None:
        try:
            return (yield from _predict(codec, cache, metadata, version, signature, inputs))
        except (InvalidInputError, SignatureNotFoundError) as error:
            stale, failure = metadata, error
        metadata = yield from _describe(codec, cache, key)
        if metadata.signatures == stale.signatures:
            raise failure
    else:
        metadata = yield from _describe(codec, cache, key)
    return (yield from _predict(codec, cache, metadata, version, signature, inputs))


def _predict(
    codec: Codec,
    cache: MetadataCache,
    metadata: ModelMetadata,
    version: int | None,
    signature: str | None,
    inputs: Inputs,
) -> Steps[Prediction]:
    answer = yield codec.predict(metadata, version, metadata.signature(signature), inputs)
    if not isinstance(answer, Unread):
        return answer
    current = yield from _describe(codec, cache, (metadata.model, answer.version))
    cache.put((metadata.model, version), current)
    return codec.read(answer, current, current.signature(signature))


def _describe(codec: Codec, cache: MetadataCache, key: Key) -> Steps[ModelMetadata]:
    metadata = yield codec.metadata(*key)
    cache.put(key, metadata)
    return metadata


def probe_steps(probe: Callable[[], Exchange[bool]]) -> Steps[bool]:
    """Asks a yes-or-no question for which no answer, or a refusal for now, means no."""
    try:
        return (yield probe())
    except UnavailableError:
        return False
