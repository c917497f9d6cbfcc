"""Random lives of models: whatever happens, the reconciler keeps its promises, and comes to rest where it should."""

from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.lifecycle import ROOT, World
from turnout.errors import RuntimeMissingError, TurnoutError, UnavailableError
from turnout.lifecycle.settings import ModelSettings
from turnout.lifecycle.state import VersionState

MODELS = ("a", "b")
VERSIONS = (1, 2, 3, 4)

DISTURBANCES = (
    "model is removed",
    "model is unreadable",
    "root is unreadable",
    "snapshots are refused",
    "version is unresolvable",
)

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

    @initialize(first=SETTINGS, second=SETTINGS, versions=st.lists(st.tuples(names, numbers), max_size=4))
    def begin(self, first: ModelSettings, second: ModelSettings, versions: list[tuple[str, int]]) -> None:
        self.world.settings = dict(zip(MODELS, (first, second), strict=True))
        for name, version in versions:
            self.world.put(name, version)
        self.world.settle()

    # The disk.

    @rule(name=names, version=numbers, generation=st.integers(1, 3))
    def put(self, name: str, version: int, generation: int) -> None:
        self.world.put(name, version, generation)

    @rule(name=names, version=numbers)
    def remove(self, name: str, version: int) -> None:
        if name in self.world.models and version in self.world.models[name].versions:
            self.world.remove(name, version)

    @rule(name=names, version=st.none() | numbers)
    def pin(self, name: str, version: int | None) -> None:
        if name in self.world.models:
            self.world.pin(name, version)

    @rule(name=names, version=numbers)
    def publish(self, name: str, version: int) -> None:
        """What happens most: a version comes, and the server sees it and begins to load it."""
        self.world.put(name, version)
        self.world.look()
        self.world.work()

    @rule(name=names, chosen=SETTINGS)
    def change_settings(self, name: str, chosen: ModelSettings) -> None:
        self.world.change_settings(name, chosen)

    # Rare disturbances are one rule, so that they do not crowd out the rest.

    @rule(what=st.sampled_from(DISTURBANCES), name=names, version=numbers)
    def disturb(self, what: str, name: str, version: int) -> None:
        world, path = self.world, ROOT / name / str(version)
        error: TurnoutError = UnavailableError("closed")
        match what:
            case "model is removed":
                world.models.pop(name, None)
            case "model is unreadable" if name in world.models:
                world.models[name].readable = not world.models[name].readable
            case "root is unreadable":
                world.root_readable = not world.root_readable
            case "snapshots are refused":
                world.plane.refuse = error if world.plane.refuse is None else None
            case "version is unresolvable" if world.unresolvable.pop(path, None) is None:
                world.unresolvable[path] = RuntimeMissingError("missing")
            case _:
                pass

    @rule()
    def rest(self) -> None:
        """Most of the time things go well, and what happens next happens to a server at rest."""
        if self.world.plane.refuse is None:
            self.world.settle()

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

    # What must hold.

    @invariant()
    def availability_first_leaves_no_gap(self) -> None:
        """A default goes without a successor only when its version left the repository, or memory comes first."""
        models = self.world.reconciler._models  # pyright: ignore[reportPrivateUsage]
        safe = {name: model for name, model in models.items() if model.settings.swap == "availability_first"}
        for name, version in self.served.items():
            model = safe.get(name)
            if model is None or model.default is not None:
                continue
            assert not model.present or not model.versions[version].present, "the only one that served was dropped"
        self.served = {name: model.default for name, model in safe.items() if model.default is not None}

    @invariant()
    def the_reconciler_met_no_bug(self) -> None:
        assert not [problem for problem in self.world.status.problems if problem.topic == "bug"]

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
