"""What can be set for one model, and for the manager: plain records, and the one place where these defaults stand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from turnout.repository.watch import WatchMode

PolicyName: TypeAlias = Literal["latest", "all", "specific"]
Swap: TypeAlias = Literal["availability_first", "memory_first"]
Merge: TypeAlias = Literal["auto", "never", "always"]
Ready: TypeAlias = Literal["any", "all", "first"]
MixedPrecision: TypeAlias = Literal["off", "bfloat16"]


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What the settings of a model say about TensorFlow's session, together with the file that they name.

    Attributes:
        config: serialized fields of a `ConfigProto`.
        intra_op_threads: what the file says; 0 where it says nothing.
        inter_op_threads: what is said of operators that run beside each other, as in the file; None lets the warm-up
            decide.
    """

    config: bytes = b""
    intra_op_threads: int = 0
    inter_op_threads: int | None = None


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Everything that can be set for one model. All of it can change while the server runs.

    Attributes:
        policy: which versions are wanted: the newest ones, all, or those listed.
        latest_count: how many of the newest versions `latest` wants; at least 1.
        specific_versions: the versions that `specific` wants.
        swap: `availability_first` loads the new version before the old one goes and needs memory for both;
            `memory_first` unloads first and answers nothing in between.
        keep_previous: whether the version that served before stays loaded, so that a rollback takes milliseconds;
            without effect when memory comes first.
        labels: movable names of versions.
        merge: whether requests may be executed together: where that was shown to change nothing, never, or wherever it
            is possible, as the operator vouches, by the settings of batching.
        max_batch_rows: rows that are executed together at most.
        max_queue: requests that wait at most.
        intra_op_threads: threads of one execution; 0 lets the warm-up decide.
        request_log_rate: the part of the answered calls that is written to the request log, from 0 to 1.
        warmup_iterations: how often each request of a version's warm-up file is run before it serves; 0 leaves the
            file alone.
        inter_op_threads: SavedModels: threads for operators that do not need each other; 0 lets the warm-up decide.
        savedmodel_tags: SavedModels: the graph that is served is the one that has exactly these tags.
        session_config_file: SavedModels: a file with a `ConfigProto` in text form.
        xla: SavedModels: whether XLA compiles parts of the graph.
        mixed_precision: SavedModels: what some operators compute in, instead of float32.
        session: SavedModels: what the four settings before come to; no setting of its own.
        interpreters: calls that a version executes at one time at most, where its runtime's interpreters serve one call
            each; 0: one for each thread that executes requests.
        load_timeout_ms: what loading and warming up may take. A load that takes longer is given up, and what it was
            about is not tried again until its files change: the runtime cannot be interrupted, and keeps its memory.
        batch_timeout_us: how long a request waits for others at most; this and what follows with `merge` as `always`.
        max_enqueued_batches: batches that wait at most, for each signature.
        allowed_batch_rows: sizes, rising, to the next of which a batch is filled up; empty leaves batches as they are.
        pad_variable_lengths: whether requests of different trailing dimensions are filled up to the largest.
        split_large_requests: whether a request may be cut, to fill batches.
        max_execution_rows: rows of one execution at most where requests may be cut; 0 takes `max_batch_rows`.
    """

    policy: PolicyName = "latest"
    latest_count: int = 1
    specific_versions: tuple[int, ...] = ()
    swap: Swap = "availability_first"
    keep_previous: bool = True
    labels: Mapping[str, int] = field(default_factory=dict[str, int])
    merge: Merge = "auto"
    max_batch_rows: int = 1024
    max_queue: int = 1024
    intra_op_threads: int = 0
    request_log_rate: float = 0.0
    warmup_iterations: int = 1
    inter_op_threads: int = 0
    savedmodel_tags: tuple[str, ...] = ("serve",)
    session_config_file: str | None = None
    xla: bool = False
    mixed_precision: MixedPrecision = "off"
    session: SessionSettings = field(default=SessionSettings(), metadata={"is_setting": False})
    interpreters: int = 0
    load_timeout_ms: int = 600_000
    batch_timeout_us: int = 0
    max_enqueued_batches: int = 10
    allowed_batch_rows: tuple[int, ...] = ()
    pad_variable_lengths: bool = False
    split_large_requests: bool = False
    max_execution_rows: int = 0

    def of_servable(self) -> "ServableSettings":
        """Returns what a version is loaded with; a change of it loads the version anew."""
        batching = BatchingSettings(
            self.batch_timeout_us,
            self.max_enqueued_batches,
            self.allowed_batch_rows,
            self.pad_variable_lengths,
            self.split_large_requests,
            self.max_execution_rows or self.max_batch_rows,
        )
        used = batching if self.merge == "always" else BatchingSettings()
        return ServableSettings(
            self.merge,
            self.max_batch_rows,
            self.max_queue,
            self.intra_op_threads,
            self.interpreters,
            self.warmup_iterations,
            SavedModelSettings(self.savedmodel_tags, self.session),
            used,
        )


@dataclass(frozen=True, slots=True)
class BatchingSettings:
    """How requests wait for one another; the fields are those of `ModelSettings`. Read with `merge` as `always`."""

    batch_timeout_us: int = 0
    max_enqueued_batches: int = 1
    allowed_batch_rows: tuple[int, ...] = ()
    pad_variable_lengths: bool = False
    split_large_requests: bool = False
    max_execution_rows: int = 1


@dataclass(frozen=True, slots=True)
class ServableSettings:
    """The settings that one load gets; the fields are those of `ModelSettings`."""

    merge: Merge
    max_batch_rows: int
    max_queue: int
    intra_op_threads: int
    interpreters: int
    warmup_iterations: int
    savedmodel: "SavedModelSettings"
    batching: BatchingSettings = BatchingSettings()


@dataclass(frozen=True, slots=True)
class SavedModelSettings:
    """What the load of a SavedModel gets beside: `savedmodel_tags` and `session` of `ModelSettings`."""

    tags: tuple[str, ...]
    session: SessionSettings


SettingsFor: TypeAlias = Callable[[str, Path | None], ModelSettings]
"""(model, its folder or None) -> its settings, read anew; raises `ConfigError` where they are wrong."""


@dataclass(frozen=True, slots=True)
class ManagerOptions:
    """How a manager works. Fields without a default are the operator's, and have theirs in `turnout.config`.

    Attributes:
        cache_dir: folder for the journal of loads, quarantine records and private copies.
        settle_ms: how long the files of a version without a manifest must be still.
        poll_interval_ms: between two looks at a source that causes no events.
        ready: `any`: at least one model serves; `all`: every model does; `first`: as `any`, without waiting for the
            first attempts at the others.
        watch: how sources are watched.
        rescan_interval_ms: between two looks at everything, events or not.
        retry_initial_ms: wait before the first retry of a failed load; it doubles with each failure.
        retry_limit_ms: the longest wait.
        max_retries: how often a failed load is tried again while its files do not change; None is without end.
        inbox_capacity: messages that may wait for the manager.
        event_capacity: life-cycle events that are remembered.
        fatal_log: whether to note fatal signals of this process, which tells a crash from a kill at the next start;
            for a server that owns its process.
    """

    cache_dir: Path
    settle_ms: int
    poll_interval_ms: int
    ready: Ready
    watch: WatchMode = "auto"
    rescan_interval_ms: int = 30_000
    retry_initial_ms: int = 1000
    retry_limit_ms: int = 60_000
    max_retries: int | None = None
    inbox_capacity: int = 1024
    event_capacity: int = 10_000
    fatal_log: bool = False
