"""Random lives of models: whatever happens, the reconciler keeps its promises, and comes to rest where it should."""

from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.lifecycle import World
from turnout.errors import RuntimeMissingError, TurnoutError, UnavailableError
from turnout.lifecycle.settings import ModelSettings
from turnout.lifecycle.state import VersionState

MODELS = ("a", "b")
VERSIONS = (1, 2, 3, 4)

SETTINGS = st.builds(
    ModelSettings,
    policy=st.sampled_from(["latest", "latest", "all", "specific"]),
    latest_count=st.integers(1, 2),
    specific_versions=st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=2).map(tuple),
    swap=st.sampled_from(["availability_first", "availability_first", "memory_first"]),
    keep_previous=st.booleans(),
    max_queue=st.sampled_from([8, 9]),
)


class Lives(RuleBasedStateMachine):
    """What may happen to a server; the fake data plane checks each snapshot by itself."""

    names: ClassVar = st.sampled_from(MODELS)
    numbers: ClassVar = st.sampled_from(VERSIONS)

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.served: dict[str, int] = {}
        self.was_ready = False

    # The disk.

    @rule(name=names, version=numbers, generation=st.integers(1, 3))
    def put(self, name: str, version: int, generation: int) -> None:
        self.world.put(name, version, generation)

    @rule(name=names, version=numbers)
    def remove(self, name: str, version: int) -> None:
        if name in self.world.models and version in self.world.models[name].versions:
            self.world.remove(name, version)

    @rule(name=names)
    def remove_model(self, name: str) -> None:
        self.world.models.pop(name, None)

    @rule(name=names, version=st.none() | numbers)
    def pin(self, name: str, version: int | None) -> None:
        if name in self.world.models:
            self.world.pin(name, version)

    @rule(name=names)
    def toggle_model(self, name: str) -> None:
        if name in self.world.models:
            self.world.models[name].readable = not self.world.models[name].readable

    @rule()
    def toggle_root(self) -> None:
        self.world.root_readable = not self.world.root_readable

    @rule(name=names, chosen=SETTINGS)
    def change_settings(self, name: str, chosen: ModelSettings) -> None:
        self.world.change_settings(name, chosen)

    @rule(name=names, version=numbers)
    def toggle_runtime(self, name: str, version: int) -> None:
        from tests.support.lifecycle import ROOT

        path = ROOT / name / str(version)
        if self.world.unresolvable.pop(path, None) is None:
            self.world.unresolvable[path] = RuntimeMissingError("missing")

    # What the reconciler is told.

    @rule(quiet=st.booleans())
    def look(self, quiet: bool) -> None:
        self.world.look(quiet=quiet)

    @rule(milliseconds=st.sampled_from([1, 500, 1000, 70_000]))
    def wait(self, milliseconds: int) -> None:
        self.world.wait(milliseconds)

    @precondition(lambda self: self.world.tasks)
    @rule(data=st.data())
    def work_one(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.world.tasks) - 1))
        self.world.tell(self.world.tasks.pop(index)())

    @rule()
    def work(self) -> None:
        self.world.work()

    @precondition(lambda self: self.world.plane.loading)
    @rule(data=st.data(), succeed=st.booleans())
    def end_load(self, data: st.DataObject, succeed: bool) -> None:
        identity = data.draw(st.sampled_from(sorted(self.world.plane.loading)))
        plane = self.world.plane
        self.world.tell(plane.finish(identity) if succeed else plane.fail(identity))

    @precondition(lambda self: self.world.plane.draining | self.world.plane.cancelled)
    @rule(data=st.data())
    def end_drain(self, data: st.DataObject) -> None:
        waiting = sorted(self.world.plane.draining | self.world.plane.cancelled)
        self.world.tell(self.world.plane.drained(data.draw(st.sampled_from(waiting))))

    @rule()
    def toggle_refusal(self) -> None:
        error: TurnoutError = UnavailableError("closed")
        self.world.plane.refuse = error if self.world.plane.refuse is None else None

    # What must hold.

    @invariant()
    def availability_first_leaves_no_gap(self) -> None:
        """A default goes without a successor only when its version left the repository, or memory comes first."""
        models = self.world.reconciler._models  # pyright: ignore[reportPrivateUsage]
        served = {name: model.default for name, model in models.items() if model.default is not None}
        for name, version in self.served.items():
            model = models.get(name)
            if model is None or name in served or model.settings.swap == "memory_first":
                continue
            assert not model.present or not model.versions[version].present, "the only one that served was dropped"
        self.served = served

    @invariant()
    def what_serves_is_loaded(self) -> None:
        for model in self.world.status.models.values():
            states = {version.version: version.state for version in model.versions}
            assert model.default is None or states[model.default] is VersionState.AVAILABLE
            assert sum(state is VersionState.LOADING for state in states.values()) <= 1

    @invariant()
    def events_and_snapshots_agree(self) -> None:
        if any(problem.topic == "apply" for problem in self.world.status.problems):
            return  # the data plane does not know yet
        loaded: set[int | None] = set()
        for event in self.world.events.events():
            if event.kind == "loaded":
                loaded.add(event.servable)
            if event.kind == "unloaded":
                loaded.remove(event.servable)
        assert self.world.plane.loaded.keys() <= loaded

    def teardown(self) -> None:
        """When nothing is in the way any more, everything becomes as the settings say."""
        world = self.world
        world.plane.refuse, world.root_readable = None, True
        world.unresolvable.clear()
        for model in world.models.values():
            model.readable = True
        for _ in range(6):
            world.wait(70_000)
            world.settle()
        assert not world.plane.loading
        assert not world.plane.draining
        assert world.journal.open == set()
        assert world.status.settled
        for name in MODELS:
            self.check_rest(name)

    def check_rest(self, name: str) -> None:
        world = self.world
        disk = world.models.get(name)
        if disk is None or name not in world.status.models:
            assert name not in world.status.models
            return
        model = world.status.models[name]
        chosen = world.settings.get(name, ModelSettings())
        assert isinstance(chosen, ModelSettings)
        pin = None if disk.pin is None else disk.pin.version
        expected, default = expected_versions(set(disk.versions), chosen, pin)
        if pin is not None and pin not in disk.versions:
            return  # what serves goes on; there is no one right answer
        if chosen.swap == "memory_first" and any(version.fault is not None for version in model.versions):
            return  # one that failed makes nothing else go
        if expected:
            assert model.default == default
            kept = {model.previous} if chosen.keep_previous and chosen.swap == "availability_first" else set[int]()
            assert expected <= world.plane.versions(name) <= expected | kept
            if chosen.swap == "availability_first":
                assert {spec["settings"]["max_queue"] for spec in self.specs(name, expected)} <= {
                    chosen.max_queue,
                    *self.changed_queues(name),
                }

    def specs(self, name: str, versions: set[int]) -> list[dict[str, Any]]:
        specs = self.world.plane.loaded.values()
        return [spec for spec in specs if spec["model"] == name and spec["version"] in versions]

    def changed_queues(self, name: str) -> set[int]:
        """Versions whose files changed since they were loaded keep their settings."""
        problems = self.world.status.problems
        changed = {problem.version for problem in problems if problem.topic in ("changed", "reload")}
        return {spec["settings"]["max_queue"] for spec in self.specs(name, set(VERSIONS)) if spec["version"] in changed}


def expected_versions(here: set[int], chosen: ModelSettings, pin: int | None) -> tuple[set[int], int | None]:
    """Says in the plainest words which versions should be in memory at rest, and which of them should serve."""
    order = sorted(here, key=lambda version: (pin is not None and version > pin, -version))
    if chosen.policy == "latest":
        order = order[: chosen.latest_count]
    if chosen.policy == "specific":
        order = [version for version in order if version in {*chosen.specific_versions, pin}]
    return set(order), order[0] if order else None


TestLives = Lives.TestCase
TestLives.settings = settings(settings(), stateful_step_count=60)
