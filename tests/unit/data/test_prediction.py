import numpy as np
import pytest

from turnout.data.prediction import Prediction


def test_is_a_mapping_of_arrays_by_name() -> None:
    prediction = Prediction("iris", 3, {"label": np.array([1]), "score": np.array([0.5], "f4")})
    assert list(prediction) == ["label", "score"]
    assert len(prediction) == 2
    assert prediction["label"].tolist() == [1]
    assert repr(prediction) == "Prediction('iris', version=3, label: int64[1], score: float32[1])"


def test_the_only_output_needs_no_name() -> None:
    prediction = Prediction("m", None, {"y": np.array([1.5])})
    assert prediction.value.tolist() == [1.5]
    assert np.asarray(prediction, dtype="f4").dtype == np.float32
    copy = np.array(prediction)
    copy[0] = 0
    assert prediction.value.tolist() == [1.5]


def test_one_of_several_outputs_has_to_be_named() -> None:
    with pytest.raises(ValueError, match=r"2 outputs, so `\.value` is ambiguous: `a`, `b`"):
        Prediction("m", 1, {"a": np.array(1), "b": np.array(2)}).value  # noqa: B018
