"""Models in this process: the same engines and the same road as behind REST and gRPC, without a server."""

import json
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from turnout import _dataplane
from turnout.arrays import Inputs, inputs_to_wire, outputs_from_wire
from turnout.config.settings import ServerSettings, data_plane_json, default_settings, home_folder
from turnout.errors import LoadFailedError, UnavailableError, error_classes
from turnout.flavors.resolve import resolve_artifact
from turnout.lifecycle.artifact import ResolvedArtifact
from turnout.lifecycle.forward import forward_log
from turnout.lifecycle.settings import ModelSettings
from turnout.lifecycle.snapshot import servable_json
from turnout.machine import read_machine
from turnout.prediction import Prediction
from turnout.repository.scan import ScannedVersion
from turnout.signatures import choose_signature
from turnout.types import Signature
from turnout.versions import choose_version

_NO_DEADLINE_MS = 24 * 3600 * 1000
_POLL_MS = 1000
_SERVABLE = 1


def load(source: str | PathLike[str], *, version: int | None = None) -> "Model":
    """Opens a model in this process.

    Only the files are looked at now; the model is loaded by its first use, or by `warm`.

    Args:
        source: a model file, a version's folder, or a model's folder, of which the pinned or the newest version is
            taken.
        version: which version of a model's folder.

    Raises:
        RepositoryError: nothing is there that could be loaded, or no such version.
        ArtifactInvalidError: the version's manifest cannot be read or contradicts the files.
    """
    name, chosen = choose_version(Path(source), version)
    return Model(name, chosen)


class Model:
    """One version of a model. Thread-safe; predictions run in the calling thread without holding the GIL.

    Made by `turnout.load`. Closing it frees the memory; a model that is dropped is closed.

    Attributes:
        name: the model's name.
        version: the version's number.
    """

    def __init__(self, name: str, version: ScannedVersion) -> None:
        self.name = name
        self.version = version.version
        self._scanned = version
        self._lock = threading.Lock()
        self._closed = False
        self._loaded: _LoadedModel | None = None

    def predict(self, inputs: Inputs, *, signature: str | None = None, timeout_ms: int | None = None) -> Prediction:
        """Predicts in the calling thread.

        Args:
            inputs: arrays by input name; or one array for a signature with one input; or a data frame whose columns
                are the inputs. Numbers are converted to the element types of the signature where none is lost.
            signature: None takes the default one.
            timeout_ms: covers waiting and computing; None waits as long as it takes.

        Returns:
            The outputs by name.

        Raises:
            TurnoutError: a subclass for each cause: loading failed, the inputs do not fit, the deadline passed.
        """
        chosen = self.signature(signature)
        tensors = inputs_to_wire(inputs, chosen)
        answered_by, outputs = self._ensure_loaded().plane.predict(self.name, None, chosen.name, tensors, timeout_ms)
        return Prediction(self.name, answered_by, outputs_from_wire(outputs))

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Model({self.name!r}, version={self.version})"

    def _ensure_loaded(self) -> "_LoadedModel":
        loaded = self._loaded
        if loaded is not None:
            return loaded
        with self._lock:
            if self._closed:
                raise UnavailableError(f"the model is closed: `{self.name}`")
            if self._loaded is None:
                self._loaded = _LoadedModel(self.name, self._scanned)
            return self._loaded


class _LoadedModel:
    """A data plane without listeners that holds one servable."""

    def __init__(self, name: str, version: ScannedVersion) -> None:
        artifact = resolve_artifact(version.path, version.manifest)
        self._copies = Path(tempfile.mkdtemp(prefix="turnout-")) if artifact.needs_copy else None
        self.plane = _dataplane.DataPlane(_settings_json())
        try:
            facts = self._load(name, version, artifact)
        except BaseException:
            self.close()
            raise
        self.signatures = tuple(Signature.from_json(record) for record in facts["signatures"])

    def close(self) -> None:
        self.plane.close()
        if self._copies is not None:
            shutil.rmtree(self._copies, ignore_errors=True)

    def _load(self, name: str, version: ScannedVersion, artifact: ResolvedArtifact) -> Mapping[str, Any]:
        settings = ModelSettings().of_servable()
        copies = self._copies or Path()
        servable = servable_json(_SERVABLE, name, version.version, artifact, settings, copies)
        snapshot = {"ready": {"ready": True, "reason": ""}, "servables": [servable]}
        self.plane.apply(json.dumps({"sequence": 1, **snapshot, "models": []}))
        facts = self._await_loaded()
        status = {"version": version.version, "servable": _SERVABLE, "state": "AVAILABLE"}
        versions = [{**status, "error_code": "", "error_message": ""}]
        route: dict[str, Any] = {"name": name, "default": _SERVABLE, "labels": {}, "versions": versions}
        self.plane.apply(json.dumps({"sequence": 2, **snapshot, "models": [route]}))
        return facts

    def _await_loaded(self) -> Mapping[str, Any]:
        """Waits until the load has ended, however long it takes: the runtime cannot be interrupted anyway."""
        while True:
            text = self.plane.next_event(_POLL_MS)
            if text is None:
                continue
            event: dict[str, Any] = json.loads(text)
            if event["event"] == "loaded":
                return event
            if event["event"] == "load_failed":
                raise error_classes().get(event["code"], LoadFailedError)(event["message"], hint=event["hint"])
            if event["event"] == "log":
                forward_log(event)


def _settings_json() -> str:
    """A caller in this process is bounded by its own memory, and waits as long as it likes."""
    machine = read_machine()
    settings = ServerSettings(**default_settings(machine, {}, home_folder()))
    return data_plane_json(
        replace(
            settings,
            loops=0,
            executor_threads=1,
            inflight_bytes=machine.usable_memory_bytes,
            max_body_bytes=machine.usable_memory_bytes,
            request_timeout_ms=_NO_DEADLINE_MS,
        )
    )
