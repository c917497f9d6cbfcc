"""What a prediction returns, wherever it was made: in process, over REST or over gRPC."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Prediction(Mapping[str, NDArray[Any]]):
    """The outputs of one request by name, and which version answered.

    `numpy.asarray(prediction)` and `prediction.value` give the array of a signature that has one output.

    Attributes:
        model: the model's name.
        version: the version that answered, or None where the server did not say.
    """

    __slots__ = ("_outputs", "model", "version")

    def __init__(self, model: str, version: int | None, outputs: Mapping[str, NDArray[Any]]) -> None:
        self.model = model
        self.version = version
        self._outputs = dict(outputs)

    @property
    def value(self) -> NDArray[Any]:
        """The only output.

        Raises:
            ValueError: there are several outputs, so that one has to be named.
        """
        if len(self._outputs) != 1:
            names = ", ".join(f"`{name}`" for name in self._outputs)
            message = f"the prediction has {len(self._outputs)} outputs, so `.value` is ambiguous: {names}"
            raise ValueError(message)
        return next(iter(self._outputs.values()))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.value, dtype=dtype, copy=True) if copy else np.asarray(self.value, dtype=dtype)

    def __repr__(self) -> str:
        outputs = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in self._outputs.items())
        return f"Prediction({self.model!r}, version={self.version}, {outputs})"
