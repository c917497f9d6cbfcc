"""What to do next for one model: a pure function, asked again after each step until it has nothing more to say.

Availability comes first by default: the new version is loaded and warm before it takes over, and only then the old one
goes. With memory first the old one goes before the new one is loaded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from turnout.lifecycle.settings import ModelSettings
from turnout.lifecycle.state import VersionState


@dataclass(frozen=True, slots=True)
class VersionView:
    """What the policy knows of one version.

    Attributes:
        version: its number.
        state: where it stands.
        present: whether it is in the repository; one that is not is not wanted.
        loadable: whether its files are whole and nothing forbids to load it.
        failed: whether the last load of these very files failed.
        retry_at_ms: when a failed load may be tried again.
        held: whether it must not be loaded just now for a reason that passes.
        outdated: whether it is loaded with other settings than it should be.
        reloading: whether it is being loaded a second time.
    """

    version: int
    state: VersionState
    present: bool = True
    loadable: bool = True
    failed: bool = False
    retry_at_ms: int = 0
    held: bool = False
    outdated: bool = False
    reloading: bool = False


@dataclass(frozen=True, slots=True)
class ModelView:
    """What the policy knows of one model.

    Attributes:
        versions: all that are known, in any order.
        default: the version that requests without a version get.
        previous: the version that was the default before.
        pin: the version that an operator chose.
    """

    versions: tuple[VersionView, ...]
    default: int | None = None
    previous: int | None = None
    pin: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Load the version and warm it up."""

    version: int


@dataclass(frozen=True, slots=True)
class Reload:
    """Load the version a second time, with the settings of now; the first stays until the second is warm."""

    version: int


@dataclass(frozen=True, slots=True)
class Serve:
    """Make the version the default; the one that was is retired in the same moment."""

    version: int


@dataclass(frozen=True, slots=True)
class Retire:
    """Take the default away from the version although no other can take over."""

    version: int


@dataclass(frozen=True, slots=True)
class Unload:
    """Take the version, which is not the default, out of the routes and out of memory."""

    version: int


Action: TypeAlias = Load | Reload | Serve | Retire | Unload

_IN_MEMORY = frozenset({VersionState.LOADING, VersionState.AVAILABLE})


def decide(model: ModelView, settings: ModelSettings, now_ms: int) -> Action | None:
    """Returns the next step for one model, or None where everything is as it should be or on its way.

    What a caller may rely on: only an AVAILABLE version is ever served; the default is never unloaded; a version that
    is wanted is never unloaded; with availability first the last AVAILABLE version of a model goes only when it left
    the repository and no other is wanted; at most one version of a model is being loaded.

    Args:
        model: what is known.
        settings: what is wanted.
        now_ms: the clock that `retry_at_ms` is on.
    """
    wanted = wanted_versions(model, settings)
    leaving = {view.version for view in model.versions if _may_leave(view, model, wanted, settings, now_ms)}
    best = _best_default(model, settings, leaving, target(model, settings))
    if best is not None and best != model.default:
        return Serve(best)
    if model.default is not None and (model.default in leaving or not _is_available(model, model.default)):
        return Retire(model.default)
    if leaving:
        return Unload(min(leaving))
    return _next_load(model, wanted, settings, now_ms)


def wanted_versions(model: ModelView, settings: ModelSettings) -> tuple[int, ...]:
    """Returns the versions that should be in memory, the most wanted first.

    One that failed stays wanted, to be tried again; as long as nothing of the model serves, the next best that has not
    failed is wanted too. With memory first, nothing that serves makes room for a version that failed before.
    """
    candidates = _by_preference(view for view in model.versions if _is_candidate(view))
    ordered = _pin_first(candidates, model.pin)
    available = [view for view in candidates if view.state is VersionState.AVAILABLE]
    if available and model.pin is not None and all(view.version != model.pin for view in candidates):
        return tuple(view.version for view in available)  # the pinned version cannot be had: nothing moves
    chosen = _choose(ordered, settings, model.pin)
    if not available and settings.policy != "specific" and all(_is_down(view) for view in chosen):
        chosen += [view for view in ordered if view not in chosen and not _is_down(view)][:1]
    if available and settings.swap == "memory_first":
        chosen = [view for view in chosen if not _is_down(view)] or available
    return tuple(view.version for view in chosen)


def target(model: ModelView, settings: ModelSettings) -> int | None:
    """Returns the version that should be the default: the most wanted one that has not failed; None where none is."""
    up = {view.version for view in model.versions if not _is_down(view)}
    return next((version for version in wanted_versions(model, settings) if version in up), None)


def _choose(ordered: list[VersionView], settings: ModelSettings, pin: int | None) -> list[VersionView]:
    if settings.policy == "latest":
        return ordered[: settings.latest_count]
    if settings.policy == "all":
        return ordered
    listed = {*settings.specific_versions, pin}
    return [view for view in ordered if view.version in listed]


def _is_candidate(view: VersionView) -> bool:
    return view.present and (view.loadable or view.state in _IN_MEMORY)


def _is_down(view: VersionView) -> bool:
    return view.failed and view.state not in _IN_MEMORY


def _by_preference(views: Iterable[VersionView]) -> list[VersionView]:
    return sorted(views, key=lambda view: -view.version)


def _pin_first(newest_first: list[VersionView], pin: int | None) -> list[VersionView]:
    """With a pin, newer versions come last: they are what the operator went back from."""
    if pin is None:
        return newest_first
    return sorted(newest_first, key=lambda view: view.version > pin)


def _may_leave(
    view: VersionView, model: ModelView, wanted: tuple[int, ...], settings: ModelSettings, now_ms: int
) -> bool:
    if view.state not in _IN_MEMORY or view.version in wanted:
        return False
    ready = [_is_available(model, version) for version in wanted]
    if not view.present:
        return not wanted or any(ready) or settings.swap == "memory_first"
    if view.state is VersionState.LOADING or not wanted:
        return False  # a load is let finish, or a stream of new versions would never let one serve
    if settings.swap == "memory_first":
        others = [other for other in model.versions if other.version in wanted and other.state not in _IN_MEMORY]
        return all(_may_load(other, now_ms) for other in others)
    return all(ready) and not (settings.keep_previous and view.version == model.previous)


def _best_default(model: ModelView, settings: ModelSettings, leaving: set[int], aim: int | None) -> int | None:
    """Returns what to serve now. On the way to `aim` the one that served before is passed over: somebody left it."""
    views = _by_preference(
        view for view in model.versions if view.state is VersionState.AVAILABLE and view.version not in leaving
    )
    staying = [view for view in views if view.present] or views
    versions = [view.version for view in _pin_first(staying, model.pin)]
    if model.pin is not None and model.pin not in versions and model.default in versions:
        return model.default
    if settings.policy == "specific" and model.pin is None:
        listed = [version for version in versions if version in settings.specific_versions]
        if listed or model.default in versions:
            versions = listed or [version for version in versions if version == model.default]
    if model.default in versions and aim not in versions:
        versions = [version for version in versions if version != model.previous]
    return versions[0] if versions else None


def _is_available(model: ModelView, version: int) -> bool:
    return any(view.version == version and view.state is VersionState.AVAILABLE for view in model.versions)


def _next_load(model: ModelView, wanted: tuple[int, ...], settings: ModelSettings, now_ms: int) -> Action | None:
    views = {view.version: view for view in model.versions}
    if any(view.state is VersionState.LOADING or view.reloading for view in model.versions):
        return None
    if settings.swap == "memory_first" and any(_takes_memory(view, wanted) for view in model.versions):
        return None
    for version in wanted:
        if _may_load(views[version], now_ms):
            return Load(version)
    for view in model.versions:
        may_reload = view.state is VersionState.AVAILABLE and view.loadable and not view.held
        if view.outdated and may_reload and settings.swap == "availability_first":
            return Reload(view.version)
    return None


def _may_load(view: VersionView, now_ms: int) -> bool:
    is_out = view.state in (VersionState.START, VersionState.END)
    return is_out and view.loadable and not view.held and (not view.failed or view.retry_at_ms <= now_ms)


def _takes_memory(view: VersionView, wanted: tuple[int, ...]) -> bool:
    return view.version not in wanted and view.state in {*_IN_MEMORY, VersionState.UNLOADING}
