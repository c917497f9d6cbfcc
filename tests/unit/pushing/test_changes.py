import pytest

from turnout.pushing.changes import describe_changes
from turnout.types import Signature, TensorSpec

Shape = tuple[int | None, ...] | None


def tensor(name: str, dtype: str = "float32", shape: Shape = (None,)) -> TensorSpec:
    return TensorSpec(name, name, dtype, shape)


def signature(*outputs: TensorSpec, name: str = "serving_default", x: TensorSpec | None = None) -> Signature:
    return Signature(name, (x or tensor("x", shape=(None, 4)),), outputs)


LABELS = signature(tensor("y", "int64"))
SCORES = signature(tensor("y"))
PROBABILITIES = signature(tensor("p"), name="predict_proba")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([LABELS], [LABELS], [], id="nothing"),
        pytest.param(
            [LABELS, PROBABILITIES],
            [SCORES],
            ["output `y` changes from int64 to float32", "signature `predict_proba` disappears"],
            id="type and signature",
        ),
        pytest.param([LABELS], [LABELS, PROBABILITIES], ["signature `predict_proba` appears"], id="a signature more"),
        pytest.param(
            [SCORES],
            [signature(tensor("z"), x=tensor("x", shape=(None, 5)))],
            ["input `x` changes from [?, 4] to [?, 5]", "output `y` disappears", "output `z` appears"],
            id="shape and names",
        ),
        pytest.param(
            [SCORES],
            [signature(tensor("y", "int64", None))],
            ["output `y` changes from float32 [?] to int64 of unknown rank"],
            id="type and shape",
        ),
        pytest.param(
            [LABELS, signature(tensor("y", "int64"), name="predict")],
            [SCORES, signature(tensor("y"), name="predict")],
            ["output `y` changes from int64 to float32"],
            id="told once",
        ),
        pytest.param(
            [LABELS, PROBABILITIES],
            [LABELS, signature(tensor("p", "float64"), name="predict_proba")],
            ["output `p` changes from float32 to float64 in `predict_proba`"],
            id="another signature than the default",
        ),
    ],
)
def test_what_callers_would_find_different(
    before: list[Signature], after: list[Signature], expected: list[str]
) -> None:
    assert list(describe_changes(before, after)) == expected
