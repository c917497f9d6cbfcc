"""How the signatures of a version differ from those of another one, in words. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from turnout.types import DEFAULT_SIGNATURE, Signature, TensorSpec


def describe_changes(before: Sequence[Signature], after: Sequence[Signature]) -> tuple[str, ...]:
    """Returns what callers of one version would find different at another one.

    What changes alike in several signatures is told once.
    """
    old, new = ({signature.name: signature for signature in signatures} for signatures in (before, after))
    changes: dict[str, list[str]] = {}
    for name in (name for name in old if name in new):
        for change in _changes_of(old[name], new[name]):
            changes.setdefault(change, []).append(name)
    changed = [change + _where(names, old) for change, names in changes.items()]
    return (*changed, *_comings_and_goings("signature", old, new))


def _changes_of(old: Signature, new: Signature) -> Iterator[str]:
    for kind, before, after in (("input", old.inputs, new.inputs), ("output", old.outputs, new.outputs)):
        known, found = ({spec.name: spec for spec in specs} for specs in (before, after))
        for name in (name for name in known if name in found):
            yield from _change_of(kind, known[name], found[name])
        yield from _comings_and_goings(kind, known, found)


def _change_of(kind: str, old: TensorSpec, new: TensorSpec) -> Iterator[str]:
    parts = [(old.dtype, new.dtype), (_shape(old), _shape(new))]
    differing = [pair for pair in parts if pair[0] != pair[1]]
    if differing:
        before, after = (" ".join(pair[side] for pair in differing) for side in (0, 1))
        yield f"{kind} `{old.name}` changes from {before} to {after}"


def _comings_and_goings(kind: str, old: Iterable[str], new: Iterable[str]) -> Iterator[str]:
    before, after = list(old), list(new)
    yield from (f"{kind} `{name}` disappears" for name in before if name not in after)
    yield from (f"{kind} `{name}` appears" for name in after if name not in before)


def _where(names: Sequence[str], signatures: Mapping[str, Signature]) -> str:
    """Says which signatures are meant, where the one that most callers use is none of them."""
    if DEFAULT_SIGNATURE in names or len(signatures) == 1:
        return ""
    return f" in {', '.join(f'`{name}`' for name in names)}"


def _shape(spec: TensorSpec) -> str:
    if spec.shape is None:
        return "of unknown rank"
    return f"[{', '.join('?' if size is None else str(size) for size in spec.shape)}]"
