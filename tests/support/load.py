"""Runs `turnout-load`, the checked load generator, and reads its report."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from turnout._dataplane import encode_predict_request

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "target" / "release" / "turnout-load"
WARMUP_S = 0.5
TIMEOUT_S = 10.0
END_S = 30.0
"""How long the tool may take from the end of the load to its report."""

Door = Literal["rest", "grpc"]


def build_tool() -> None:
    """Builds the tool; a moment when it is there already."""
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "turnout-load"]
    subprocess.run(command, cwd=ROOT, check=True)


@dataclass(frozen=True, slots=True)
class Body:
    """One request, and the right answer of each version.

    Attributes:
        rows: float32, what the input `x` gets; any rank.
        expected: the numbers of the only output, by version.
    """

    rows: NDArray[np.float32]
    expected: Mapping[int, Sequence[float]]

    def plan(self, door: Door, model: str, folder: Path, name: str) -> dict[str, Any]:
        """Returns its part of the plan; long values go to files in the folder."""
        file = folder / name
        file.write_bytes(self._rest() if door == "rest" else self._grpc(model))
        expected = [
            {"version": version, "values": _values(values, folder / f"{name}-{version}")}
            for version, values in self.expected.items()
        ]
        return {"content": {"file": str(file)}, "expected": expected}

    def _rest(self) -> bytes:
        return f'{{"instances":{_json_text(self.rows)}}}'.encode()

    def _grpc(self, model: str) -> bytes:
        tensor = ("x", "float32", self.rows.shape, self.rows.tobytes())
        return encode_predict_request(model, None, "", [tensor])


def _json_text(values: NDArray[np.float32]) -> str:
    """Returns nested lists of the shortest decimals that give the same float32 again."""
    parts = map(str, values) if values.ndim == 1 else map(_json_text, values)
    return f"[{','.join(parts)}]"


def _values(values: Sequence[float], file: Path) -> list[float] | str:
    if len(values) <= 64:
        return list(values)
    np.asarray(values, dtype="<f8").tofile(file)
    return str(file)


@dataclass(frozen=True, slots=True)
class Group:
    """Connections that send the same requests in the same manner; see `crates/turnout-load/src/plan.rs`."""

    door: Door
    address: str
    bodies: Sequence[Body]
    connections: int
    model: str = "m"
    depth: int = 1
    rate_per_s: float | None = None
    tolerance: float = 1e-5
    name: str = ""

    def plan(self, folder: Path) -> dict[str, Any]:
        """Returns its part of the plan."""
        name = self.name or self.door
        methods = {
            "rest": f"/v1/models/{self.model}:predict",
            "grpc": "/tensorflow.serving.PredictionService/Predict",
        }
        return {
            "name": name,
            "door": self.door,
            "address": self.address.removeprefix("http://").removeprefix("grpc://"),
            "target": methods[self.door],
            "connections": self.connections,
            "depth": self.depth,
            "rate_per_s": self.rate_per_s,
            "arrivals": "poisson",
            "tolerance": self.tolerance,
            "bodies": [
                body.plan(self.door, self.model, folder, f"{name}-{index}") for index, body in enumerate(self.bodies)
            ],
        }


@dataclass(frozen=True, slots=True)
class Phase:
    """What one group measured in one phase; times in microseconds."""

    name: str
    seconds: float
    answers: int
    answers_per_s: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    failures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VersionSpan:
    """When one version's answers were under way, in nanoseconds of the monotonic clock."""

    answers: int
    first_received_ns: int
    last_sent_ns: int


@dataclass(frozen=True, slots=True)
class GroupReport:
    """What one group measured.

    Attributes:
        p99_us: by name, of the answers of all phases of that name together, in microseconds.
    """

    name: str
    phases: Mapping[str, Sequence[Phase]]
    p99_us: Mapping[str, float]
    versions: Mapping[int, VersionSpan]
    reconnects: int
    refused_connects: int
    retries: int

    @property
    def failures(self) -> dict[str, Any]:
        """The failures of all phases, by phase and kind."""
        return {phase.name: phase.failures for phases in self.phases.values() for phase in phases if phase.failures}

    @property
    def answers(self) -> int:
        """The right answers of all phases."""
        return sum(phase.answers for phases in self.phases.values() for phase in phases)

    @property
    def measured(self) -> Phase:
        """The phase after the warm-up."""
        return self.phases["measured"][0]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run measured."""

    client_cpu_s: float
    client_wall_s: float
    groups: Mapping[str, GroupReport]

    def check(self) -> Self:
        """Demands that every request was answered right.

        Raises:
            AssertionError: some were not; with the first examples.
        """
        for group in self.groups.values():
            assert not group.failures, f"group `{group.name}`: {json.dumps(group.failures, indent=1)[:4000]}"
            assert group.answers > 0, f"group `{group.name}` got no answer"
        return self


def read_report(text: str) -> Report:
    """Reads what the tool printed at its end."""
    document = json.loads(text)
    groups = [_group_report(group) for group in document["groups"]]
    return Report(document["client_cpu_s"], document["client_wall_s"], {group.name: group for group in groups})


def _group_report(document: Any) -> GroupReport:
    phases: dict[str, list[Phase]] = {}
    for phase in document["phases"]:
        latency = phase["latency_us"]
        times = (latency["p50"], latency["p90"], latency["p99"], latency["p999"], latency["max"])
        counts = (phase["seconds"], phase["answers"], phase["answers_per_s"])
        phases.setdefault(phase["name"], []).append(Phase(phase["name"], *counts, *times, phase["failures"]))
    return GroupReport(
        document["name"],
        phases,
        {name: latency["p99"] for name, latency in document["latency_us"].items()},
        {int(version): VersionSpan(**span) for version, span in document["versions"].items()},
        document["reconnects"],
        document["refused_connects"],
        document["retries"],
    )


class LoadRun:
    """A run of the tool; a context manager, so that no run outlives its test.

    Args:
        groups: what to send.
        duration_s: None runs until `stop`.
        warmup_s: load before the first phase that counts.
        spin: exact sending times in an open loop, at the price of a whole core.
        core: the processor to run on; None leaves it to the system.
        nice: how much the run gives way to other processes.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        *,
        duration_s: float | None = None,
        warmup_s: float = WARMUP_S,
        spin: bool = False,
        core: int | None = None,
        nice: int = 0,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="turnout-load-")
        folder = Path(self._folder.name)
        plan = {
            "warmup_s": warmup_s,
            "duration_s": duration_s,
            "timeout_s": TIMEOUT_S,
            "spin": spin,
            "answers_file": None,
            "groups": [group.plan(folder) for group in groups],
        }
        path = folder / "plan.json"
        path.write_text(json.dumps(plan))
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        self._process = subprocess.Popen(
            ["nice", "-n", str(nice), *pinned, str(TOOL), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """The tool's process."""
        return self._process.pid

    def wait_measuring(self) -> Self:
        """Waits until the warm-up is over."""
        line = _pipe(self._process.stdout).readline()
        assert json.loads(line or "null") == {"event": "measuring"}, f"the load did not begin: {line!r}"
        return self

    def phase(self, name: str) -> None:
        """Begins a phase of the report."""
        self._say(f"phase {name}")

    def stop(self) -> Report:
        """Ends the load and returns what was measured."""
        self._say("stop")
        return self.report()

    def report(self) -> Report:
        """Waits for the end and returns what was measured."""
        _pipe(self._process.stdin).close()
        output = _pipe(self._process.stdout).read()
        assert self._process.wait(END_S) == 0, "the load generator failed; see its standard error"
        return read_report(output.splitlines()[-1])

    def _say(self, command: str) -> None:
        pipe = _pipe(self._process.stdin)
        pipe.write(f"{command}\n")
        pipe.flush()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def run_load(groups: Sequence[Group], duration_s: float, *, spin: bool = False, core: int | None = None) -> Report:
    """Runs a load of a given length and demands that every answer was right."""
    with LoadRun(groups, duration_s=duration_s, spin=spin, core=core) as run:
        return run.wait_measuring().report().check()
