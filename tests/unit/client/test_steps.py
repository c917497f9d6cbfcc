from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from turnout.client.exchange import Answer, Exchange, Unread
from turnout.client.records import ModelMetadata
from turnout.client.rest_codec import RestCodec
from turnout.client.steps import MetadataCache, predict_steps, probe_steps
from turnout.data.prediction import Prediction
from turnout.errors import InternalError, InvalidInputError, SignatureNotFoundError, UnavailableError
from turnout.types import Signature, TensorSpec


def metadata(dtype: str, version: int = 1) -> ModelMetadata:
    spec = TensorSpec("x", "x", dtype, (None,))
    output = TensorSpec("y", "y", dtype, (None,))
    return ModelMetadata("m", version, (Signature("serving_default", (spec,), (output,)),))


OLD, NEW = metadata("int64", 1), metadata("float32", 2)
ANSWER = Prediction("m", 1, {"y": np.array([1])})
Script = list[tuple[str, Any]]


def play(steps: Generator[Exchange[Any], Any, Any], script: Script) -> Any:
    """Drives steps: for each exchange, checks what its path ends in and sends or throws the reply."""
    try:
        exchange = next(steps)
        for ending, reply in script:
            assert exchange.path.endswith(ending)
            exchange = steps.throw(reply) if isinstance(reply, Exception) else steps.send(reply)
    except StopIteration as stop:
        return stop.value
    pytest.fail(f"one more exchange than expected: {exchange.path}")


def predict(cache: MetadataCache, script: Script, signature: str | None = None) -> Any:
    return play(predict_steps(RestCodec(), cache, "m", None, signature, [1]), script)


def test_asks_for_the_signature_once() -> None:
    cache = MetadataCache()
    assert predict(cache, [("/metadata", OLD), (":predict", ANSWER)]) is ANSWER
    assert predict(cache, [(":predict", ANSWER)]) is ANSWER


def test_looks_again_when_the_model_has_changed() -> None:
    cache = MetadataCache()
    cache.put(("m", None), OLD)
    refused = InvalidInputError("dtype")
    assert predict(cache, [(":predict", refused), ("/metadata", NEW), (":predict", ANSWER)]) is ANSWER
    assert cache.get(("m", None)) is NEW


def test_a_wrong_input_stays_wrong() -> None:
    cache = MetadataCache()
    cache.put(("m", None), OLD)
    refused = InvalidInputError("rank")
    with pytest.raises(InvalidInputError) as caught:
        predict(cache, [(":predict", refused), ("/metadata", metadata("int64", 2))])
    assert caught.value is refused


def test_a_signature_that_is_unknown_is_looked_for_once_more() -> None:
    cache = MetadataCache()
    cache.put(("m", None), OLD)
    with pytest.raises(SignatureNotFoundError, match="expected one of `serving_default`, got `other`"):
        predict(cache, [("/metadata", NEW)], signature="other")


@pytest.mark.parametrize(("reply", "expected"), [(True, True), (False, False), (UnavailableError("no"), False)])
def test_a_probe_that_is_not_answered_means_no(reply: Any, expected: bool) -> None:
    assert play(probe_steps(RestCodec().ready), [("/readyz", reply)]) is expected


def test_a_probe_does_not_hide_other_failures() -> None:
    with pytest.raises(InternalError):
        play(probe_steps(RestCodec().ready), [("/readyz", InternalError("bug"))])


def test_the_cache_is_bounded() -> None:
    cache = MetadataCache()
    for version in range(1000):
        cache.put(("m", version), OLD)
    assert cache.get(("m", 0)) is None
    assert cache.get(("m", 999)) is OLD


def test_answers_are_read_with_the_types_of_the_signature() -> None:
    metadata = ModelMetadata("a/b", 3, NEW.signatures)
    exchange = RestCodec().predict(metadata, 3, NEW.signatures[0], [1.5])
    assert exchange.path == "/v1/models/a%2Fb/versions/3:predict"
    assert exchange.body == b'{"signature_name":"serving_default","inputs":{"x":[1.5]}}'
    prediction = exchange.read(Answer(b'{"outputs": [0.1, NaN]}'))
    assert isinstance(prediction, Prediction)
    np.testing.assert_array_equal(prediction["y"], np.array([0.1, np.nan], "f4"), strict=True)
    assert prediction.version == 3


def test_an_answer_of_a_newer_version_is_read_with_the_signature_of_that_version() -> None:
    cache = MetadataCache()
    cache.put(("m", None), OLD)
    unread = Unread(Answer(b'{"outputs": [0.1]}', {"x-turnout-model-version": "2"}), 2)
    prediction = predict(cache, [(":predict", unread), ("/versions/2/metadata", NEW)])
    assert (prediction.version, prediction["y"].dtype) == (2, np.float32)
    assert cache.get(("m", None)) is NEW


def test_an_answer_says_which_version_gave_it() -> None:
    exchange = RestCodec().predict(OLD, None, OLD.signatures[0], [1])
    answer = Answer(b'{"outputs": [1]}', {"x-turnout-model-version": "2"})
    assert exchange.read(answer) == Unread(answer, 2)
