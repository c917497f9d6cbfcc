"""Models in this process: the same engines and the same road as behind REST and gRPC, without a server."""

import threading
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from turnout.data.arrays import inputs_to_wire
from turnout.data.inputs import Inputs
from turnout.data.prediction import Prediction
from turnout.data.signatures import choose_signature
from turnout.errors import UnavailableError
from turnout.flavors.resolve import resolve_artifact
from turnout.loaded import LoadedModel
from turnout.repository.scan import ScannedVersion
from turnout.repository.versions import choose_version
from turnout.serving.closing import Closable
from turnout.types import Signature


def load(source: object, *, version: int | None = None, sample: Any = None) -> "Model":
    """Opens a model in this process.

    Only the files are looked at now; the model is loaded by its first use, or by `warm`.

    Args:
        source: a model file, a version's folder, or a model's folder, of which the pinned or the newest version is
            taken; or a fitted model, which is converted now, as `turnout.push` does.
        version: which version of a model's folder.
        sample: for a fitted model, rows to compare the conversion with; None draws them from the model itself.

    Raises:
        RepositoryError: nothing is there that could be loaded, or no such version.
        ArtifactInvalidError: the version's manifest cannot be read or contradicts the files.
        ParityError: the converted model answers differently from the fitted one.
    """
    if isinstance(source, str | PathLike):
        return Model(*choose_version(Path(cast("str | PathLike[str]", source)), version))
    from turnout.serving.fitted import (  # brings the converters, which files do without
        DEFAULT_NAME,
        TemporaryRepository,
    )

    fitted = TemporaryRepository(source, DEFAULT_NAME, sample)
    return Model(*choose_version(fitted.model_folder, version), fitted)


class Model:
    """One version of a model. Thread-safe; predictions run in the calling thread without holding the GIL.

    Made by `turnout.load`. Closing it frees the memory; a model that is dropped is closed.

    Attributes:
        name: the model's name.
        version: the version's number.
    """

    def __init__(self, name: str, version: ScannedVersion, files: Closable | None = None) -> None:
        self.name = name
        self.version = version.version
        self._scanned = version
        self._files = files
        self._lock = threading.Lock()
        self._closed = False
        self._loaded: LoadedModel | None = None

    def predict(self, inputs: Inputs, *, signature: str | None = None, timeout_ms: int | None = None) -> Prediction:
        """Predicts in the calling thread.

        Args:
            inputs: arrays by input name; or one array for a signature with one input; or a data frame whose columns
                are the inputs; or rows, a list of dictionaries with a value for each input. Floats are rounded to the
                precision of the signature, integers have to fit, and what would become infinite is refused.
            signature: None takes the default one.
            timeout_ms: covers waiting and computing; None waits as long as it takes.

        Returns:
            The outputs by name.

        Raises:
            TurnoutError: a subclass for each cause: loading failed, the inputs do not fit, the deadline passed.
        """
        chosen = self.signature(signature)
        tensors = inputs_to_wire(inputs, chosen)
        return self._ensure_loaded().predict(chosen.name, tensors, timeout_ms)

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """What the model answers to, the default first; loads it if need be."""
        return self._ensure_loaded().signatures

    def signature(self, name: str | None = None) -> Signature:
        """Returns one of the signatures, the default one without a name; loads the model if need be.

        Raises:
            SignatureNotFoundError: there is none of that name.
        """
        return choose_signature(self.name, self.version, self.signatures, name)

    def warm(self) -> Self:
        """Loads the model now and warms it up, so that the first prediction is as fast as the others."""
        self._ensure_loaded()
        return self

    def close(self) -> None:
        """Frees what the model holds; predictions that run are let finish. Idempotent."""
        with self._lock:
            loaded, self._loaded, self._closed = self._loaded, None, True
        if loaded is not None:
            loaded.close()
        if self._files is not None:
            self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Model({self.name!r}, version={self.version})"

    def _load(self) -> LoadedModel:
        scanned = self._scanned
        return LoadedModel(self.name, scanned.version, resolve_artifact(scanned.path, scanned.manifest))

    def _ensure_loaded(self) -> LoadedModel:
        loaded = self._loaded
        if loaded is not None:
            return loaded
        with self._lock:
            if self._closed:
                raise UnavailableError(f"the model is closed: `{self.name}`")
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded
