"""One version, loaded in this process by a data plane that has no listeners."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from turnout import _dataplane
from turnout.config.settings import ServerSettings, data_plane_json, default_settings, home_folder
from turnout.data.arrays import outputs_from_wire
from turnout.data.prediction import Prediction
from turnout.errors import LoadFailedError, error_classes
from turnout.host.machine import read_machine
from turnout.lifecycle.artifact import ResolvedArtifact
from turnout.lifecycle.forward import forward_log
from turnout.lifecycle.settings import ModelSettings
from turnout.lifecycle.snapshot import servable_json
from turnout.types import Signature, WireTensor

_NO_DEADLINE_MS = 24 * 3600 * 1000
_POLL_MS = 1000
_SERVABLE = 1


class LoadedModel:
    """A data plane without listeners that holds one servable. Thread-safe; the constructor loads and warms up.

    Attributes:
        signatures: what the version answers to, the default first.
        facts: what loading and warming up found out; the fields of `loaded` in docs/concepts/seam.md.
    """

    def __init__(self, name: str, version: int, artifact: ResolvedArtifact) -> None:
        self._name = name
        self._copies = Path(tempfile.mkdtemp(prefix="turnout-")) if artifact.needs_copy else None
        self._plane = _dataplane.DataPlane(_settings_json())
        try:
            self.facts = self._load(name, version, artifact)
        except BaseException:
            self.close()
            raise
        self.signatures = tuple(Signature.from_json(record) for record in self.facts["signatures"])

    def predict(self, signature: str, tensors: list[WireTensor], timeout_ms: int | None = None) -> Prediction:
        """Runs one request in the calling thread."""
        answered_by, outputs = self._plane.predict(self._name, None, signature, tensors, timeout_ms)
        return Prediction(self._name, answered_by, outputs_from_wire(outputs))

    def close(self) -> None:
        """Frees what is held; requests that run are let finish. Idempotent."""
        self._plane.close()
        if self._copies is not None:
            shutil.rmtree(self._copies, ignore_errors=True)

    def _load(self, name: str, version: int, artifact: ResolvedArtifact) -> Mapping[str, Any]:
        settings = ModelSettings().of_servable()
        copies = self._copies or Path()
        servable = servable_json(_SERVABLE, name, version, artifact, settings, copies)
        snapshot = {"ready": {"ready": True, "reason": ""}, "servables": [servable]}
        self._plane.apply(json.dumps({"sequence": 1, **snapshot, "models": []}))
        facts = self._await_loaded()
        status = {"version": version, "servable": _SERVABLE, "state": "AVAILABLE"}
        versions = [{**status, "error_code": "", "error_message": ""}]
        route: dict[str, Any] = {"name": name, "default": _SERVABLE, "labels": {}, "problem": "", "versions": versions}
        route["request_log_rate"] = 0.0
        self._plane.apply(json.dumps({"sequence": 2, **snapshot, "models": [route]}))
        return facts

    def _await_loaded(self) -> Mapping[str, Any]:
        """Waits until the load has ended, however long it takes: the runtime cannot be interrupted anyway."""
        while True:
            text = self._plane.next_event(_POLL_MS)
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
